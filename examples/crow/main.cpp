// dingcb behind Crow, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <crow.h>

#include "service.hpp"

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();

  crow::SimpleApp app;
  app.loglevel(crow::LogLevel::Warning);  // Info logs each URL, with its signature
  CROW_ROUTE(app, "/callback")
      .methods(crow::HTTPMethod::POST)([&](const crow::request& request, crow::response& response) {
        // raw_url is what the client sent; url_params is decoded. The answer may come from another thread; the response
        // belongs to the one of its loop, and lives until end().
        handler.handle(dingcb::Request::from_target(request.raw_url, request.body),
                       [loop = request.io_context, &response](dingcb::Response answer) {
                         asio::post(*loop, [&response, answer = std::move(answer)] {
                           response.code = answer.status;
                           response.set_header("Content-Type", std::string(answer.content_type));
                           response.end(answer.body);
                         });
                       });
      });
  app.bindaddr("127.0.0.1").port(service::port(argc, argv)).concurrency(3).signal_clear();

  const std::future<void> running = app.run_async();
  app.wait_for_server_start();
  service::announce(app.port());
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  service::drain(handler);
  app.stop();
}
