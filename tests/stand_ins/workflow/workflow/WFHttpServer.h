// A stand-in for Sogou C++ Workflow: declares what examples/workflow uses, as Workflow 1.0 spells it, and nothing else.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "late_server.hpp"

namespace protocol {

class HttpMessage {
 public:
  bool add_header_pair(const char* name, const char* value) {
    if (std::string(name) == "Content-Type") answer_.type = value;
    return true;
  }
  bool append_output_body(const void* text, std::size_t size) {
    answer_.body.append(static_cast<const char*>(text), size);
    return true;
  }

  stand_in::Answer answer_;
  std::string parsed_body_;
};

class HttpRequest : public HttpMessage {
 public:
  const char* get_method() const { return method_.c_str(); }
  const char* get_request_uri() const { return uri_.c_str(); }

  std::string method_;
  std::string uri_;
};
class HttpResponse : public HttpMessage {};

class HttpUtil {
 public:
  static void set_response_status(HttpResponse* response, int status) { response->answer_.status = status; }
  static std::string decode_chunked_body(const HttpMessage* message) { return message->parsed_body_; }
};

}  // namespace protocol

class WFCounterTask {
 public:
  explicit WFCounterTask(unsigned target) : left_(target + 1) {}
  void count() {  // by the user, and once by the series
    if (--left_ != 0) return;
    done_();
    delete this;
  }

 private:
  friend class SeriesWork;
  std::atomic<unsigned> left_;
  std::function<void()> done_;
};

struct WFTaskFactory {
  static WFCounterTask* create_counter_task(unsigned target, std::nullptr_t) { return new WFCounterTask(target); }
};

class SeriesWork {
 public:
  void push_back(WFCounterTask* task) { last_ = task; }
  // Runs what was pushed, and then this.
  void run(std::function<void()> done) {
    if (last_ == nullptr) return done();
    last_->done_ = std::move(done);
    last_->count();
  }

 private:
  WFCounterTask* last_ = nullptr;
};

class WFHttpTask {
 public:
  protocol::HttpRequest* get_req() { return &request_; }
  protocol::HttpResponse* get_resp() { return &response_; }

  protocol::HttpRequest request_;
  protocol::HttpResponse response_;
  SeriesWork series_;
};
inline SeriesWork* series_of(WFHttpTask* task) { return &task->series_; }

struct WFServerParams {
  std::size_t request_size_limit;
};
static constexpr WFServerParams HTTP_SERVER_PARAMS_DEFAULT = {static_cast<std::size_t>(-1)};

class WFHttpServer {
 public:
  WFHttpServer(const WFServerParams* params, std::function<void(WFHttpTask*)> process) {
    server_.set_body_limit(params->request_size_limit);
    server_.post(".*", [process = std::move(process)](const httplib::Request& request,
                                                      const stand_in::LateServer::Reply& reply) {
      const auto task = std::make_shared<WFHttpTask>();
      task->request_.method_ = request.method;
      task->request_.uri_ = request.target;
      task->request_.parsed_body_ = request.body;
      process(task.get());
      task->series_.run([task, reply] { reply(task->response_.answer_); });
    });
  }
  int start(const char* host, unsigned short port) { return port_ = server_.start(host, port), 0; }
  int get_listen_addr(sockaddr* address, socklen_t* size) const {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    own.sin_port = htons(port_);
    *size = sizeof(own);
    std::memcpy(address, &own, sizeof(own));
    return 0;
  }
  void shutdown() {}
  void wait_finish() { server_.stop(); }

 private:
  stand_in::LateServer server_;
  std::uint16_t port_ = 0;
};
