// dingcb behind cpp-httplib.
#include <dingcb/callback_handler.hpp>

#include <string>
#include <thread>
#include <utility>

#include "httplib_server.hpp"

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();

  service::HttplibServer server;
  server.Post("/callback", [&](const httplib::Request& request, httplib::Response& response) {
    // target is what the client sent; params would be decoded.
    dingcb::Response answer = handler.handle(dingcb::Request::from_target(request.target, request.body));
    response.status = answer.status;
    response.set_content(std::move(answer.body), std::string(answer.content_type));
  });

  const int port = server.listen_on(service::port(argc, argv));
  if (port < 0) {
    std::cerr << "cannot listen\n";
    return 1;
  }
  std::thread loop([&] { server.listen_after_bind(); });
  service::announce(port);
  stop.wait();
  server.stop();
  loop.join();
}
