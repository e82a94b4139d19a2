#include <dingcb/inbox/mysql.hpp>

#include <dingcb/callback_handler.hpp>
#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/mariadb.hpp"
#include "support/need.hpp"

namespace {

using dingcb::ClaimedEvent;
using dingcb::Errc;
using dingcb::Fate;
using dingcb::Inbox;
using dingcb::Milliseconds;
using dingcb::Settlement;
using support::need;

constexpr Milliseconds kLong{600000};
constexpr char kHigh[] = "open_sync_biz_data";
constexpr char kMedium[] = "open_sync_biz_data_medium";

/// DingTalk's tables, and DingTalk, which writes into them.
struct Rds {
  dingcb::RdsInboxOptions options;
  support::Sql sql;

  explicit Rds(support::MariaDb& server = support::mariadb())
      : options(options_of(server)), sql(server.port(), options.server.database) {
    need(dingcb::setup_rds_inbox(options));
    sql("SET SESSION innodb_lock_wait_timeout = 1");
  }

  static dingcb::RdsInboxOptions options_of(support::MariaDb& server) {
    dingcb::RdsInboxOptions options;
    options.server.port = server.port();
    options.server.user = "root";
    options.server.database = server.fresh_database();
    options.subscribe_ids = {"100_0"};
    return options;
  }

  static std::string values(const std::string& biz_id, int cursor, const std::string& subscriber) {
    return " (gmt_create,gmt_modified,subscribe_id,corp_id,biz_id,biz_type,biz_data,open_cursor,status) VALUES "
           "('2026-11-26 08:00:00','2026-11-26 08:00:00','" +
           subscriber + "','ding1','" + biz_id + "',13,'{\"syncAction\":\"user_add_org\",\"userid\":\"" + biz_id +
           "\",\"version\":" + std::to_string(cursor) + "}'," + std::to_string(cursor) + ",0)";
  }
  /// As the documents say: the old row is deleted and a new one inserted.
  void push(const char* table, const std::string& biz_id, int cursor = 0, const std::string& subscriber = "100_0") {
    sql("REPLACE INTO " + std::string(table) + values(biz_id, cursor, subscriber));
  }
  /// As a MySQL upsert does it: in place, under the same id, and maybe without another status.
  void push_in_place(const char* table, const std::string& biz_id, int cursor, bool anew = true) {
    sql("INSERT INTO " + std::string(table) + values(biz_id, cursor, "100_0") +
        " ON DUPLICATE KEY UPDATE biz_data = VALUES(biz_data), open_cursor = VALUES(open_cursor)" +
        (anew ? ", status = 0" : ""));
  }
  std::string status(const char* table, const std::string& biz_id) {
    return sql.value("SELECT status FROM " + std::string(table) + " WHERE biz_id = '" + biz_id + "'");
  }

  std::shared_ptr<Inbox> open() const { return need(dingcb::open_rds_inbox(options)); }
};

std::vector<std::string> objects_of(const std::vector<ClaimedEvent>& events) {
  std::vector<std::string> names;
  for (const ClaimedEvent& claimed : events) {
    const auto event = need(claimed.event.event());
    names.push_back(event.header().biz_id + "/" + std::to_string(event.header().open_cursor.value_or(-1)));
  }
  return names;
}
using Names = std::vector<std::string>;

std::vector<std::size_t> settle(Inbox& inbox, const ClaimedEvent& claimed, Fate fate, Milliseconds delay = {}) {
  return need(inbox.settle({Settlement{claimed.id, claimed.lease, fate, delay}}));
}

}  // namespace

TEST_CASE("RDS rows come high before medium, in the order of their ids, to the handlers of pushes", "[rds]") {
  Rds rds;
  rds.push(kMedium, "m1");
  rds.push(kHigh, "h1");
  rds.push(kHigh, "h2");
  rds.push(kHigh, "other", 0, "999_0");
  const auto inbox = rds.open();
  CHECK(need(inbox->stats()).pending == 3);
  const auto claimed = need(inbox->claim(2, kLong));
  CHECK(objects_of(claimed) == Names{"h1/0", "h2/0"});
  const auto event = need(claimed[0].event.event());
  CHECK(event.header().source == dingcb::Source::rds);
  CHECK(event.type() == "user_add_org");
  CHECK(event.header().gmt_modified_ms == 1795651200000);  // 2026-11-26T00:00:00Z
  CHECK(event.get_if<dingcb::events::UserAddOrg>() != nullptr);
  CHECK(claimed[0].attempt == 1);
  CHECK(rds.status(kHigh, "h1") == "2");
  CHECK(rds.status(kMedium, "m1") == "0");
  CHECK(need(inbox->stats()).claimed == 2);
  CHECK(settle(*inbox, claimed[0], Fate::done).empty());
  CHECK(settle(*inbox, claimed[0], Fate::done) == std::vector<std::size_t>{0});
  CHECK(rds.status(kHigh, "h1") == "1");
  CHECK(objects_of(need(inbox->claim(10, kLong))) == Names{"m1/0"});
  CHECK(rds.status(kHigh, "other") == "0");
}

TEST_CASE("An RDS row that is replaced while it is handled stays new", "[rds]") {
  Rds rds;
  enum class How { deleted, in_place, in_place_with_its_status };
  const auto how = GENERATE(How::deleted, How::in_place, How::in_place_with_its_status);
  const auto fate = GENERATE(Fate::done, Fate::bury, Fate::give_back, Fate::delay);
  rds.push(kHigh, "a", 1);
  const auto inbox = rds.open();
  const auto first = need(inbox->claim(10, kLong));
  REQUIRE(objects_of(first) == Names{"a/1"});
  if (how == How::deleted) {
    rds.push(kHigh, "a", 2);
  } else {
    rds.push_in_place(kHigh, "a", 2, how == How::in_place);
  }
  const bool anew = how != How::in_place_with_its_status;
  CHECK(need(inbox->claim(10, kLong)).empty());  // its older state is still being handled
  CHECK(settle(*inbox, first[0], fate).empty());
  CHECK(rds.status(kHigh, "a") == (anew ? "0" : "2"));
  std::vector<ClaimedEvent> second;
  while (second.empty()) second = need(inbox->claim(10, kLong));
  CHECK(objects_of(second) == Names{"a/2"});
  CHECK(second[0].attempt == (anew ? 1 : 2));
  CHECK(settle(*inbox, second[0], Fate::done).empty());
  CHECK(rds.status(kHigh, "a") == "1");
}

TEST_CASE("DingTalk writes into its tables while rows are claimed, and rows it holds hold up no other", "[rds]") {
  Rds rds;
  rds.push(kHigh, "a", 1);
  rds.push(kHigh, "b", 1);
  rds.push(kHigh, "c", 1);
  const auto inbox = rds.open();
  REQUIRE(need(inbox->claim(1, kLong)).size() == 1);
  rds.push(kHigh, "d", 1);           // throws where it has to wait
  rds.push_in_place(kHigh, "a", 2);  // the one that is claimed
  rds.sql("START TRANSACTION");
  rds.sql(
      "UPDATE open_sync_biz_data SET biz_data = biz_data, open_cursor = 7 WHERE subscribe_id = '100_0' AND "
      "corp_id = 'ding1' AND biz_id = 'b' AND biz_type = 13");
  Names claimed;
  while (claimed.empty()) claimed = objects_of(need(inbox->claim(10, kLong)));
  CHECK(claimed == Names{"c/1", "d/1"});
  rds.sql("COMMIT");
  claimed.clear();
  while (claimed.empty()) claimed = objects_of(need(inbox->claim(10, kLong)));
  CHECK(claimed == Names{"b/7"});
}

TEST_CASE("One reader has an RDS subscriber, until it goes or its lease ends", "[rds]") {
  Rds rds;
  rds.push(kHigh, "a", 1);
  rds.push(kHigh, "b", 1);
  rds.options.subscribe_ids = {"100_0", "200_0"};
  auto first = rds.open();
  const auto second = rds.open();
  const auto claimed = need(first->claim(1, kLong));
  REQUIRE(objects_of(claimed) == Names{"a/1"});
  CHECK(need(second->claim(10, kLong)).empty());

  SECTION("it goes while nothing is claimed") {
    settle(*first, claimed[0], Fate::done);
    first.reset();
    std::vector<ClaimedEvent> taken;
    while (taken.empty()) taken = need(second->claim(10, kLong));
    CHECK(objects_of(taken) == Names{"b/1"});
  }
  SECTION("its lease ends, and with it its claims") {
    rds.sql("UPDATE dingcb_rds_reader SET until_ms = 1");
    std::vector<ClaimedEvent> taken;
    while (taken.empty()) taken = need(second->claim(10, kLong));
    CHECK(objects_of(taken) == Names{"a/1", "b/1"});
    CHECK(taken[0].attempt == 2);
    // As the first reader had left it: only who reads tells that it is no longer its own.
    settle(*second, taken[0], Fate::give_back);
    REQUIRE(rds.status(kHigh, "a") == "2");
    CHECK(settle(*first, claimed[0], Fate::done) == std::vector<std::size_t>{0});
    CHECK(rds.status(kHigh, "a") == "2");
    taken = need(second->claim(10, kLong));
    REQUIRE(objects_of(taken) == Names{"a/1"});
    CHECK(settle(*second, taken[0], Fate::done).empty());
    CHECK(rds.status(kHigh, "a") == "1");
  }
}

TEST_CASE("An RDS row whose handler failed waits for its delay, and counts its attempts in its status", "[rds]") {
  Rds rds;
  rds.push(kHigh, "a", 1);
  rds.push(kHigh, "b", 1);
  const auto inbox = rds.open();
  auto claimed = need(inbox->claim(1, kLong));
  settle(*inbox, claimed[0], Fate::delay, kLong);
  CHECK(objects_of(need(inbox->claim(10, kLong))) == Names{"b/1"});
  CHECK(need(inbox->stats()).pending == 2);

  rds.push(kHigh, "c", 1);
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    do {
      claimed = need(inbox->claim(10, kLong));
    } while (claimed.empty());
    REQUIRE(objects_of(claimed) == Names{"c/1"});
    CHECK(claimed[0].attempt == attempt);
    CHECK(rds.status(kHigh, "c") == std::to_string(attempt + 1));
    if (attempt < 3) settle(*inbox, claimed[0], Fate::delay, Milliseconds(1));
  }
  settle(*inbox, claimed[0], Fate::give_back);
  CHECK(rds.status(kHigh, "c") == "3");
  claimed = need(inbox->claim(10, kLong));
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].attempt == 3);
  settle(*inbox, claimed[0], Fate::bury);
  CHECK(rds.status(kHigh, "c") == "103");

  CHECK(need(inbox->stats()).dead == 1);
  const auto letters = need(inbox->dead_letters({}));
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].attempts == 3);
  CHECK(letters[0].event.type == "user_add_org");
  CHECK(letters[0].event.body.empty());
  CHECK(need(need(inbox->dead_letter(letters[0].id))->event.event()).header().biz_id == "c");
  CHECK(need(inbox->requeue({letters[0].id, "high/0", "nonsense"})) == 1);
  claimed = need(inbox->claim(10, kLong));
  REQUIRE(objects_of(claimed) == Names{"c/1"});
  CHECK(claimed[0].attempt == 1);
  settle(*inbox, claimed[0], Fate::bury);
  CHECK(need(inbox->purge({letters[0].id})) == 1);
  CHECK(rds.status(kHigh, "c") == "1");
}

TEST_CASE("An RDS row with more attempts than its status can count is still claimed", "[rds]") {
  Rds rds;
  rds.push(kHigh, "a", 1);
  rds.sql("UPDATE open_sync_biz_data SET status = 98");
  const auto inbox = rds.open();
  for (int i = 0; i < 4; ++i) {
    std::vector<ClaimedEvent> claimed;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (claimed.empty() && std::chrono::steady_clock::now() < until) claimed = need(inbox->claim(10, kLong));
    REQUIRE(claimed.size() == 1);
    CHECK(claimed[0].attempt >= 97);
    CHECK(need(inbox->stats()).pending == 1);
    CHECK(settle(*inbox, claimed[0], Fate::delay, Milliseconds(1)).empty());
  }
}

TEST_CASE("What a reader had claimed when its process died comes again, one attempt later", "[rds]") {
  Rds rds;
  rds.push(kHigh, "a", 1);
  {
    const auto dying = rds.open();
    REQUIRE(need(dying->claim(10, kLong)).size() == 1);
  }  // with a claim that still holds, it leaves its lease to end by itself
  const auto inbox = rds.open();
  CHECK(need(inbox->claim(10, kLong)).empty());
  rds.sql("UPDATE dingcb_rds_reader SET until_ms = 1");
  std::vector<ClaimedEvent> claimed;
  while (claimed.empty()) claimed = need(inbox->claim(10, kLong));
  CHECK(claimed[0].attempt == 2);
}

TEST_CASE("DingTalk's tables are the sink of SyncHTTP pushes", "[rds]") {
  Rds rds;
  rds.options.is_medium = [](const dingcb::StoredEvent& event) { return event.type == "user_modify_org"; };
  const dingcb::Credential credential{"token123", "1234567890123456789012345678901234567890123", {"suite1"}, "app"};
  const auto encryptor = need(dingcb::Encryptor::create(credential));
  const auto dispatcher = need(dingcb::Dispatcher::Builder{}.build());
  dingcb::CallbackHandler::Options callback;
  const auto inbox = rds.open();
  callback.inbox = inbox;
  const dingcb::CallbackHandler handler(encryptor, dispatcher, callback);
  const dingcb::testkit::Platform platform(credential);

  const auto push = [&](std::int64_t cursor, const std::string& action) {
    dingcb::PushRow row;
    row.id = 5;
    row.subscribe_id = "100_0";
    row.corp_id = "ding1";
    row.biz_id = "user'1";
    row.biz_type = 13;
    row.gmt_modified_ms = 1795651200000;
    row.open_cursor = cursor;
    row.biz_data = R"({"syncAction":")" + action + R"(","userid":"user'1","name":"\"钉\""})";
    return handler.handle(platform.push_rows({row}).request()).status;
  };
  CHECK(push(2, "user_add_org") == 200);
  CHECK(rds.sql.value("SELECT gmt_modified FROM open_sync_biz_data") == "2026-11-26 08:00:00");
  CHECK(rds.sql.value("SELECT biz_data FROM open_sync_biz_data") ==
        R"({"syncAction":"user_add_org","userid":"user'1","name":"\"钉\""})");
  auto claimed = need(inbox->claim(10, kLong));
  REQUIRE(claimed.size() == 1);
  settle(*inbox, claimed[0], Fate::done);

  CHECK(push(2, "user_add_org") == 200);  // again
  CHECK(push(1, "user_add_org") == 200);  // late
  CHECK(need(inbox->stats()).pending == 0);
  CHECK(push(3, "user_add_org") == 200);
  claimed = need(inbox->claim(10, kLong));
  REQUIRE(claimed.size() == 1);
  CHECK(need(claimed[0].event.event()).header().open_cursor == 3);

  CHECK(push(4, "user_modify_org") == 200);
  CHECK(rds.sql.value("SELECT COUNT(*) FROM open_sync_biz_data_medium") == "1");
  CHECK(rds.sql.value("SELECT COUNT(*) FROM open_sync_biz_data") == "1");

  dingcb::StoredEvent flat;
  flat.body = R"({"EventType":"user_add_org","CorpId":"ding1"})";
  flat.dedup_key = "x";
  const auto refused = inbox->put({flat});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::inbox_unsupported);
}

TEST_CASE("The sink of SyncHTTP pushes holds nobody's thread while its server does not answer", "[rds]") {
  support::MariaDb server;
  const Rds rds(server);
  auto inbox = rds.open();
  dingcb::PushRow row;
  row.subscribe_id = "100_0";
  row.biz_id = "u1";
  row.biz_type = 13;
  row.biz_data = R"({"syncAction":"user_add_org","userid":"u1"})";
  const auto stored = dingcb::StoredEvent::of(need(dingcb::parse_row(row)));
  server.freeze();
  std::atomic<bool> told{false};
  inbox->put_later({stored}, [&told](const auto&) { told = true; });
  CHECK_FALSE(told);
  server.thaw();
  inbox.reset();
  CHECK(told);
}

TEST_CASE("DingTalk's tables tell the newest ticket of a suite", "[rds]") {
  Rds rds;
  const auto inbox = rds.open();
  CHECK_FALSE(need(inbox->latest(dingcb::suite_ticket_key("14999999001"))));
  for (const char* const ticket : {"old", "new"}) {
    rds.sql(
        "REPLACE INTO open_sync_biz_data (gmt_create,gmt_modified,subscribe_id,corp_id,biz_id,biz_type,biz_data,"
        "open_cursor,status) VALUES ('2026-11-26 08:00:00','2026-11-26 08:00:00','100_0','ding1','14999999001',2,"
        "'{\"syncAction\":\"suite_ticket\",\"suiteTicket\":\"" +
        std::string(ticket) + "\"}',1,1)");
  }
  const auto latest = need(inbox->latest(dingcb::suite_ticket_key("14999999001")));
  REQUIRE(latest);
  CHECK(need(latest->event()).json()["suiteTicket"].as_text() == "new");
  CHECK(latest->latest_key == dingcb::suite_ticket_key("14999999001"));
  CHECK_FALSE(need(inbox->latest("another state")));
}

TEST_CASE("A worker handles RDS rows as it handles everything else", "[rds]") {
  using namespace std::chrono_literals;
  Rds rds;
  constexpr int kRows = 60;
  for (int i = 0; i < kRows; ++i) rds.push(i % 3 == 0 ? kMedium : kHigh, "u" + std::to_string(i), 1);
  std::atomic<int> handled{0};
  std::atomic<int> attempts{0};
  const auto dispatcher = need(dingcb::Dispatcher::Builder{}
                                   .on([&](const dingcb::events::UserAddOrg&) -> dingcb::Ack {
                                     if (++attempts % 7 == 0) return dingcb::Ack::retry(1ms);
                                     ++handled;
                                     return dingcb::Ack::done();
                                   })
                                   .build());
  const auto inbox = rds.open();
  const auto stand_by = rds.open();
  {
    dingcb::Worker worker(inbox, dispatcher);
    dingcb::Worker other(stand_by, dispatcher);
    CHECK(worker.drain(60s));
  }
  CHECK(handled == kRows);
  CHECK(rds.sql.value("SELECT COUNT(*) FROM open_sync_biz_data WHERE status = 1") == "40");
  CHECK(rds.sql.value("SELECT COUNT(*) FROM open_sync_biz_data_medium WHERE status = 1") == "20");
}

TEST_CASE("setup_rds_inbox makes what is missing, and open_rds_inbox says what is", "[rds]") {
  auto options = Rds::options_of(support::mariadb());
  const auto missing = dingcb::open_rds_inbox(options);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::inbox_schema);
  need(dingcb::setup_rds_inbox(options, false));
  auto sql = support::mariadb().sql(options.server.database);
  const std::string indexes =
      "SELECT COUNT(DISTINCT table_name) FROM information_schema.statistics WHERE index_name = 'dingcb_status' AND "
      "table_schema = DATABASE()";
  CHECK(sql.value(indexes) == "0");
  need(dingcb::setup_rds_inbox(options));
  need(dingcb::setup_rds_inbox(options));
  CHECK(sql.value(indexes) == "2");
  need(dingcb::open_rds_inbox(options));
  options.subscribe_ids.clear();
  CHECK(dingcb::open_rds_inbox(options).error().code == Errc::inbox_unsupported);
}
