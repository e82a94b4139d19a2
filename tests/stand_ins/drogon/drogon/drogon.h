// A stand-in for Drogon: declares what examples/drogon uses, as Drogon 1.9 spells it, and nothing else.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "late_server.hpp"

namespace trantor {

class InetAddress {
 public:
  explicit InetAddress(std::uint16_t port) : port_(port) {}
  std::uint16_t toPort() const { return port_; }

 private:
  std::uint16_t port_;
};

class EventLoop {
 public:
  void runEvery(double interval, const std::function<void()>& run) { add(interval, run, true); }
  void runAfter(double delay, const std::function<void()>& run) { add(delay, run, false); }

  // The application's, not the example's, as in Drogon.
  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!quit_) {
      Timer* next = nullptr;
      for (Timer& timer : timers_) {
        if (next == nullptr || timer.at < next->at) next = &timer;
      }
      if (next == nullptr) {
        changed_.wait(lock);
      } else if (changed_.wait_until(lock, next->at) == std::cv_status::timeout) {
        next->at = next->repeats ? Clock::now() + next->period : Clock::time_point::max();
        lock.unlock();
        next->run();
        lock.lock();
      }
    }
  }
  void quit() {
    const std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
    changed_.notify_all();
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Timer {
    Clock::time_point at;
    Clock::duration period;
    std::function<void()> run;
    bool repeats;
  };

  void add(double seconds, const std::function<void()>& run, bool repeats) {
    const auto period = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    timers_.push_back({Clock::now() + period, period, run, repeats});
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Timer> timers_;
  bool quit_ = false;
};

}  // namespace trantor

namespace drogon {

enum HttpMethod { Get, Post };
enum HttpStatusCode { kUnknown = 0, k511NetworkAuthenticationRequired = 511 };

class HttpRequest {
 public:
  HttpRequest(std::string query, std::string body) : query_(std::move(query)), body_(std::move(body)) {}
  const std::string& query() const { return query_; }
  std::string_view body() const { return body_; }

 private:
  std::string query_;
  std::string body_;
};
using HttpRequestPtr = std::shared_ptr<HttpRequest>;

class HttpResponse {
 public:
  static std::shared_ptr<HttpResponse> newHttpResponse() { return std::make_shared<HttpResponse>(); }
  void setStatusCode(HttpStatusCode code) { answer_.status = code; }
  void setContentTypeString(const std::string_view& type) { answer_.type = type; }
  void setBody(std::string&& body) { answer_.body = std::move(body); }

 private:
  friend class HttpAppFramework;
  stand_in::Answer answer_{200, "text/html", {}};
};
using HttpResponsePtr = std::shared_ptr<HttpResponse>;

namespace internal {
struct HttpConstraint {
  HttpConstraint(HttpMethod only) : method(only) {}  // NOLINT(google-explicit-constructor): as in Drogon
  HttpMethod method;
};
}  // namespace internal

class HttpAppFramework {
 public:
  HttpAppFramework& addListener(const std::string& ip, std::uint16_t port) {
    address_ = ip;
    port_ = port;
    return *this;
  }
  HttpAppFramework& setClientMaxBodySize(std::size_t size) {
    server_.set_body_limit(size);
    return *this;
  }
  HttpAppFramework& setClientMaxMemoryBodySize(std::size_t) { return *this; }
  HttpAppFramework& setFileTypes(const std::vector<std::string>&) { return *this; }

  template <class Function>
  HttpAppFramework& registerHandler(const std::string& path, Function&& function,
                                    const std::vector<internal::HttpConstraint>& constraints) {
    const bool post = std::any_of(constraints.begin(), constraints.end(),
                                  [](const internal::HttpConstraint& only) { return only.method == Post; });
    if (!post) return *this;
    server_.post(path, [function = std::forward<Function>(function)](const httplib::Request& request,
                                                                     const stand_in::LateServer::Reply& reply) {
      const std::size_t mark = request.target.find('?');
      std::string query = mark == std::string::npos ? std::string() : request.target.substr(mark + 1);
      std::function<void(const HttpResponsePtr&)> callback = [reply](const HttpResponsePtr& response) {
        reply(response->answer_);
      };
      function(std::make_shared<HttpRequest>(std::move(query), request.body), std::move(callback));
    });
    return *this;
  }

  trantor::EventLoop* getLoop() { return &loop_; }
  std::vector<trantor::InetAddress> getListeners() const { return {trantor::InetAddress(port_)}; }

  void run() {
    port_ = server_.start(address_, port_);
    loop_.loop();
    server_.stop();
  }
  void quit() { loop_.quit(); }

 private:
  stand_in::LateServer server_;
  trantor::EventLoop loop_;
  std::string address_;
  std::uint16_t port_ = 0;
};

inline HttpAppFramework& app() {
  static HttpAppFramework framework;
  return framework;
}

}  // namespace drogon
