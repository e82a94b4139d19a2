// Answers are in time, whatever handlers and inboxes do.
#include <dingcb/inbox/sqlite.hpp>

#include "inbox/sqlite_file.hpp"
#include "support/answers.hpp"
#include "support/callback.hpp"
#include "support/catch.hpp"
#include "support/gate.hpp"

#include <sqlite3.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using dingcb::Ack;
using dingcb::Dispatcher;
using dingcb::Errc;
using dingcb::Event;
using dingcb::Milliseconds;
using dingcb::Result;
using namespace std::chrono_literals;

constexpr auto kLong = 60s;

std::string id_of(std::size_t i) { return 'e' + std::to_string(i); }

TEST_CASE("CallbackHandler answers at once while no handler comes to an end, and nothing is lost") {
  constexpr std::size_t kCount = 400;
  const File file;
  const auto inbox = file.open();
  answers::Handled handled;
  const dingcb::CallbackHandler handler = answers::callback_of(inbox);
  dingcb::Worker worker(inbox, handled.keepers());
  answers::Answers answers;
  const auto send = [&](std::size_t first, std::size_t count) {
    answers::send(
        handler, 8, count, [&](std::size_t i) { return answers::push_of("user_add_org", id_of(first + i)); }, answers);
  };
  send(0, 4);
  REQUIRE(handled.wait_for(4));  // all threads of the worker
  send(4, kCount - 4);
  answers.print("no handler ends");
  CHECK(answers.count("success") == kCount);
  CHECK(answers.ms(100) < answers::kSoonMs);
  CHECK(handled.kept() == 4);
  CHECK(worker.stats().done == 0);
  handled.let_go();
  CHECK(worker.drain(kLong));
  CHECK(handled.count(1) == kCount);
  CHECK(worker.stats().done == kCount);
}

TEST_CASE("CallbackHandler answers at once while handlers fail, and every event ends as its handler says") {
  constexpr std::size_t kEach = 100;
  const File file;
  const auto inbox = file.open();
  answers::Handled handled;
  const auto dispatcher = Dispatcher::Builder{}
                              .on_type("user_add_org",
                                       [&](const Event& event) {
                                         handled.begin(event);
                                         throw std::runtime_error("no database");
                                       })
                              .on_type("user_modify_org",
                                       [&](const Event& event) {
                                         return handled.begin(event) < 3 ? Ack::retry(Milliseconds(1)) : Ack::done();
                                       })
                              .on_type("user_leave_org",
                                       [&](const Event& event) {
                                         handled.begin(event);
                                         return Ack::retry(1h, "not today");
                                       })
                              .on_type("user_active_org",
                                       [&](const Event& event) {
                                         handled.begin(event);
                                         return Ack::drop("of no use");
                                       })
                              .build()
                              .value();
  const dingcb::CallbackHandler handler = answers::callback_of(inbox);
  dingcb::WorkerOptions options;
  options.max_attempts = 5;
  options.first_delay = options.longest_delay = Milliseconds(2);
  dingcb::Worker worker(inbox, dispatcher, options);
  answers::Answers answers;
  answers::send(
      handler, 8, 4 * kEach,
      [](std::size_t i) {
        constexpr const char* kTypes[] = {"user_add_org", "user_modify_org", "user_leave_org", "user_active_org"};
        return answers::push_of(kTypes[i % 4], id_of(i));
      },
      answers);
  answers.print("every handler fails");
  CHECK(answers.count("success") == 4 * kEach);
  CHECK(answers.ms(100) < answers::kSoonMs);
  const auto until = std::chrono::steady_clock::now() + kLong;
  dingcb::InboxStats stats;
  do {
    std::this_thread::yield();
    stats = inbox->stats().value();
  } while ((stats.pending > kEach || stats.claimed > 0) && std::chrono::steady_clock::now() < until);
  worker.stop();
  CHECK(inbox->stats()->pending == kEach);   // those that were delayed for an hour
  CHECK(inbox->stats()->dead == 2 * kEach);  // those that threw, and those that were dropped
  CHECK(worker.stats().done == kEach);
  CHECK(handled.count(5) == kEach);      // threw, until there were enough attempts
  CHECK(handled.count(3) == kEach);      // retried until it was done
  CHECK(handled.count(1) == 2 * kEach);  // delayed, or dropped
  dingcb::DeadQuery thrown;
  thrown.type = "user_add_org";
  thrown.limit = 1;
  const auto letters = inbox->dead_letters(thrown);
  REQUIRE(letters);
  REQUIRE(letters->size() == 1);
  CHECK(letters->front().attempts == 5);
  CHECK(letters->front().why.find("no database") != std::string::npos);
}

TEST_CASE("CallbackHandler refuses at once what a full inbox has no room for, and takes it when there is some") {
  constexpr std::size_t kCount = 200;
  constexpr std::size_t kRoom = 50;
  const File file;
  dingcb::SqliteInboxOptions storage;
  storage.max_pending = kRoom;
  const auto inbox = file.open(storage);
  answers::Handled handled;
  const dingcb::CallbackHandler handler = answers::callback_of(inbox);
  dingcb::Worker worker(inbox, handled.keepers());
  const auto push = [](std::size_t i) { return answers::push_of("user_add_org", id_of(i)); };
  answers::Answers answers;
  answers::send(handler, 8, kCount, push, answers);
  answers.print("the inbox is full");
  CHECK(answers.count("success") == kRoom);
  CHECK(answers.count("503 try again") == kCount - kRoom);
  CHECK(handler.refused(Errc::inbox_full) == kCount - kRoom);
  CHECK(answers.ms(100) < answers::kSoonMs);
  handled.let_go();
  CHECK(worker.drain(kLong));
  for (std::size_t i = 0; i < kCount; ++i) {  // as DingTalk repeats what was refused
    while (callback::answer_of(handler.handle(push(i).request())) != "success") std::this_thread::yield();
  }
  CHECK(worker.drain(kLong));
  CHECK(handled.count(1) == kCount);
}

TEST_CASE("CallbackHandler refuses in time while the file of its inbox hangs") {
  constexpr std::size_t kCount = 16;
  const File file;
  dingcb::SqliteInboxOptions storage;
  storage.lock_timeout = kLong;
  const auto inbox = file.open(storage);
  answers::Handled handled;
  const auto dispatcher =
      Dispatcher::Builder{}.otherwise([&](const Event& event) { handled.begin(event); }).build().value();
  const dingcb::CallbackHandler handler = answers::callback_of(inbox);
  dingcb::Worker worker(inbox, dispatcher);
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(file.path.c_str(), &other) == SQLITE_OK);
  sqlite3_busy_timeout(other, 60000);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  const auto push = [](std::size_t i) { return answers::push_of("user_add_org", id_of(i)); };
  answers::Answers answers;
  answers::send(handler, kCount, kCount, push, answers);
  answers.print("the inbox hangs");
  CHECK(answers.count("503 try again") == kCount);
  CHECK(handler.refused(Errc::inbox_failed) == kCount);
  CHECK(answers.ms(100) < answers::kSoonMs);
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  for (std::size_t i = 0; i < kCount; ++i) CHECK(callback::answer_of(handler.handle(push(i).request())) == "success");
  CHECK(worker.drain(kLong));
  CHECK(worker.stats().done == kCount);
}

/// An inbox whose put() returns when it is told to.
class Stuck final : public dingcb::Inbox {
 public:
  Result<dingcb::PutCount> put(const std::vector<dingcb::StoredEvent>& events) override {
    gate_.pass();
    return dingcb::PutCount{events.size(), 0};
  }
  Result<std::vector<dingcb::ClaimedEvent>> claim(std::size_t, Milliseconds) override {
    return std::vector<dingcb::ClaimedEvent>();
  }
  Result<std::vector<std::size_t>> settle(const std::vector<dingcb::Settlement>&) override {
    return std::vector<std::size_t>();
  }
  Result<dingcb::InboxStats> stats() override { return dingcb::InboxStats{}; }
  void let_go() { gate_.open(); }

 private:
  support::Gate gate_;
};

TEST_CASE("CallbackHandler::expire refuses in time what an inbox does not return from") {
  constexpr std::size_t kCount = 8;
  const auto inbox = std::make_shared<Stuck>();
  const dingcb::CallbackHandler handler = answers::callback_of(inbox);
  answers::Answers answers;
  std::atomic<std::size_t> answered{0};
  std::atomic<std::size_t> returned{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kCount; ++i) {
    threads.emplace_back([&, i] {
      const callback::Http push = answers::push_of("user_add_org", id_of(i));
      const auto begin = std::chrono::steady_clock::now();
      handler.handle(push.request(), [&, begin](const dingcb::Response& response) {
        answers.add(response, std::chrono::steady_clock::now() - begin);
        ++answered;
      });
      ++returned;
    });
  }
  // The timer of the server.
  for (int tick = 0; tick < 300 && answered < kCount; ++tick) {
    static_cast<void>(handler.expire());
    std::this_thread::sleep_for(10ms);
  }
  CHECK(returned == 0);
  inbox->let_go();
  for (std::thread& thread : threads) thread.join();
  answers.print("put() does not return");
  CHECK(answers.count("503 try again") == kCount);
  CHECK(answers.ms(100) < answers::kSoonMs);
  CHECK(handler.stats().stored == kCount);
}

}  // namespace
