// What many clients at once are answered, and how soon.
#pragma once

#include <dingcb/callback_handler.hpp>

#include "support/callback.hpp"
#include "support/gate.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace answers {

/// Several deadlines, so that a busy machine fails no test, and far less than what is not to be waited for takes.
constexpr double kSoonMs = 10000;

/// A push of one event that has an id and an object of its own.
inline callback::Http push_of(const std::string& type, const std::string& id) {
  return callback::push(R"({"EventType":")" + type + R"(","CorpId":"ding1","eventId":")" + id + R"(","userId":["u)" +
                        id + "\"]}");
}
/// The same as a row of a SyncHTTP push, the answer to which is due sooner.
inline callback::Http row_of(const std::string& type, const std::string& id) {
  return callback::push_rows(callback::row(type, id, 13));
}

/// A callback that stores, with the deadlines that it has by default.
inline dingcb::CallbackHandler callback_of(std::shared_ptr<dingcb::Inbox> inbox) {
  dingcb::CallbackOptions options;
  options.inbox = std::move(inbox);
  return {dingcb::Encryptor::create(callback::kApp).value(), dingcb::Dispatcher::Builder{}.build().value(), options};
}

class Answers {
 public:
  void add(const dingcb::Response& response, std::chrono::steady_clock::duration took) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++count_[callback::answer_of(response)];
    ms_.push_back(std::chrono::duration<double, std::milli>(took).count());
  }

  std::size_t count(const std::string& answer) const {
    const auto found = count_.find(answer);
    return found == count_.end() ? 0 : found->second;
  }
  /// How long it took until so many of a hundred answers were there.
  double ms(double percent) const {
    std::vector<double> sorted = ms_;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 0
                          : sorted[static_cast<std::size_t>(percent / 100 * static_cast<double>(sorted.size() - 1))];
  }

  void print(const char* what) const {
    std::printf("%s:", what);
    for (const auto& [answer, count] : count_) std::printf(" %zu x %s,", count, answer.c_str());
    std::printf(" p50 %.1f ms, p99 %.1f ms, max %.1f ms\n", ms(50), ms(99), ms(100));
    static_cast<void>(std::fflush(stdout));  // or processes that are forked may print it again
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::size_t> count_;
  std::vector<double> ms_;
};

/// Sends pushes from several clients, each of which waits for its answer; every other one by the form with a
/// completion.
template <class Make>
void send(const dingcb::CallbackHandler& handler, std::size_t clients, std::size_t count, Make make, Answers& answers) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> over{false};
  std::thread timer([&] {
    for (; !over; std::this_thread::sleep_for(std::chrono::milliseconds(10))) static_cast<void>(handler.expire());
  });
  std::vector<std::thread> threads;
  for (std::size_t client = 0; client < clients; ++client) {
    threads.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) {
        const callback::Http push = make(i);
        const auto answered = std::make_shared<std::promise<void>>();
        const auto begin = std::chrono::steady_clock::now();
        const auto on_response = [&answers, answered, begin](const dingcb::Response& response) {
          answers.add(response, std::chrono::steady_clock::now() - begin);
          answered->set_value();
        };
        if (i % 2 == 0) {
          on_response(handler.handle(push.request()));
        } else {
          handler.handle(push.request(), on_response);
        }
        answered->get_future().wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  over = true;
  timer.join();
}

/// Counts how often each event is handled, and keeps its handlers until it is told to let them go.
class Handled {
 public:
  /// Handlers that do not come to an end before let_go().
  dingcb::Dispatcher keepers() {
    return dingcb::Dispatcher::Builder{}
        .otherwise([this](const dingcb::Event& event) {
          begin(event);
          gate_.pass();
        })
        .build()
        .value();
  }

  /// @return how often this event has come by now.
  int begin(const dingcb::Event& event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ++times_[event.header().id];
  }
  /// Waits until so many handlers are kept. @return whether they are.
  bool wait_for(std::size_t kept) { return gate_.wait_for(kept); }
  std::size_t kept() { return gate_.arrived(); }
  void let_go() { gate_.open(); }
  /// How many events were handled so many times.
  std::size_t count(int times) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(times_.begin(), times_.end(), [&](const auto& each) { return each.second == times; }));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> times_;
  support::Gate gate_;
};

}  // namespace answers
