// dingcb behind cpp-httplib.
#include <dingcb/callback_handler.hpp>

#include <httplib.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <utility>

#include "service.hpp"

namespace {

struct Server : httplib::Server {
  // Debian's build has room for 5 connections that wait to be accepted, so that bursts take seconds; to call listen()
  // again enlarges it.
  bool enlarge_backlog() const { return ::listen(svr_sock_, 512) == 0; }
};

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();

  Server server;
  // A connection holds its thread, idle or not: have more threads than connections, and drop idle ones soon.
  server.new_task_queue = [] { return new httplib::ThreadPool(256); };
  server.set_keep_alive_max_count(1000000);
  server.set_keep_alive_timeout(2);
  server.set_tcp_nodelay(true);
  server.set_payload_max_length(service::kMaxBody);

  server.Post("/callback", [&](const httplib::Request& request, httplib::Response& response) {
    // target is what the client sent; params would be decoded.
    dingcb::Response answer = handler.handle(dingcb::Request::from_target(request.target, request.body));
    response.status = answer.status;
    response.set_content(std::move(answer.body), std::string(answer.content_type));
  });

  int port = service::port(argc, argv);
  if (port == 0) {
    port = server.bind_to_any_port("127.0.0.1");
  } else if (!server.bind_to_port("127.0.0.1", port)) {
    port = -1;
  }
  if (port < 0 || !server.enlarge_backlog()) {
    std::cerr << "cannot listen\n";
    return 1;
  }
  std::thread loop([&] { server.listen_after_bind(); });
  service::announce(port);
  stop.wait();
  server.stop();
  loop.join();
}
