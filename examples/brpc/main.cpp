// dingcb behind brpc, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <brpc/server.h>
#include <gflags/gflags.h>

#include "callback.pb.h"
#include "service.hpp"

namespace {

class Callbacks : public example::CallbackService {
 public:
  explicit Callbacks(const dingcb::CallbackHandler& handler) : handler_(handler) {}

  void post(google::protobuf::RpcController* base, const example::HttpRequest*, example::HttpResponse*,
            google::protobuf::Closure* done) override {
    auto* const controller = static_cast<brpc::Controller*>(base);
    const auto send = [controller, done](const dingcb::Response& answer) {
      controller->http_response().set_status_code(answer.status);
      controller->http_response().set_content_type(std::string(answer.content_type));
      controller->response_attachment().append(answer.body);
      done->Run();
    };
    if (controller->http_request().method() != brpc::HTTP_METHOD_POST) {
      return send({405, "text/plain", "POST only\n"});
    }
    // query() is what the client sent; GetQuery() is decoded. The controller lives until Run(), which any thread may
    // call.
    const std::string body = controller->request_attachment().to_string();
    handler_.handle({controller->http_request().uri().query(), body}, send);
  }

 private:
  const dingcb::CallbackHandler& handler_;
};

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();
  Callbacks callbacks(handler);

  GFLAGS_NAMESPACE::SetCommandLineOption("max_body_size", std::to_string(service::kMaxBody).c_str());
  brpc::ServerOptions options;
  options.has_builtin_services = false;  // else /flags, /vars and more are there for everybody who reaches the port
  options.idle_timeout_sec = 30;         // never by default
  brpc::Server server;
  const std::string address = "127.0.0.1:" + std::to_string(service::port(argc, argv));
  if (server.AddService(&callbacks, brpc::SERVER_DOESNT_OWN_SERVICE, "/callback => post") != 0) return 1;
  if (server.Start(address.c_str(), &options) != 0) return 1;
  service::announce(server.listen_address().port);
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  server.Stop(0);  // accepts no more
  service::drain(handler);
  server.Join();
}
