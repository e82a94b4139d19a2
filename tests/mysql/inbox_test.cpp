#include <dingcb/inbox/mysql.hpp>

#include <dingcb/callback_handler.hpp>
#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/inbox/failed_list.hpp>
#include <dingcb/testkit.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/inbox_rules.hpp"
#include "support/mariadb.hpp"
#include "support/need.hpp"

namespace {

using dingcb::ClaimedEvent;
using dingcb::Errc;
using dingcb::Fate;
using dingcb::Inbox;
using dingcb::Milliseconds;
using dingcb::Settlement;
using dingcb::StoredEvent;
using support::need;

constexpr Milliseconds kLong{600000};

/// MySQL 5.7 as far as an inbox can tell: a server that says it has no SKIP LOCKED.
support::MariaDb& old_mysql() {
  static support::MariaDb server({"--version=5.7.44-log"});
  return server;
}

dingcb::MysqlInboxOptions options_of(support::MariaDb& server, std::string database) {
  dingcb::MysqlInboxOptions options;
  options.server.port = server.port();
  options.server.user = "root";
  options.server.database = std::move(database);
  return options;
}

std::shared_ptr<Inbox> open(const dingcb::MysqlInboxOptions& options) {
  return need(dingcb::open_mysql_inbox(options));
}

/// A database of its own, with its tables.
dingcb::MysqlInboxOptions fresh(support::MariaDb& server = support::mariadb()) {
  auto options = options_of(server, server.fresh_database());
  REQUIRE(need(dingcb::setup_mysql_inbox(options)) == 0);
  return options;
}

StoredEvent event(const std::string& name, const std::string& key = "", const std::string& type = "user_add_org") {
  StoredEvent stored;
  stored.body = R"({"EventType":")" + type + R"(","CorpId":"ding1","eventId":")" + name + R"("})";
  stored.type = type;
  stored.corp_id = "ding1";
  stored.dedup_key = name;
  stored.ordering_key = key;
  return stored;
}

std::vector<std::string> names_of(const std::vector<ClaimedEvent>& events) {
  std::vector<std::string> names;
  for (const ClaimedEvent& claimed : events) names.push_back(claimed.event.dedup_key);
  return names;
}

using Names = std::vector<std::string>;

/// What mysql_inbox_schema() gives, one by one: the table of the version, the steps, the version.
std::vector<std::string> statements_of(std::string_view prefix) {
  std::vector<std::string> statements;
  std::string script = dingcb::mysql_inbox_schema(prefix);
  for (std::size_t end; (end = script.find(";\n")) != std::string::npos; script.erase(0, end + 2)) {
    statements.push_back(script.substr(0, end));
  }
  CHECK(script.empty());
  return statements;
}

/// Sets up four times at once. @return the versions that were found.
std::vector<int> set_up_at_once(const dingcb::MysqlInboxOptions& options) {
  std::vector<int> found(4, -1);
  std::vector<std::thread> threads;
  for (int& version : found) {
    threads.emplace_back([&] { version = dingcb::setup_mysql_inbox(options).value_or(-1); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::count(found.begin(), found.end(), -1) == 0);
  return found;
}

std::vector<std::size_t> settle(Inbox& inbox, const ClaimedEvent& claimed, Fate fate, Milliseconds delay = {},
                                std::string why = {}) {
  return need(inbox.settle({Settlement{claimed.id, claimed.lease, fate, delay, std::move(why)}}));
}

}  // namespace

TEST_CASE("A MySQL inbox obeys the rules", "[inbox]") {
  auto options = fresh();
  inbox_rules::check_basics([&](auto clock) {
    options.clock = clock;
    return open(options);
  });
}

TEST_CASE("A MySQL inbox obeys the rules where the server has no SKIP LOCKED", "[inbox]") {
  auto options = fresh(old_mysql());
  inbox_rules::check_basics([&](auto clock) {
    options.clock = clock;
    return open(options);
  });
}

TEST_CASE("A MySQL inbox has dead letters, retention and states", "[inbox]") {
  auto options = fresh();
  inbox_rules::check_extras([&](auto clock) {
    options.clock = clock;
    return open(options);
  });
}

TEST_CASE("A MySQL inbox gives back what was put, once", "[inbox]") {
  const auto inbox = open(fresh());
  StoredEvent odd = event("odd");
  odd.dedup_key.append(1, '\0').append("/'\\\"\xF0\x9F\x98\x80");
  odd.body = std::string("{\"text\":\"\\u0000 ' \\\\ \xF0\x9F\x98\x80 ") + std::string(300000, 'x') + "\"}";
  odd.born_ms = 1606126433000;
  odd.ordering_key = std::string(5000, 'k');
  odd.source = dingcb::Source::stream;
  const auto count = need(inbox->put({odd, event("b"), event("b")}));
  CHECK(count.stored == 2);
  CHECK(count.duplicates == 1);
  CHECK(need(inbox->put({event("b"), odd})).duplicates == 2);
  CHECK(need(inbox->stats()).pending == 2);

  const auto claimed = need(inbox->claim(10, kLong));
  REQUIRE(claimed.size() == 2);
  const StoredEvent& back = claimed[0].event;
  CHECK((back.body == odd.body));
  CHECK(back.dedup_key == odd.dedup_key);
  CHECK((back.ordering_key == odd.ordering_key));
  CHECK(back.born_ms == odd.born_ms);
  CHECK(back.source == odd.source);
  CHECK(back.type == odd.type);
  CHECK(back.corp_id == odd.corp_id);
  CHECK_FALSE(claimed[1].event.born_ms);
  CHECK(claimed[0].attempt == 1);
  CHECK(need(inbox->claim(10, kLong)).empty());
  CHECK(need(inbox->stats()).claimed == 2);
  CHECK(settle(*inbox, claimed[0], Fate::done).empty());
  CHECK(settle(*inbox, claimed[0], Fate::done) == std::vector<std::size_t>{0});
  CHECK(settle(*inbox, claimed[1], Fate::done).empty());
  CHECK(need(inbox->stats()).pending == 0);
  CHECK(need(inbox->put({odd, event("b")})).duplicates == 2);
}

TEST_CASE("A MySQL inbox keeps the order of a key, and lets other keys pass", "[inbox]") {
  const auto inbox = open(fresh());
  need(inbox->put({event("a1", "a"), event("a2", "a"), event("b1", "b"), event("n1"), event("n2")}));
  auto claimed = need(inbox->claim(10, kLong));
  CHECK(names_of(claimed) == Names{"a1", "b1", "n1", "n2"});
  settle(*inbox, claimed[1], Fate::done);
  settle(*inbox, claimed[0], Fate::delay, kLong, "later");
  CHECK(need(inbox->claim(10, kLong)).empty());
  CHECK(need(inbox->stats()).pending == 4);

  need(inbox->put({event("c1", "c"), event("c2", "c")}));
  claimed = need(inbox->claim(10, kLong));
  CHECK(names_of(claimed) == Names{"c1"});
  settle(*inbox, claimed[0], Fate::give_back);
  claimed = need(inbox->claim(10, kLong));
  REQUIRE(names_of(claimed) == Names{"c1"});
  CHECK(claimed[0].attempt == 1);
  settle(*inbox, claimed[0], Fate::bury, {}, "no");
  CHECK(names_of(need(inbox->claim(10, kLong))) == Names{"c2"});
}

TEST_CASE("A MySQL inbox gives an event again when its lease has ended, and not before", "[inbox]") {
  const auto inbox = open(fresh());
  need(inbox->put({event("a", "k"), event("b", "k")}));
  const auto first = need(inbox->claim(10, Milliseconds(1)));
  REQUIRE(names_of(first) == Names{"a"});
  std::vector<ClaimedEvent> second;
  while (second.empty()) second = need(inbox->claim(10, Milliseconds(1)));
  REQUIRE(names_of(second) == Names{"a"});
  CHECK(second[0].attempt == 2);
  CHECK(second[0].lease != first[0].lease);
  CHECK(settle(*inbox, first[0], Fate::done) == std::vector<std::size_t>{0});
  // Nobody has claimed it since, so that the second claim holds, however long ago it ended.
  CHECK(settle(*inbox, second[0], Fate::extend, kLong).empty());
  CHECK(need(inbox->claim(10, kLong)).empty());
  CHECK(settle(*inbox, second[0], Fate::done).empty());
  CHECK(names_of(need(inbox->claim(10, kLong))) == Names{"b"});
}

TEST_CASE("Several processes claim from one MySQL inbox and never the same event, nor two of a key", "[inbox]") {
  for (const bool old : {false, true}) {
    INFO(old);
    const auto options = fresh(old ? old_mysql() : support::mariadb());
    constexpr int kEvents = 600;
    {
      std::vector<StoredEvent> events;
      for (int i = 0; i < kEvents; ++i) {
        events.push_back(event("e" + std::to_string(i), i % 5 == 0 ? "" : "k" + std::to_string(i % 37)));
      }
      need(open(options)->put(events));
    }
    std::mutex mutex;
    std::set<std::string> busy;               // keys
    std::map<std::string, std::string> last;  // event by key
    std::map<std::string, int> times;
    std::vector<std::string> faults;
    std::atomic<int> handled{0};
    std::vector<std::thread> threads;
    std::vector<std::shared_ptr<Inbox>> inboxes;
    for (int i = 0; i < 3; ++i) inboxes.push_back(open(options));
    for (const auto& inbox : inboxes) {
      threads.emplace_back([&, inbox] {
        while (handled < kEvents) {
          const auto claimed = inbox->claim(7, kLong);
          if (!claimed) {
            const std::lock_guard<std::mutex> lock(mutex);
            faults.push_back(claimed.error().message.str());
            handled = kEvents;
            return;
          }
          std::vector<Settlement> done;
          {
            const std::lock_guard<std::mutex> lock(mutex);
            for (const ClaimedEvent& each : *claimed) {
              const std::string& key = each.event.ordering_key;
              ++times[each.event.dedup_key];
              if (key.empty()) continue;
              if (!busy.insert(key).second) faults.push_back("two of " + key);
              const std::string number = each.event.dedup_key.substr(1);
              if (!last[key].empty() && std::stoi(last[key]) > std::stoi(number)) faults.push_back("order of " + key);
              last[key] = number;
            }
          }
          for (const ClaimedEvent& each : *claimed) done.push_back({each.id, each.lease});
          {
            const std::lock_guard<std::mutex> lock(mutex);
            for (const ClaimedEvent& each : *claimed) busy.erase(each.event.ordering_key);
          }
          const auto lost = inbox->settle(done);
          if (!lost || !lost->empty()) {
            const std::lock_guard<std::mutex> lock(mutex);
            faults.push_back(lost ? "lost a claim" : lost.error().message.str());
            handled = kEvents;
            return;
          }
          handled += static_cast<int>(done.size());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(faults == Names{});
    CHECK(times.size() == kEvents);
    for (const auto& [name, count] : times) CHECK((count == 1));
    CHECK(need(inboxes[0]->stats()).pending == 0);
  }
}

TEST_CASE("Events of a key that are put and claimed by many at once are never claimed beside each other", "[inbox]") {
  const auto options = fresh();
  constexpr int kPutters = 4;
  constexpr int kEvents = 150;  // each
  std::mutex mutex;
  std::set<std::string> busy;
  Names faults;
  std::atomic<int> handled{0};
  std::vector<std::thread> threads;
  for (int putter = 0; putter < kPutters; ++putter) {
    threads.emplace_back([&, putter] {
      const auto inbox = open(options);
      for (int i = 0; i < kEvents; ++i) {
        const auto count =
            inbox->put({event(std::to_string(putter) + "." + std::to_string(i), "k" + std::to_string(i % 2))});
        if (count) continue;
        const std::lock_guard<std::mutex> lock(mutex);
        faults.push_back(count.error().message.str());
      }
    });
  }
  for (int claimer = 0; claimer < 3; ++claimer) {
    threads.emplace_back([&] {
      const auto inbox = open(options);
      while (handled < kPutters * kEvents) {
        const auto claimed = inbox->claim(2, kLong);
        if (!claimed) continue;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          for (const ClaimedEvent& each : *claimed) {
            if (!busy.insert(each.event.ordering_key).second) faults.push_back("two of " + each.event.ordering_key);
          }
        }
        std::this_thread::yield();
        std::vector<Settlement> done;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          for (const ClaimedEvent& each : *claimed) busy.erase(each.event.ordering_key);
        }
        for (const ClaimedEvent& each : *claimed) done.push_back({each.id, each.lease});
        const auto lost = inbox->settle(done);
        if (!lost || !lost->empty()) {
          const std::lock_guard<std::mutex> lock(mutex);
          faults.push_back(lost ? "lost a claim" : lost.error().message.str());
        }
        handled += static_cast<int>(done.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(faults == Names{});
  CHECK(handled == kPutters * kEvents);
}

TEST_CASE("An event that was committed late does not join a younger one of its key that is claimed", "[inbox]") {
  const auto options = fresh();
  const auto inbox = open(options);
  auto sql = support::mariadb().sql(options.server.database);
  need(inbox->put({event("model", "k")}));
  settle(*inbox, need(inbox->claim(1, kLong)).front(), Fate::done);
  sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
  sql("START TRANSACTION");
  sql("INSERT INTO dingcb_inbox (dedup,lane,state,due,stored_ms,source,type,corp_id,dedup_key,ordering_key,latest_key,"
      "body,why) VALUES (UNHEX(SHA2('late',256)),UNHEX(SHA2('k',256)),0,0,0,0,'','','late','k','','{}','')");
  need(inbox->put({event("young", "k")}));
  auto young = need(inbox->claim(10, kLong));
  REQUIRE(names_of(young) == Names{"young"});
  sql("COMMIT");
  CHECK(need(inbox->claim(10, kLong)).empty());
  settle(*inbox, young.front(), Fate::done);
  CHECK(names_of(need(inbox->claim(10, kLong))) == Names{"late"});
}

TEST_CASE("A claim that finds an older event of its key claimed beside it steps back", "[inbox]") {
  const auto options = fresh();
  const auto inbox = open(options);
  auto sql = support::mariadb().sql(options.server.database);
  const auto insert = [&](const std::string& id, const std::string& token, const std::string& due) {
    sql("INSERT INTO dingcb_inbox (id,dedup,lane,state,due,token,stored_ms,source,type,corp_id,dedup_key,ordering_key,"
        "latest_key,body,why) VALUES (" +
        id + ",UNHEX(SHA2('e" + id + "',256)),UNHEX(SHA2('k',256)),0," + due + "," + token + ",0,0,'','','e" + id +
        "','k','','{}','')");
  };
  insert("2", "0", "0");
  // The claim stops in the middle, after its search and before its commit.
  const std::string gate = "'gate of " + options.server.database + "'";
  sql("CREATE TRIGGER gate BEFORE UPDATE ON dingcb_inbox FOR EACH ROW BEGIN IF NEW.token > OLD.token THEN "
      "DO GET_LOCK(" +
      gate + ", 60) + RELEASE_LOCK(" + gate + "); END IF; END");
  sql("SELECT GET_LOCK(" + gate + ", 0)");
  std::vector<ClaimedEvent> claimed{ClaimedEvent{}};
  std::thread claimer([&] {
    auto found = inbox->claim(10, kLong);
    if (found) claimed = *std::move(found);
  });
  while (
      sql.value("SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock' AND db = DATABASE()") !=
      "1") {
    std::this_thread::yield();
  }
  insert("1", "7", "9000000000000");  // what another claim did meanwhile
  sql("SELECT RELEASE_LOCK(" + gate + ")");
  claimer.join();
  CHECK(claimed.empty());
  CHECK(sql.value("SELECT CONCAT(token, ' ', attempts) FROM dingcb_inbox WHERE id = 2") == "0 0");
  sql("UPDATE dingcb_inbox SET state = 1, token = 0 WHERE id = 1");
  CHECK(names_of(need(inbox->claim(10, kLong))) == Names{"e2"});
}

TEST_CASE("A long backlog of one key hides no other event from a claim", "[inbox]") {
  const auto inbox = open(fresh());
  std::vector<StoredEvent> events;
  for (int i = 0; i < 3000; ++i) events.push_back(event("e" + std::to_string(i), "busy"));
  events.push_back(event("other", "idle"));
  events.push_back(event("free"));
  events.push_back(event("other2", "idle"));
  need(inbox->put(events));
  const auto first = need(inbox->claim(1, kLong));
  CHECK(names_of(first) == Names{"e0"});
  auto claimed = need(inbox->claim(10, kLong));
  CHECK(names_of(claimed) == Names{"other", "free"});
  CHECK(need(inbox->claim(10, kLong)).empty());
  settle(*inbox, first[0], Fate::delay, kLong);
  settle(*inbox, claimed[0], Fate::done);
  claimed = need(inbox->claim(10, kLong));
  CHECK(names_of(claimed) == Names{"other2"});
}

TEST_CASE("A MySQL inbox takes no more than it has room for", "[inbox]") {
  auto options = fresh();
  options.max_pending = 3;
  const auto inbox = open(options);
  need(inbox->put({event("a"), event("b")}));
  const auto refused = inbox->put({event("c"), event("d")});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::inbox_full);
  CHECK(need(inbox->put({event("c")})).stored == 1);
  CHECK(need(inbox->put({event("c"), event("a")})).duplicates == 2);  // as DingTalk repeats them
  CHECK(inbox->put({event("d"), event("a")}).error().code == dingcb::Errc::inbox_full);
}

TEST_CASE("A MySQL inbox works again after its server was killed, with everything it had answered for", "[inbox]") {
  support::MariaDb server;
  const auto options = fresh(server);
  const auto inbox = open(options);
  std::vector<std::string> answered;
  for (int round = 0; round < 3; ++round) {
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; !stop; ++i) {
          const std::string name = "e" + std::to_string(round) + "-" + std::to_string(thread) + "-" + std::to_string(i);
          const auto count = inbox->put({event(name)});
          if (!count) continue;
          const std::lock_guard<std::mutex> lock(mutex);
          answered.push_back(name);
        }
      });
    }
    const auto enough = [&] {
      const std::lock_guard<std::mutex> lock(mutex);
      return answered.size() >= std::size_t{200} * static_cast<std::size_t>(round + 1);
    };
    while (!enough()) std::this_thread::yield();
    server.kill();
    CHECK_FALSE(inbox->put({event("down")}));
    CHECK(inbox->put({event("down")}).error().code == Errc::inbox_failed);
    CHECK_FALSE(inbox->claim(1, kLong));
    stop = true;
    for (std::thread& thread : threads) thread.join();
    server.start();
    while (!inbox->stats()) std::this_thread::yield();
  }
  std::set<std::string> stored;
  for (;;) {
    const auto claimed = need(inbox->claim(500, kLong));
    if (claimed.empty()) break;
    for (const ClaimedEvent& each : claimed) stored.insert(each.event.dedup_key);
  }
  for (const std::string& name : answered) CHECK((stored.count(name) == 1));
}

TEST_CASE("A MySQL inbox refuses in time where the server no longer answers", "[inbox]") {
  support::MariaDb server;
  const auto inbox = open(fresh(server));
  need(inbox->put({event("a")}));
  server.freeze();
  const auto refused = inbox->put({event("b")});
  server.thaw();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::inbox_failed);
  while (!inbox->put({event("b")})) std::this_thread::yield();
}

TEST_CASE("setup_mysql_inbox makes the tables once, and leaves newer ones alone", "[inbox]") {
  auto& server = support::mariadb();
  const auto options = options_of(server, server.fresh_database());
  const auto missing = dingcb::open_mysql_inbox(options);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::inbox_schema);
  CHECK(missing.error().message.find("setup_mysql_inbox") != std::string_view::npos);

  const auto found = set_up_at_once(options);
  CHECK(std::count(found.begin(), found.end(), 0) == 1);
  const int version = need(dingcb::setup_mysql_inbox(options));
  CHECK(version > 0);
  CHECK(need(dingcb::setup_mysql_inbox(options)) == version);
  need(open(options)->put({event("a")}));

  for (const std::string odd : {"99", "-1"}) {
    server.sql(options.server.database)("UPDATE dingcb_schema SET version = " + odd);
    CHECK(dingcb::open_mysql_inbox(options).error().code == Errc::inbox_schema);
    const auto refused = dingcb::setup_mysql_inbox(options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::inbox_schema);
    CHECK(refused.error().message.find("version " + odd) != std::string_view::npos);
  }

  auto odd = options;
  odd.prefix = "a b";
  CHECK(dingcb::setup_mysql_inbox(odd).error().code == Errc::inbox_schema);
  CHECK(dingcb::open_mysql_inbox(odd).error().code == Errc::inbox_schema);
}

TEST_CASE("mysql_inbox_schema gives a person what setup_mysql_inbox runs", "[inbox]") {
  auto& server = support::mariadb();
  auto options = options_of(server, server.fresh_database());
  options.prefix = "mine_";
  auto sql = server.sql(options.server.database);
  for (const std::string& statement : statements_of("mine_")) sql(statement);
  CHECK(need(open(options)->put({event("a")})).stored == 1);
}

TEST_CASE("setup_mysql_inbox brings an older schema up to date, and keeps what is in it", "[inbox]") {
  auto& server = support::mariadb();
  const auto options = options_of(server, server.fresh_database());
  auto sql = server.sql(options.server.database);
  const auto statements = statements_of("dingcb_");
  sql(statements[0]);  // the table of the version
  sql(statements[1]);  // step 1
  sql("INSERT INTO dingcb_schema (one, version) VALUES (1, 1)");
  sql("INSERT INTO dingcb_inbox (dedup,state,due,stored_ms,source,type,corp_id,dedup_key,ordering_key,latest_key,body,"
      "why) VALUES (UNHEX(SHA2('kept',256)),0,0,0,0,'','','kept','','','{}','')");
  const auto refused = dingcb::open_mysql_inbox(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::inbox_schema);
  CHECK(refused.error().message.find("have version 1, ") != std::string_view::npos);
  CHECK(refused.error().message.find("setup_mysql_inbox") != std::string_view::npos);

  const auto found = set_up_at_once(options);
  CHECK(std::count(found.begin(), found.end(), 1) == 1);

  const auto inbox = open(options);
  CHECK(need(inbox->put({event("kept")})).duplicates == 1);
  CHECK(names_of(need(inbox->claim(10, kLong))) == Names{"kept"});
  StoredEvent ticket = event("ticket");
  ticket.latest_key = "suite_ticket/1";
  need(inbox->put({ticket}));
  const auto latest = need(inbox->latest("suite_ticket/1"));
  REQUIRE(latest);
  CHECK(latest->dedup_key == "ticket");
}

TEST_CASE("setup_mysql_inbox goes on where an earlier one died, between whichever of its statements", "[inbox]") {
  auto& server = support::mariadb();
  const auto statements = statements_of("dingcb_");
  const std::size_t steps = statements.size() - 2;  // without the table and the row of the version
  for (std::size_t done = 0; done <= steps; ++done) {
    for (std::size_t counted = done == 0 ? 0 : done - 1; counted <= done; ++counted) {
      INFO(done << " steps done, " << counted << " counted");
      const auto options = options_of(server, server.fresh_database());
      auto sql = server.sql(options.server.database);
      for (std::size_t i = 0; i <= done; ++i) sql(statements[i]);
      if (counted != 0) sql("INSERT INTO dingcb_schema VALUES (1, " + std::to_string(counted) + ")");
      CHECK(need(dingcb::setup_mysql_inbox(options)) == static_cast<int>(counted));
      CHECK(need(dingcb::setup_mysql_inbox(options)) == static_cast<int>(steps));
      CHECK(need(open(options)->put({event("a")})).stored == 1);
    }
  }
}

TEST_CASE("setup_mysql_inbox says what is missing where no database is named", "[inbox]") {
  const auto refused = dingcb::setup_mysql_inbox(options_of(support::mariadb(), ""));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::inbox_failed);
  CHECK(refused.error().message.find("1046") != std::string_view::npos);
}

#if !defined(DINGCB_COMPILED)  // whose bodies are out of reach
TEST_CASE("Steps that change tables are taken once each, again after a death, and not behind one that fails",
          "[inbox]") {
  namespace mysql = dingcb::detail::mysql;
  using Text = std::string_view;
  auto& server = support::mariadb();
  const auto options = options_of(server, server.fresh_database());
  auto sql = server.sql(options.server.database);
  const auto connection = need(mysql::Connection::open(options.server, Milliseconds(15000)));
  constexpr Text kMake = "CREATE TABLE %thing (a INT NOT NULL, old INT NOT NULL)";
  constexpr Text kAdd = "ALTER TABLE %thing ADD COLUMN b INT NOT NULL DEFAULT 7, ADD KEY b (b)";
  constexpr Text kDrop = "ALTER TABLE %thing DROP COLUMN old";
  constexpr Text kIndex = "ALTER TABLE %thing ADD KEY both_of_them (a, b)";
  constexpr Text kFill = "UPDATE %thing SET b = 8 WHERE b = 7";
  constexpr Text kOther = "CREATE TABLE %other (a INT NOT NULL)";
  constexpr std::array<Text, 1> kFirst{kMake};
  constexpr std::array<Text, 6> kAll{kMake, kAdd, kDrop, kIndex, kFill, kOther};
  const auto version = [&] { return sql.value("SELECT version FROM p_schema"); };

  CHECK(need(mysql::take_steps(*connection, "p_", kFirst)) == 0);
  sql("INSERT INTO p_thing VALUES (1, 2)");
  CHECK(need(mysql::take_steps(*connection, "p_", kAll)) == 1);
  CHECK(version() == "6");
  CHECK(sql.value("SELECT b FROM p_thing") == "8");
  CHECK(need(mysql::take_steps(*connection, "p_", kAll)) == 6);

  for (int counted = 0; counted < 6; ++counted) {  // as if it had died before it counted the rest
    INFO(counted);
    sql("UPDATE p_schema SET version = " + std::to_string(counted));
    CHECK(need(mysql::take_steps(*connection, "p_", kAll)) == counted);
    CHECK(version() == "6");
    CHECK(sql("SHOW COLUMNS FROM p_thing").size() == 2);
    CHECK(sql.value("SELECT b FROM p_thing") == "8");
  }

  CHECK(mysql::take_steps(*connection, "p_", kFirst).error().code == Errc::inbox_schema);
  CHECK(version() == "6");
  constexpr std::array<Text, 8> kBroken{
      kMake, kAdd, kDrop, kIndex, kFill, kOther, "ALTER TABLE %nothing ADD COLUMN b INT", "DROP TABLE %other"};
  CHECK_FALSE(mysql::take_steps(*connection, "p_", kBroken));
  CHECK(version() == "6");
  CHECK(sql("SHOW TABLES LIKE 'p\\_other'").size() == 1);
}
#endif

TEST_CASE("What a MySQL server says about a failure does not carry what was stored", "[inbox]") {
  const auto options = fresh();
  const auto inbox = open(options);
  support::mariadb().sql(options.server.database)("ALTER TABLE dingcb_inbox MODIFY body VARBINARY(10) NOT NULL");
  const auto refused = inbox->put({event("secret-name", "secret-key")});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("secret") == std::string_view::npos);
  CHECK(refused.error().message.find("user_add_org") == std::string_view::npos);
  auto wrong = options;
  wrong.server.user = "nobody";
  wrong.server.password = "secret-password";
  const auto closed = dingcb::open_mysql_inbox(wrong);
  REQUIRE_FALSE(closed);
  CHECK(closed.error().code == Errc::inbox_failed);
  CHECK(closed.error().message.find("secret") == std::string_view::npos);
}

TEST_CASE("A callback stores in MySQL, answers, and a worker handles it later", "[inbox]") {
  using namespace std::chrono_literals;
  const dingcb::Credential credential{
      "token123", "1234567890123456789012345678901234567890123", {"dingappkey01"}, "app"};
  const auto encryptor = need(dingcb::Encryptor::create(credential));
  std::atomic<int> attempts{0};
  std::atomic<int> handled{0};
  const auto dispatcher = need(dingcb::Dispatcher::Builder{}
                                   .on([&](const dingcb::events::UserAddOrg&) -> dingcb::Ack {
                                     if (++attempts == 1) return dingcb::Ack::retry(10ms, "first attempt fails");
                                     ++handled;
                                     return dingcb::Ack::done();
                                   })
                                   .build());
  const auto options = fresh();
  dingcb::CallbackHandler::Options callback;
  callback.inbox = open(options);
  const dingcb::CallbackHandler handler(encryptor, dispatcher, callback);
  const dingcb::testkit::Platform platform(credential);
  for (int delivery = 0; delivery < 3; ++delivery) {
    const auto push = platform.push(R"({"EventType":"user_add_org","CorpId":"ding1","eventId":"e1","userId":["u1"]})");
    const dingcb::Response response = handler.handle(push.request());
    CHECK(response.status == 200);
    CHECK(platform.accepts(response.body));
  }
  CHECK(attempts == 0);
  const auto inbox = open(options);
  CHECK(need(inbox->stats()).pending == 1);
  dingcb::Worker worker(inbox, dispatcher);
  CHECK(worker.drain(60s));
  CHECK(attempts == 2);
  CHECK(handled == 1);
}

TEST_CASE("put_failed_list stores what never came, and nothing twice", "[inbox]") {
  const auto inbox = open(fresh());
  const auto push = [&](const std::string& plaintext) {
    std::vector<StoredEvent> events;
    for (const dingcb::Event& each : need(dingcb::parse_push(plaintext))) events.push_back(StoredEvent::of(each));
    return need(inbox->put(events)).stored;
  };
  CHECK(push(R"({"EventType":"user_add_org","TimeStamp":"1606126433000","CorpId":"ding1","UserId":["zhangsan"]})") ==
        1);
  CHECK(push(R"({"EventType":"bpms_instance_change","EventTime":1606126433000,"corpId":"ding1","eventId":"e7",)"
             R"("processInstanceId":"p1","type":"start","title":"x"})") == 1);
  const std::string answer = R"({"errcode":0,"errmsg":"ok","has_more":true,"failed_list":[
    {"call_back_tag":"user_add_org","event_time":1606126433000,
     "user_add_org":{"userid":["zhangsan"],"corpid":"ding1"}},
    {"call_back_tag":"user_add_org","event_time":1606126433001,
     "user_add_org":{"userid":["zhangsan"],"corpid":"ding1"}},
    {"call_back_tag":"user_add_org","event_time":1606126433000,
     "user_add_org":{"userid":["lisi"],"corpid":"ding1"}},
    {"call_back_tag":"bpms_instance_change","event_time":1606126433000,
     "bpms_instance_change":{"bpmsCallBackData":{"title":"x","type":"start","processInstanceId":"p1"},"corpid":"ding1"}},
    {"call_back_tag":"bpms_instance_change","event_time":1606126433000,
     "bpms_instance_change":{"bpmsCallBackData":{"title":"x","type":"finish","processInstanceId":"p1"},"corpid":"ding1"}}
  ]})";
  const auto first = need(dingcb::put_failed_list(*inbox, answer));
  CHECK(first.has_more);
  CHECK(first.count.stored == 3);
  CHECK(first.count.duplicates == 2);
  const auto second = need(dingcb::put_failed_list(*inbox, answer));
  CHECK(second.count.stored == 0);
  CHECK(second.count.duplicates == 5);
  CHECK(need(inbox->stats()).pending == 5);

  const auto refused = dingcb::put_failed_list(*inbox, R"({"errcode":40014,"errmsg":"x"})");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::envelope_malformed);
}

TEST_CASE("A MySQL inbox tells each of many that are stored together what became of its own", "[inbox]") {
  auto options = fresh();
  options.server.put_connections = 1;  // so that most of them are
  const auto inbox = open(options);
  support::mariadb().sql(options.server.database)("ALTER TABLE dingcb_inbox MODIFY type VARBINARY(20) NOT NULL");
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::string> told;
  const auto put = [&](const std::string& name, std::vector<StoredEvent> events) {
    inbox->put_later(std::move(events), [&, name](const dingcb::Result<dingcb::PutCount>& count) {
      const std::lock_guard<std::mutex> lock(mutex);
      told[name] = count ? std::to_string(count->stored) + "+" + std::to_string(count->duplicates) : "refused";
      changed.notify_all();
    });
  };
  need(inbox->put({event("known")}));
  StoredEvent ticket = event("ticket");
  ticket.latest_key = "suite_ticket/s1";
  for (int i = 0; i < 100; ++i) {
    const std::string name = "e" + std::to_string(i);
    put(name, {event(name + "a"), event(name + "b")});
    if (i == 20) put("duplicate", {event("known"), event("new")});
    if (i == 40) put("unfit", {event("fine"), event("unfit", "", "a type that is longer than its column")});
    if (i == 60) put("ticket", {event("beside"), ticket});
  }
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return told.size() == 103; });
  CHECK(told["duplicate"] == "1+1");
  CHECK(told["unfit"] == "refused");
  CHECK(told["ticket"] == "2+0");
  for (int i = 0; i < 100; ++i) CHECK(told["e" + std::to_string(i)] == "2+0");
  CHECK(need(inbox->stats()).pending == 204);
  CHECK(need(inbox->latest("suite_ticket/s1"))->dedup_key == "ticket");
}

TEST_CASE("A MySQL inbox refuses at once what would wait too long, and in time what does", "[inbox]") {
  support::MariaDb server;
  auto options = fresh(server);
  options.server.put_connections = 1;
  options.max_queued = 3;
  options.server.put_timeout = Milliseconds(1);  // one second for the driver
  auto inbox = open(options);
  while (!inbox->put({event("first")})) std::this_thread::yield();
  server.freeze();
  std::atomic<int> full{0};
  std::atomic<int> refused{0};
  const auto done = [&](const dingcb::Result<dingcb::PutCount>& count) {
    if (count) return;
    ++(count.error().code == Errc::inbox_full ? full : refused);
  };
  for (int i = 0; full == 0; ++i) inbox->put_later({event("e" + std::to_string(i))}, done);
  const auto late = inbox->put({event("late")});
  REQUIRE_FALSE(late);
  inbox.reset();  // tells those that wait
  CHECK(full == 1);
  CHECK(refused >= 3);
  server.thaw();
}

TEST_CASE("A MySQL inbox may be dropped by whoever it tells", "[inbox]") {
  const auto options = fresh();
  std::atomic<bool> told{false};
  {
    auto inbox = open(options);
    auto* const raw = inbox.get();
    raw->put_later({event("a")}, [held = std::move(inbox), &told](const auto&) mutable {
      held.reset();
      told = true;
    });
  }
  while (!told) std::this_thread::yield();
  CHECK(need(open(options)->stats()).pending == 1);
}
