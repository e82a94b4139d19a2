// dingcb behind Sogou C++ Workflow, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <workflow/HttpMessage.h>
#include <workflow/HttpUtil.h>
#include <workflow/WFHttpServer.h>
#include <workflow/WFTaskFactory.h>

#include "service.hpp"

namespace {

void fill(protocol::HttpResponse* response, const dingcb::Response& answer) {
  protocol::HttpUtil::set_response_status(response, answer.status);
  response->add_header_pair("Content-Type", std::string(answer.content_type).c_str());
  response->append_output_body(answer.body.data(), answer.body.size());
}

void on_request(WFHttpTask* task, const dingcb::CallbackHandler& handler) {
  const protocol::HttpRequest* const request = task->get_req();
  const std::string_view target = request->get_request_uri();
  if (std::string_view(request->get_method()) != "POST" || target.substr(0, target.find('?')) != "/callback") {
    return fill(task->get_resp(), {404, "text/plain", "not found\n"});
  }
  // The answer leaves when all tasks of its series are done; this one is when it has been counted, by any thread.
  WFCounterTask* const answered = WFTaskFactory::create_counter_task(1, nullptr);
  series_of(task)->push_back(answered);
  // The URI is what the client sent. A body may have come in chunks, which get_parsed_body() would leave in it.
  const std::string body = protocol::HttpUtil::decode_chunked_body(request);
  handler.handle(dingcb::Request::from_target(target, body), [task, answered](const dingcb::Response& answer) {
    fill(task->get_resp(), answer);
    answered->count();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();

  WFServerParams params = HTTP_SERVER_PARAMS_DEFAULT;
  params.request_size_limit = service::kMaxBody;  // none by default
  WFHttpServer server(&params, [&](WFHttpTask* task) { on_request(task, handler); });
  if (server.start("127.0.0.1", service::port(argc, argv)) != 0) return 1;
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  server.get_listen_addr(reinterpret_cast<sockaddr*>(&address), &size);
  service::announce(ntohs(address.sin_port));
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  server.shutdown();
  service::drain(handler);
  server.wait_finish();
}
