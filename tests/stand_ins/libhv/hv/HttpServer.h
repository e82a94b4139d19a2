// A stand-in for libhv: declares what examples/libhv uses, as libhv 1.3 spells it, and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "late_server.hpp"

#define HTTP_STATUS_UNFINISHED 0
enum http_status { HTTP_STATUS_OK = 200, HTTP_STATUS_LAST = 599 };

namespace hv {

class HttpResponseWriter {
 public:
  explicit HttpResponseWriter(stand_in::LateServer::Reply reply) : reply_(std::move(reply)) {}
  int Begin() { return 0; }
  int WriteStatus(http_status status) { return answer_.status = status, 0; }
  int WriteHeader(const char* key, const char* value) {
    if (std::string(key) == "Content-Type") answer_.type = value;
    return 0;
  }
  int WriteBody(const std::string& body) { return answer_.body += body, 0; }
  int End() { return reply_(answer_), 0; }

 private:
  stand_in::LateServer::Reply reply_;
  stand_in::Answer answer_;
};

struct HttpContext {
  std::shared_ptr<HttpResponseWriter> writer;
  std::string url() { return url_; }
  std::string& body() { return body_; }

  std::string url_;
  std::string body_;
};

}  // namespace hv

using HttpContextPtr = std::shared_ptr<hv::HttpContext>;

namespace hv {

struct HttpService {
  unsigned enable_access_log : 1;
  HttpService() : enable_access_log(1) {}

  template <class Handler>
  void POST(const char* path, Handler handler) {
    path_ = path;
    handler_ = std::move(handler);
  }

  std::string path_;
  std::function<int(const HttpContextPtr&)> handler_;
};

class HttpServer {
 public:
  void registerHttpService(HttpService* routes) {
    server_.post(routes->path_, [routes](const httplib::Request& request, const stand_in::LateServer::Reply& reply) {
      auto context = std::make_shared<HttpContext>();
      context->writer = std::make_shared<HttpResponseWriter>(reply);
      context->url_ = "http://" + request.get_header_value("Host") + request.target;
      context->body_ = request.body;
      routes->handler_(context);
    });
  }
  void setListenFD(int socket) { socket_ = socket; }
  void setThreadNum(int) {}
  int start() { return server_.start(socket_), 0; }
  int stop() { return server_.stop(), 0; }

 private:
  stand_in::LateServer server_;
  int socket_ = -1;
};

}  // namespace hv
