// dingcb behind nginx, or another web server, that speaks FastCGI.
#include <dingcb/callback_handler.hpp>

#include <fcgiapp.h>

#include <vector>

#include "service.hpp"

namespace {

void answer(FCGX_Request& request, const dingcb::CallbackHandler& handler) {
  std::string body;
  char piece[16384];
  for (int size = 0; body.size() <= service::kMaxBody && (size = FCGX_GetStr(piece, sizeof(piece), request.in)) > 0;) {
    body.append(piece, static_cast<std::size_t>(size));
  }
  // What the client sent, if nginx has `fastcgi_param QUERY_STRING $query_string`.
  const char* const query = FCGX_GetParam("QUERY_STRING", request.envp);
  const dingcb::Response response = handler.handle({query != nullptr ? query : "", body});
  const std::string head = "Status: " + std::to_string(response.status) +
                           "\r\nContent-Type: " + std::string(response.content_type) + "\r\n\r\n";
  FCGX_PutStr(head.data(), static_cast<int>(head.size()), request.out);
  FCGX_PutStr(response.body.data(), static_cast<int>(response.body.size()), request.out);
}

void serve(int socket, const dingcb::CallbackHandler& handler) {
  FCGX_Request request;
  FCGX_InitRequest(&request, socket, FCGI_FAIL_ACCEPT_ON_INTR);
  while (FCGX_Accept_r(&request) == 0) {
    answer(request, handler);
    FCGX_Finish_r(&request);
  }
}

}  // namespace

// The argument is a path for a Unix socket, or `127.0.0.1:PORT`, as in nginx.conf.
int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();
  const char* const path = argc > 1 ? argv[1] : "dingcb.sock";
  FCGX_Init();
  const int socket = FCGX_OpenSocket(path, 512);
  if (socket < 0) return 1;

  // One request each: as many as may wait for verdicts. With fastcgi_keep_conn there must be more of them than
  // connections that nginx keeps, or pushes wait for an idle one.
  std::vector<std::thread> threads;
  for (int i = 0; i < 256; ++i) threads.emplace_back(serve, socket, std::cref(handler));
  service::log(std::string("listening on ") + path);
  stop.wait();
  FCGX_ShutdownPending();
  shutdown(socket, SHUT_RDWR);  // wakes those that wait for a request
  for (std::thread& thread : threads) thread.join();
}
