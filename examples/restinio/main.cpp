// dingcb behind RESTinio, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <restinio/all.hpp>

#include "service.hpp"

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();

  const auto on_request = [&](const restinio::request_handle_t& request) {
    const auto& header = request->header();
    if (header.path() != "/callback" || header.method() != restinio::http_method_post()) {
      return request->create_response(restinio::status_not_found()).done();
    }
    // The query is what the client sent. A request handle may be kept, and answered by any thread.
    const std::string_view query(header.query().data(), header.query().size());
    handler.handle({query, request->body()}, [request](dingcb::Response answer) {
      const auto code = restinio::http_status_code_t(static_cast<std::uint16_t>(answer.status));
      request->create_response(restinio::http_status_line_t(code, ""))
          .append_header(restinio::http_field::content_type, std::string(answer.content_type))
          .set_body(std::move(answer.body))
          .done();
    });
    return restinio::request_accepted();
  };

  int port = 0;
  auto server = restinio::run_async(
      restinio::own_io_context(),
      restinio::server_settings_t<>{}
          .address("127.0.0.1")
          .port(service::port(argc, argv))
          .acceptor_post_bind_hook([&](auto& acceptor) { port = acceptor.local_endpoint().port(); })
          .incoming_http_msg_limits(restinio::incoming_http_msg_limits_t{}.max_body_size(service::kMaxBody))
          .max_pipelined_requests(4)
          .concurrent_accepts_count(4)
          .request_handler(on_request),
      2);
  service::announce(port);
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  service::drain(handler);
  server->stop();
  server->wait();
}
