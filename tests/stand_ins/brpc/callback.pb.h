// A stand-in for what protoc makes of examples/brpc/callback.proto.
#pragma once

#include <brpc/server.h>

namespace example {

class HttpRequest {};
class HttpResponse {};

class CallbackService : public brpc::Service {
 public:
  virtual void post(google::protobuf::RpcController* controller, const HttpRequest* request, HttpResponse* response,
                    google::protobuf::Closure* done) = 0;

 private:
  void call(google::protobuf::RpcController* controller, google::protobuf::Closure* done) final {
    post(controller, &request_, &response_, done);
  }
  HttpRequest request_;
  HttpResponse response_;
};

}  // namespace example
