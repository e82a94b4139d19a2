// What the examples behind the various HTTP servers share: the service itself. How requests reach it, and how answers
// leave, is in each example's main.cpp.
//
// Settings come from the environment; the defaults are the sample of DingTalk's documents, good for trying it out only:
//   DINGCB_TOKEN, DINGCB_AES_KEY, DINGCB_OWNER_KEY   as in the developer console
// It keeps the last suite ticket in suite_ticket.txt and finished approvals in approvals.txt, in the working directory.
#pragma once

#include <dingcb/callback_handler.hpp>
#include <dingcb/events/app_lifecycle.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fstream>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace service {

/// Bodies above are refused by the HTTP server already, where it can. DingTalk's own stay far below.
inline constexpr std::size_t kMaxBody = std::size_t{4} * 1024 * 1024;

/// Writes a line at once, whole even where several threads write.
inline void log(std::string line) { std::cout << (line += '\n') << std::flush; }

/// Stores finished approvals in a thread of its own, and gives the verdict on each when it is stored: the answer to
/// DingTalk waits for it, the thread of the HTTP server does not have to.
class ApprovalStore {
 public:
  ApprovalStore() : thread_([this] { run(); }) {}
  ApprovalStore(const ApprovalStore&) = delete;
  ApprovalStore& operator=(const ApprovalStore&) = delete;
  ~ApprovalStore() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void add(dingcb::Deferred verdict) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      queue_.push_back(std::move(verdict));
    }
    changed_.notify_one();
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const dingcb::Deferred verdict = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      if (!verdict.settled()) verdict.settle(store(verdict.event()));  // else it comes again
      lock.lock();
    }
  }

  static dingcb::Ack store(const dingcb::Event& event) {
    const auto* const approval = event.get_if<dingcb::events::BpmsInstanceChange>();
    if (approval == nullptr) return dingcb::Ack::drop("no approval");
    std::ofstream file("approvals.txt", std::ios::app);
    file << approval->process_instance_id << ' ' << approval->title << '\n';
    return file.flush() ? dingcb::Ack::done() : dingcb::Ack::retry({}, "approvals.txt cannot be written");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<dingcb::Deferred> queue_;
  bool stopped_ = false;
  std::thread thread_;
};

inline dingcb::Dispatcher make_dispatcher() {
  using namespace dingcb::events;
  static ApprovalStore approvals;
  return dingcb::Dispatcher::Builder{}
      .on([](const UserAddOrg& event, dingcb::Context& context) {
        for (const std::string& id : event.user_id) log("employee " + id + " in " + context.event().header().corp_id);
      })
      .on([](const BpmsInstanceChange& event, dingcb::Context& context) {
        if (event.type != BpmsInstanceChange::Type::finish) return;
        log("approval " + event.process_instance_id + " is to be stored");
        approvals.add(context.defer());
      })
      .on([](const SuiteTicket& event) {
        std::ofstream file("suite_ticket.txt", std::ios::trunc);
        // A handler that throws makes DingTalk repeat the push.
        if (!(file << event.suite_ticket).flush()) throw std::runtime_error("suite_ticket.txt cannot be written");
      })
      .otherwise([](const dingcb::Event& event) { log("event " + std::string(event.type())); })
      .build()
      .value();
}

/// Makes the encryptor of the settings in the environment. Ends the program where they are none.
inline dingcb::Encryptor make_encryptor() {
  const auto setting = [](const char* name, const char* fallback) {
    const char* const value = std::getenv(name);
    return std::string(value != nullptr ? value : fallback);
  };
  auto encryptor = dingcb::Encryptor::create({setting("DINGCB_TOKEN", "123456"),
                                              setting("DINGCB_AES_KEY", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij"),
                                              {setting("DINGCB_OWNER_KEY", "suite4xxxxxxxxxxxxxxx")}});
  if (!encryptor) {
    std::cerr << encryptor.error().message << '\n';
    std::exit(1);
  }
  return *std::move(encryptor);
}

inline dingcb::CallbackOptions make_options() {
  dingcb::CallbackOptions options;
  options.max_body_size = kMaxBody;
  options.on_error = [](const dingcb::Request&, const dingcb::Error& error) {
    std::cerr << error.message.str() + '\n';
  };
  return options;
}

inline dingcb::CallbackHandler make_handler() {
  return dingcb::CallbackHandler(make_encryptor(), make_dispatcher(), make_options());
}

/// Gives the first argument of the program, or 8080. 0 lets the system choose.
inline unsigned short port(int argc, char** argv) {
  return static_cast<unsigned short>(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 8080);
}

inline void announce(int port) { log("listening on 127.0.0.1:" + std::to_string(port)); }

/// Makes a socket that listens, for servers that do not make their own, and announces its port. Connections wait there
/// until the server runs. Ends the program where that fails.
inline int listen_on(unsigned short port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (bind(socket, any, size) != 0 || listen(socket, 512) != 0 || getsockname(socket, any, &size) != 0) {
    std::cerr << "cannot listen\n";
    std::exit(1);
  }
  announce(ntohs(address.sin_port));
  return socket;
}

/// Answers on their way from any thread to the one of the event loop, for servers whose requests belong to that.
template <class Request>
class Answers {
 public:
  using Answer = std::pair<Request, dingcb::Response>;

  void add(Request request, dingcb::Response response) {
    const std::lock_guard<std::mutex> lock(mutex_);
    answers_.emplace_back(std::move(request), std::move(response));
  }
  /// Gives those that have come since the last call.
  std::vector<Answer> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(answers_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Answer> answers_;
};

/// Answers what waits for too long. @return whether no request is on its way any more.
inline bool idle(const dingcb::CallbackHandler& handler) {
  handler.expire();
  return handler.in_flight() == 0;
}

/// Waits until every request is answered, and a moment more, in which the server sends the last answer. Call it when
/// the server accepts no more, or before it stops.
inline void drain(const dingcb::CallbackHandler& handler) {
  while (!idle(handler)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

/// SIGINT and SIGTERM without a signal handler. Make it before the first thread, which must inherit it.
class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // a client that went away is no reason to end
  }
  void wait() const {
    int signal = 0;
    sigwait(&signals_, &signal);
  }
  /// Waits for at most this long. @return whether the signal came.
  bool wait_for(std::chrono::milliseconds time) const {
    const std::timespec limit{time.count() / 1000, time.count() % 1000 * 1000000};
    return sigtimedwait(&signals_, nullptr, &limit) > 0;
  }

 private:
  sigset_t signals_{};
};

}  // namespace service
