// Many threads, one CallbackHandler. Means the most under ThreadSanitizer.
#include <dingcb/callback_handler.hpp>

#include <dingcb/events/chat.hpp>
#include <dingcb/events/contact.hpp>

#include "support/callback.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using callback::answer_of;
using callback::Http;
using callback::kApp;
using callback::push;
using callback::push_of;
using callback::push_rows;
using callback::row;
using dingcb::Ack;
using dingcb::CallbackHandler;
using dingcb::CallbackStats;
using dingcb::Context;
using dingcb::Deferred;
using dingcb::Dispatcher;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Event;
using dingcb::Response;
using dingcb::events::ChatQuit;
using dingcb::events::UserAddOrg;
using dingcb::events::UserLeaveOrg;

constexpr const char* kAdded = R"({"EventType":"user_add_org","CorpId":"ding1","userId":["u1"]})";

template <class Body>
void in_threads(std::size_t count, Body body) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

// Settles verdicts in threads of its own.
class Pool {
 public:
  explicit Pool(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void post(std::function<void()> task) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return closing_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("Counters are exact after mixed traffic of 16 threads, while credentials are swapped") {
  dingcb::Credential other = kApp;
  other.token = "anotherToken";
  other.aes_key[0] = 'Z';
  other.label = "other";
  Encryptor encryptor = Encryptor::create(kApp).value();
  std::atomic<std::uint64_t> outcomes{0};
  std::atomic<std::uint64_t> errors{0};
  std::atomic<std::uint64_t> unhandled{0};
  CallbackHandler::Options options = callback::unhurried();
  options.on_outcome = [&](const dingcb::Outcome&) { ++outcomes; };
  options.on_error = [&](const dingcb::Request&, const dingcb::Error&) { ++errors; };
  options.on_unhandled = [&](const Event&) { ++unhandled; };
  const CallbackHandler handler(encryptor,
                                Dispatcher::Builder{}
                                    .on([](const UserAddOrg&) {})
                                    .on([](const ChatQuit&) { throw std::runtime_error("no"); })
                                    .on([](const UserLeaveOrg&) { return Ack::drop(); })
                                    .on_type("again", [](const Event&) { return Ack::retry(); })
                                    .build()
                                    .value(),
                                options);
  Http forged = push(kAdded);
  forged.query[15] = forged.query[15] == '0' ? '1' : '0';
  const std::pair<Http, int> requests[] = {
      {push(kAdded), 200},
      {push_of("chat_quit"), 503},
      {push_of("user_leave_org"), 200},
      {push_of("again"), 503},
      {push_of("invented"), 200},
      {push_of("check_url"), 200},
      {push(R"({"EventType":"user_add_org","userId":[{"no":"text"}]})"), 200},
      {push_rows(row("user_add_org", "u1", 13) + "," + row("user_leave_org", "u2", 13)), 200},
      {forged, 403},
      {{"", "nonsense"}, 400},
      {push("{}"), 500},
  };
  constexpr std::uint64_t kRounds = 40;
  constexpr std::uint64_t kAll = 16 * kRounds;
  std::atomic<bool> replacing{true};
  std::atomic<int> wrong{0};
  std::thread replacer([&] {
    for (int round = 0; round < 100; ++round) {
      if (!(round % 2 == 0 ? encryptor.replace({other, kApp}) : encryptor.replace({kApp}))) ++wrong;
      std::this_thread::yield();
    }
    replacing = false;
  });
  in_threads(16, [&](std::size_t thread) {
    for (std::size_t round = 0; round < kRounds; ++round) {
      for (const auto& [http, status] : requests) {
        Response response;
        if ((round + thread) % 2 == 0) {
          response = handler.handle(http.request());
        } else {
          handler.handle(http.request(), [&response](Response given) { response = std::move(given); });
        }
        if (response.status != status || (status == 200 && answer_of(response) != "success")) ++wrong;
        static_cast<void>(handler.stats());
      }
    }
  });
  replacer.join();
  CHECK(wrong == 0);
  CHECK_FALSE(replacing);
  const CallbackStats stats = handler.stats();
  CHECK(stats.received == 11 * kAll);
  CHECK(stats.refused == 2 * kAll);
  CHECK(stats.broken == kAll);
  CHECK(stats.checks == kAll);
  CHECK(stats.events == 8 * kAll);
  CHECK(stats.done == 3 * kAll);
  CHECK(stats.dropped == 3 * kAll);
  CHECK(stats.retried == 2 * kAll);
  CHECK(stats.unknown == 2 * kAll);
  CHECK(stats.unhandled == kAll);
  CHECK(stats.unfit == kAll);
  CHECK(stats.failed == kAll);
  CHECK(stats.late == 0);
  CHECK(handler.refused(Errc::signature_mismatch) == kAll);
  CHECK(handler.refused(Errc::request_malformed) == kAll);
  CHECK(handler.refused(Errc::event_type_missing) == kAll);
  CHECK(outcomes == 11 * kAll);
  CHECK(errors == 5 * kAll);
  CHECK(unhandled == kAll);
}

TEST_CASE("Deferred verdicts of a thread pool answer each request once, while expire() hunts them") {
  const auto clock = std::make_shared<injected::FakeClock>();
  auto pool = std::make_unique<Pool>(4);
  std::atomic<int> counted{0};
  CallbackHandler::Options options;
  options.clock = clock;
  const CallbackHandler handler(Encryptor::create(kApp).value(),
                                Dispatcher::Builder{}
                                    .on([&](const UserAddOrg&, Context& context) {
                                      const Deferred first = context.defer();
                                      const Deferred second = context.defer();
                                      pool->post([first, &counted] { counted += first.settle(Ack::done()) ? 1 : 0; });
                                      pool->post([second, &counted] { counted += second.settle(Ack::done()) ? 1 : 0; });
                                    })
                                    .on([&](const UserLeaveOrg&, Context& context) {
                                      pool->post([deferred = context.defer()] {});  // forgets it
                                    })
                                    .build()
                                    .value(),
                                options);
  const std::string rows = row("user_add_org", "u1", 13) + "," + row("user_add_org", "u2", 13);
  const Http requests[] = {push(kAdded), push_rows(rows), push_rows(rows + "," + row("user_leave_org", "u3", 13))};
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kRounds = 60;
  std::vector<std::atomic<int>> answers(kThreads * kRounds);
  std::atomic<int> good{0};
  std::atomic<bool> running{true};
  std::thread timer([&] {
    while (running) {
      clock->now += 400;
      handler.expire();
      std::this_thread::yield();
    }
  });
  in_threads(kThreads, [&](std::size_t thread) {
    for (std::size_t round = 0; round < kRounds; ++round) {
      auto& answer = answers[thread * kRounds + round];
      handler.handle(requests[round % 3].request(), [&answer, &good](const Response& response) {
        ++answer;
        good += response.status == 200 ? 1 : 0;
      });
    }
  });
  for (const auto& answer : answers) {
    while (answer == 0) std::this_thread::yield();
  }
  running = false;
  timer.join();
  pool.reset();  // once its tasks are done
  CHECK(handler.expire() == 0);
  int once = 0;
  for (const auto& answer : answers) once += answer == 1 ? 1 : 0;
  CHECK(once == static_cast<int>(answers.size()));
  const CallbackStats stats = handler.stats();
  CHECK(stats.received == answers.size());
  CHECK(stats.done == static_cast<std::uint64_t>(counted.load()));
  CHECK(stats.events == stats.done + stats.retried);
  CHECK(good <= counted);
}

TEST_CASE("The direct form waits in many threads for verdicts of a pool") {
  Pool pool(2);
  CallbackHandler::Options options = callback::unhurried();
  const CallbackHandler handler(Encryptor::create(kApp).value(),
                                Dispatcher::Builder{}
                                    .otherwise([&](const Event&, Context& context) {
                                      pool.post([deferred = context.defer()] { deferred.settle(Ack::done()); });
                                    })
                                    .build()
                                    .value(),
                                options);
  std::atomic<int> good{0};
  const Http http = push(kAdded);
  in_threads(16, [&](std::size_t) {
    for (int round = 0; round < 30; ++round) good += answer_of(handler.handle(http.request())) == "success" ? 1 : 0;
  });
  CHECK(good == 480);
}

TEST_CASE("A CallbackHandler may go while its requests wait in other threads") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> answers{0};
    {
      Pool pool(2);
      const CallbackHandler handler(Encryptor::create(kApp).value(),
                                    Dispatcher::Builder{}
                                        .otherwise([&pool](const Event&, Context& context) {
                                          pool.post([deferred = context.defer()] { deferred.settle(Ack::done()); });
                                        })
                                        .build()
                                        .value());
      for (int i = 0; i < 8; ++i) handler.handle(push(kAdded).request(), [&answers](const Response&) { ++answers; });
    }  // the handler first, then the pool, which finishes its tasks
    REQUIRE(answers == 8);
  }
}
