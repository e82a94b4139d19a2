// dingcb behind libmicrohttpd, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <microhttpd.h>
#include <unistd.h>

#include "service.hpp"

namespace {

// One request, from its first line to its end.
struct Exchange {
  std::string target;
  std::string body;
  bool begun = false;
  bool handled = false;
  dingcb::Response response;
};

// Only here the URI is what the client sent. What is returned is `*state` of the functions below.
void* on_uri(void*, const char* uri, MHD_Connection*) { return new (std::nothrow) Exchange{uri, {}, false, false, {}}; }

void on_end(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) { delete static_cast<Exchange*>(*state); }

MHD_Result send(MHD_Connection* connection, const dingcb::Response& answer) {
  auto* const text = const_cast<char*>(answer.body.data());
  MHD_Response* const response = MHD_create_response_from_buffer(answer.body.size(), text, MHD_RESPMEM_MUST_COPY);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, std::string(answer.content_type).c_str());
  const MHD_Result result = MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);
  return result;
}

// Called once after the headers, for each piece of the body, after the last one, and once more after the answer came.
MHD_Result on_request(void* data, MHD_Connection* connection, const char* url, const char* method, const char*,
                      const char* upload, std::size_t* upload_size, void** state) noexcept try {
  auto* const exchange = static_cast<Exchange*>(*state);
  if (exchange == nullptr) return MHD_NO;
  if (std::string_view(url) != "/callback") return send(connection, {404, "text/plain", "not found\n"});
  if (std::string_view(method) != "POST") return send(connection, {405, "text/plain", "POST only\n"});
  if (!std::exchange(exchange->begun, true)) return MHD_YES;
  if (*upload_size != 0) {
    if (exchange->body.size() + *upload_size > service::kMaxBody) return MHD_NO;  // cuts the connection
    exchange->body.append(upload, std::exchange(*upload_size, 0));
    return MHD_YES;
  }
  if (exchange->handled) return send(connection, exchange->response);
  MHD_suspend_connection(connection);
  static_cast<dingcb::CallbackHandler*>(data)->handle(dingcb::Request::from_target(exchange->target, exchange->body),
                                                      [connection, exchange](dingcb::Response answer) {
                                                        exchange->response = std::move(answer);
                                                        exchange->handled = true;
                                                        MHD_resume_connection(connection);
                                                      });
  return MHD_YES;
} catch (...) {  // no memory; nothing may be thrown through C
  return MHD_NO;
}

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  dingcb::CallbackHandler handler = service::make_handler();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(service::port(argc, argv));
  MHD_Daemon* const daemon = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr, on_request, &handler,
      MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_THREAD_POOL_SIZE, 2U, MHD_OPTION_CONNECTION_TIMEOUT, 30U,
      MHD_OPTION_URI_LOG_CALLBACK, on_uri, nullptr, MHD_OPTION_NOTIFY_COMPLETED, on_end, nullptr, MHD_OPTION_END);
  if (daemon == nullptr) return 1;
  service::announce(MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  close(MHD_quiesce_daemon(daemon));
  service::drain(handler);
  MHD_stop_daemon(daemon);
}
