// A stand-in for brpc: declares what examples/brpc uses, as brpc 1.17 spells it, and nothing else.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "late_server.hpp"

namespace google {
namespace protobuf {

class RpcController {
 public:
  RpcController() = default;
  RpcController(const RpcController&) = delete;
  RpcController& operator=(const RpcController&) = delete;
  virtual ~RpcController() = default;
};

class Closure {
 public:
  Closure() = default;
  Closure(const Closure&) = delete;
  Closure& operator=(const Closure&) = delete;
  virtual ~Closure() = default;
  virtual void Run() = 0;
};

}  // namespace protobuf
}  // namespace google

namespace brpc {

enum HttpMethod { HTTP_METHOD_GET = 1, HTTP_METHOD_POST = 3 };

class URI {
 public:
  const std::string& query() const { return query_; }
  std::string query_;
};

class HttpHeader {
 public:
  URI& uri() { return uri_; }
  HttpMethod method() const { return method_; }
  void set_status_code(int status) { answer_.status = status; }
  void set_content_type(const std::string& type) { answer_.type = type; }

  URI uri_;
  HttpMethod method_ = HTTP_METHOD_POST;
  stand_in::Answer answer_;
};

class IOBuf {
 public:
  std::string to_string() const { return text_; }
  void append(const std::string& text) { text_ += text; }
  std::string text_;
};

class Controller : public google::protobuf::RpcController {
 public:
  HttpHeader& http_request() { return request_; }
  HttpHeader& http_response() { return response_; }
  IOBuf& request_attachment() { return request_body_; }
  IOBuf& response_attachment() { return response_body_; }

 private:
  HttpHeader request_;
  HttpHeader response_;
  IOBuf request_body_;
  IOBuf response_body_;
};

// What the compiler for callback.proto would have generated is a class derived from this.
class Service {
 public:
  Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  virtual ~Service() = default;
  virtual void call(google::protobuf::RpcController* controller, google::protobuf::Closure* done) = 0;
};

struct ServerOptions {
  bool has_builtin_services = true;
  int idle_timeout_sec = -1;
};
enum ServiceOwnership { SERVER_OWNS_SERVICE, SERVER_DOESNT_OWN_SERVICE };

inline std::size_t max_body_size = std::size_t{64} * 1024 * 1024;

class Server {
 public:
  struct EndPoint {
    int port;
  };

  int AddService(Service* service, ServiceOwnership, const std::string& mapping) {
    server_.post(mapping.substr(0, mapping.find(' ')),
                 [service](const httplib::Request& request, const stand_in::LateServer::Reply& reply) {
                   auto* const done = new Done(reply);
                   const std::size_t mark = request.target.find('?');
                   done->controller.http_request().uri_.query_ =
                       mark == std::string::npos ? std::string() : request.target.substr(mark + 1);
                   done->controller.request_attachment().append(request.body);
                   service->call(&done->controller, done);
                 });
    return 0;
  }
  int Start(const char* address, const ServerOptions*) {
    const std::string text = address;
    const std::size_t colon = text.find(':');
    const auto port = static_cast<std::uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10));
    server_.set_body_limit(max_body_size);
    endpoint_.port = server_.start(text.substr(0, colon), port);
    return 0;
  }
  EndPoint listen_address() const { return endpoint_; }
  int Stop(int) { return 0; }
  int Join() { return server_.stop(), 0; }

 private:
  // Owns the controller, and ends with its only run.
  struct Done : google::protobuf::Closure {
    explicit Done(stand_in::LateServer::Reply on_answer) : reply(std::move(on_answer)) {}
    void Run() override {
      stand_in::Answer answer = controller.http_response().answer_;
      answer.body = controller.response_attachment().to_string();
      reply(std::move(answer));
      delete this;
    }
    Controller controller;
    stand_in::LateServer::Reply reply;
  };

  stand_in::LateServer server_;
  EndPoint endpoint_{0};
};

}  // namespace brpc
