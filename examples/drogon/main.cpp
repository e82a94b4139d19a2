// dingcb behind Drogon, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <drogon/drogon.h>

#include "service.hpp"

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();

  drogon::app()
      .addListener("127.0.0.1", service::port(argc, argv))
      .setClientMaxBodySize(service::kMaxBody)        // 1 MB by default, less than a large batch
      .setClientMaxMemoryBodySize(service::kMaxBody)  // what is larger goes through a file
      .setFileTypes({})                               // else approvals.txt would be there for everybody
      .registerHandler(
          "/callback",
          [&](const drogon::HttpRequestPtr& request, std::function<void(const drogon::HttpResponsePtr&)>&& callback) {
            // query() is what the client sent; getParameter() is decoded. The callback may be called by any thread.
            handler.handle({request->query(), request->body()},
                           [callback = std::move(callback)](dingcb::Response answer) {
                             const drogon::HttpResponsePtr response = drogon::HttpResponse::newHttpResponse();
                             response->setStatusCode(static_cast<drogon::HttpStatusCode>(answer.status));
                             response->setContentTypeString(answer.content_type);
                             response->setBody(std::move(answer.body));
                             callback(response);
                           });
          },
          {drogon::Post});

  drogon::app().getLoop()->runAfter(0.1, [] { service::announce(drogon::app().getListeners().front().toPort()); });
  // Answers what waits for too long. Ends when nothing waits any more, a round later for the last answer.
  drogon::app().getLoop()->runEvery(0.05, [&, stopping = false, rested = false]() mutable {
    stopping = stopping || stop.wait_for(std::chrono::milliseconds(0));
    const bool rests = service::idle(handler) && stopping;
    if (std::exchange(rested, rests) && rests) drogon::app().quit();
  });
  drogon::app().run();
}
