// What the stand-ins share: cpp-httplib, made into a server whose handlers may answer later and in any thread.
#pragma once

#include <fcntl.h>
#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace stand_in {

struct Answer {
  int status = 200;
  std::string type;
  std::string body;
};

class LateServer {
 public:
  using Reply = std::function<void(Answer)>;
  using Handler = std::function<void(const httplib::Request&, Reply)>;

  LateServer() {
    // The frameworks hold no thread for an idle connection or a request that waits; cpp-httplib does, so it has many.
    server_.new_task_queue = [] { return new httplib::ThreadPool(256); };
    server_.set_keep_alive_max_count(1000000);
    server_.set_keep_alive_timeout(2);
    server_.set_tcp_nodelay(true);
  }
  LateServer(const LateServer&) = delete;
  LateServer& operator=(const LateServer&) = delete;
  ~LateServer() { stop(); }

  void set_body_limit(std::size_t size) { server_.set_payload_max_length(size); }

  void post(const std::string& path, Handler handler) {
    server_.Post(path,
                 [this, handler = std::move(handler)](const httplib::Request& request, httplib::Response& response) {
                   auto promise = std::make_shared<std::promise<Answer>>();
                   std::future<Answer> future = promise->get_future();
                   // A second answer is a mistake of the example, and ends the program.
                   handler(request, [promise](Answer given) noexcept { promise->set_value(std::move(given)); });
                   promise.reset();
                   Answer answer{500, "text/plain", "the server has stopped\n"};  // the frameworks cut the connection
                   while (!stopped_) {
                     if (future.wait_for(std::chrono::milliseconds(5)) != std::future_status::ready) continue;
                     answer = future.get();
                     break;
                   }
                   response.status = answer.status;
                   response.set_content(answer.body, answer.type);
                 });
  }

  /// Starts to listen and to answer, in other threads. Ends the program where that fails. @return the port.
  std::uint16_t start(const std::string& address, std::uint16_t port) {
    int bound = port;
    if (port == 0) {
      bound = server_.bind_to_any_port(address.c_str());
    } else if (!server_.bind_to_port(address.c_str(), port)) {
      bound = -1;
    }
    if (bound < 0 || !server_.enlarge_backlog()) {
      std::cerr << "cannot listen\n";
      std::exit(1);
    }
    run();
    return static_cast<std::uint16_t>(bound);
  }
  /// The same for a socket that listens already.
  void start(int socket) {
    fcntl(socket, F_SETFL, 0);  // cpp-httplib wants it to block
    server_.adopt(socket);
    run();
  }

  /// Stops at once: what has no answer yet does not get its own any more.
  void stop() {
    stopped_ = true;
    server_.stop();
    if (network_.joinable()) network_.join();
  }

 private:
  struct Server : httplib::Server {
    bool enlarge_backlog() const { return ::listen(svr_sock_, 512) == 0; }
    void adopt(int socket) { svr_sock_ = socket; }
  };

  void run() {
    network_ = std::thread([this] { server_.listen_after_bind(); });
  }

  Server server_;
  std::atomic<bool> stopped_{false};
  std::thread network_;
};

}  // namespace stand_in
