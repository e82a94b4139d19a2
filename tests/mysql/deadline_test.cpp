// Answers are in time, whatever handlers and the server do; ../inbox/deadline_test.cpp has what is no matter of MySQL.
#include <dingcb/inbox/mysql.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "support/answers.hpp"
#include "support/callback.hpp"
#include "support/catch.hpp"
#include "support/mariadb.hpp"

namespace {

using namespace std::chrono_literals;

constexpr auto kLong = 60s;

std::shared_ptr<dingcb::Inbox> open(support::MariaDb& server) {
  dingcb::MysqlInboxOptions options;
  options.server.port = server.port();
  options.server.user = "root";
  options.server.database = server.fresh_database();
  REQUIRE(dingcb::setup_mysql_inbox(options));
  return dingcb::open_mysql_inbox(options).value();
}

std::shared_ptr<dingcb::Inbox> open_rds(support::MariaDb& server) {
  dingcb::RdsInboxOptions options;
  options.server.port = server.port();
  options.server.user = "root";
  options.server.database = server.fresh_database();
  options.subscribe_ids = {"s_0"};
  REQUIRE(dingcb::setup_rds_inbox(options));
  return dingcb::open_rds_inbox(options).value();
}

callback::Http push(std::size_t i) { return answers::row_of("user_add_org", "e" + std::to_string(i)); }

/// Has a server answer, stop answering, and answer again.
void check_freeze(support::MariaDb& server, const std::shared_ptr<dingcb::Inbox>& inbox, const char* what) {
  constexpr std::size_t kCount = 16;
  const dingcb::CallbackHandler handler = answers::callback_of(inbox);
  answers::Answers before;
  answers::send(handler, kCount, 4 * kCount, push, before);  // so that there are connections that break
  CHECK(before.count("success") == 4 * kCount);
  server.freeze();
  answers::Answers answers;
  answers::send(handler, kCount, 2 * kCount, push, answers);
  server.thaw();
  answers.print(what);
  CHECK(answers.count("503 try again") == 2 * kCount);
  CHECK(answers.ms(100) < answers::kSoonMs);
  for (std::size_t i = 0; i < kCount; ++i) {
    while (callback::answer_of(handler.handle(push(i).request())) != "success") std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("CallbackHandler answers from MySQL while no handler comes to an end, and nothing is lost", "[deadline]") {
  constexpr std::size_t kCount = 400;
  const auto inbox = open(support::mariadb());
  answers::Handled handled;
  const dingcb::CallbackHandler handler = answers::callback_of(inbox);
  dingcb::Worker worker(inbox, handled.keepers());
  const auto send = [&](std::size_t first, std::size_t count, answers::Answers& answers) {
    answers::send(
        handler, 8, count,
        [&](std::size_t i) { return answers::push_of("user_add_org", "e" + std::to_string(first + i)); }, answers);
  };
  answers::Answers first;
  send(0, 4, first);
  REQUIRE(handled.wait_for(4));  // all threads of the worker
  answers::Answers answers;
  send(4, kCount - 4, answers);
  answers.print("MySQL, no handler ends");
  CHECK(answers.count("success") == kCount - 4);
  CHECK(answers.ms(100) < answers::kSoonMs);
  CHECK(handled.kept() == 4);
  handled.let_go();
  CHECK(worker.drain(kLong));
  CHECK(handled.count(1) == kCount);
}

TEST_CASE("CallbackHandler refuses in time while a MySQL server hangs", "[deadline]") {
  support::MariaDb server;
  check_freeze(server, open(server), "MySQL hangs");
}

TEST_CASE("CallbackHandler refuses in time while the server of DingTalk's tables hangs", "[deadline]") {
  support::MariaDb server;
  check_freeze(server, open_rds(server), "RDS hangs");
}
