// dingcb behind libhv, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <hv/HttpServer.h>

#include "service.hpp"

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();

  hv::HttpService routes;
  routes.enable_access_log = 0;  // it has each URL, with its signature
  routes.POST("/callback", [&](const HttpContextPtr& context) {
    // url() is what the client sent; params() is decoded. The writer may be used by any thread.
    const std::string url = context->url();
    handler.handle(dingcb::Request::from_target(url, context->body()),
                   [writer = context->writer](const dingcb::Response& answer) {
                     writer->Begin();
                     writer->WriteStatus(static_cast<http_status>(answer.status));
                     writer->WriteHeader("Content-Type", std::string(answer.content_type).c_str());
                     writer->WriteBody(answer.body);
                     writer->End();
                   });
    return HTTP_STATUS_UNFINISHED;
  });

  hv::HttpServer server;
  server.registerHttpService(&routes);
  server.setListenFD(service::listen_on(service::port(argc, argv)));
  server.setThreadNum(2);
  if (server.start() != 0) return 1;
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  service::drain(handler);
  server.stop();
}
