// A stand-in for Crow: declares what examples/crow uses, as Crow 1.3 spells it, and nothing else.
#pragma once

#define ASIO_STANDALONE
#include <asio.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "late_server.hpp"

#define CROW_ROUTE(app, url) (app).route(url)

namespace crow {

enum class HTTPMethod : char { GET, POST };
enum class LogLevel { Warning };

struct request {
  std::string raw_url;
  std::string body;
  asio::io_context* io_context{};
};

struct response {
  int code{200};
  std::string body;

  void set_header(const std::string& key, std::string value) {
    if (key == "Content-Type") type_ = std::move(value);
  }
  void end(const std::string& more) {
    body += more;
    complete_({code, type_, body});
  }

 private:
  friend class SimpleApp;
  std::string type_;
  stand_in::LateServer::Reply complete_;
};

class SimpleApp {
 public:
  /// Waits for its method and its handler.
  class Rule {
   public:
    Rule(SimpleApp& app, std::string url) : app_(app), url_(std::move(url)) {}
    Rule& methods(HTTPMethod method) {
      post_ = method == HTTPMethod::POST;
      return *this;
    }
    void operator()(std::function<void(const request&, response&)> handler) {
      if (post_) app_.add(url_, std::move(handler));
    }

   private:
    SimpleApp& app_;
    std::string url_;
    bool post_ = false;
  };

  Rule route(const std::string& url) { return Rule(*this, url); }
  SimpleApp& loglevel(LogLevel) { return *this; }
  SimpleApp& bindaddr(std::string address) {
    address_ = std::move(address);
    return *this;
  }
  SimpleApp& port(std::uint16_t port) {
    port_ = port;
    return *this;
  }
  std::uint16_t port() const { return port_; }
  SimpleApp& concurrency(unsigned) { return *this; }  // one loop sends all answers
  SimpleApp& signal_clear() { return *this; }

  std::future<void> run_async() {
    return std::async(std::launch::async, [this] {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        port_ = server_.start(address_, port_);
        started_ = true;
        changed_.notify_all();
      }
      loop_.run();
      server_.stop();
    });
  }
  std::cv_status wait_for_server_start(std::chrono::milliseconds limit = std::chrono::milliseconds(3000)) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return started_; }) ? std::cv_status::no_timeout
                                                                       : std::cv_status::timeout;
  }
  void stop() { loop_.stop(); }

 private:
  void add(const std::string& url, std::function<void(const request&, response&)> handler) {
    server_.post(url, [this, handler = std::move(handler)](const httplib::Request& http,
                                                           const stand_in::LateServer::Reply& reply) {
      // As in Crow, request and response live until the answer is complete, and belong to the thread of a loop.
      auto exchange = std::make_shared<std::pair<request, response>>();
      exchange->first = {http.target, http.body, &loop_};
      exchange->second.complete_ = [this, reply, exchange](stand_in::Answer answer) {
        reply(std::move(answer));
        asio::post(loop_, [exchange] { exchange->second.complete_ = {}; });
      };
      asio::post(loop_, [exchange = exchange.get(), handler] { handler(exchange->first, exchange->second); });
    });
  }

  stand_in::LateServer server_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(loop_);
  std::string address_;
  std::uint16_t port_ = 80;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool started_ = false;
};

}  // namespace crow
