#include <dingcb/inbox/sqlite.hpp>

#include "inbox/sqlite_file.hpp"
#include "support/catch.hpp"
#include "support/faulty_disk.hpp"
#include "support/inbox_rules.hpp"
#include "support/injected.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using dingcb::Errc;
using dingcb::Fate;
using dingcb::Milliseconds;
using dingcb::SqliteInboxOptions;
using inbox_rules::claim;
using inbox_rules::event;
using inbox_rules::keys;
using inbox_rules::settle;

/// Another program at the same file.
class Other {
 public:
  explicit Other(const std::string& path) { REQUIRE(sqlite3_open(path.c_str(), &database_) == SQLITE_OK); }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  ~Other() { sqlite3_close(database_); }

  void run(const std::string& sql) {
    INFO(sql);
    REQUIRE(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  std::string ask(const std::string& sql) {
    std::string answer;
    const auto add = [](void* text, int, char** values, char**) {
      *static_cast<std::string*>(text) += values[0] == nullptr ? "null" : values[0];
      return 0;
    };
    REQUIRE(sqlite3_exec(database_, sql.c_str(), add, &answer, nullptr) == SQLITE_OK);
    return answer;
  }

 private:
  sqlite3* database_ = nullptr;
};

TEST_CASE("open_sqlite_inbox gives an inbox that obeys the rules") {
  const File file;
  inbox_rules::check_basics([&](auto clock) { return file.open(clock); });
}

TEST_CASE("open_sqlite_inbox gives an inbox with dead letters, retention and states") {
  const File file;
  inbox_rules::check_extras([&](auto clock) { return file.open(clock); });
}

TEST_CASE("open_sqlite_inbox finds everything again that was stored before") {
  const File file;
  const auto clock = std::make_shared<injected::FakeClock>();
  {
    const auto inbox = file.open(clock);
    dingcb::StoredEvent ticket = event("t");
    ticket.latest_key = dingcb::suite_ticket_key("s");
    REQUIRE(inbox->put({event("done"), event("dead"), event("held", "k"), event("behind", "k"), ticket}));
    const auto claimed = claim(*inbox);
    REQUIRE(keys(claimed) == "done dead held t");
    CHECK(settle(*inbox, claimed[0], Fate::done));
    CHECK(settle(*inbox, claimed[1], Fate::bury, 0, "why"));
    CHECK(settle(*inbox, claimed[3], Fate::delay, 100));
  }
  const auto inbox = file.open(clock);
  CHECK(inbox->put({event("done"), event("dead"), event("held")})->duplicates == 3);
  CHECK(inbox->stats()->pending == 3);
  CHECK(inbox->stats()->claimed == 1);
  CHECK(inbox->stats()->dead == 1);
  CHECK(inbox->dead_letters({})->front().why == "why");
  CHECK(inbox->latest("suite_ticket/s")->value().dedup_key == "t");
  clock->now += 100;
  CHECK(keys(claim(*inbox)) == "t");
  clock->now += 900;
  CHECK(keys(claim(*inbox)) == "held");  // "t" is leased until 1100
}

TEST_CASE("open_sqlite_inbox serves several processes at one file") {
  const File file;
  const auto clock = std::make_shared<injected::FakeClock>();
  const auto one = file.open(clock);
  const auto two = file.open(clock);
  REQUIRE(one->put({event("a", "k"), event("b", "k")}));
  CHECK(two->put({event("a"), event("c")})->duplicates == 1);
  const auto first = claim(*two);
  CHECK(keys(first) == "a c");
  CHECK(claim(*one).empty());
  CHECK(settle(*one, first[0], Fate::done));
  CHECK(keys(claim(*one)) == "b");
  CHECK(two->stats()->pending == 2);
}

TEST_CASE("open_sqlite_inbox may be called by several at once for a file that is not there yet") {
  for (int round = 0; round < 8; ++round) {
    const File file;
    std::atomic<int> ready{0};
    std::atomic<int> stored{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        ++ready;
        while (ready < 4) std::this_thread::yield();
        SqliteInboxOptions options;
        options.lock_timeout = Milliseconds(60000);
        const auto inbox = dingcb::open_sqlite_inbox(file.path, options);
        if (inbox && (*inbox)->put({event(std::to_string(t))})) ++stored;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(stored == 4);
    CHECK(file.open()->stats()->pending == 4);
  }
}

TEST_CASE("open_sqlite_inbox keeps its counters right") {
  const File file;
  const auto clock = std::make_shared<injected::FakeClock>();
  const auto inbox = file.open(clock);
  REQUIRE(inbox->put({event("a", "k"), event("b", "k"), event("c"), event("d"), event("e")}));
  const auto claimed = claim(*inbox);
  CHECK(settle(*inbox, claimed[0], Fate::bury));
  CHECK(settle(*inbox, claimed[1], Fate::done));
  CHECK(settle(*inbox, claimed[2], Fate::bury));
  REQUIRE(inbox->requeue({inbox->dead_letters({})->front().id}));
  Other other(file.path);
  const auto stats = inbox->stats();
  CHECK(std::to_string(stats->pending) == other.ask("SELECT COUNT(*) FROM event WHERE state < 2"));
  CHECK(std::to_string(stats->dead) == other.ask("SELECT COUNT(*) FROM event WHERE state = 2"));
  CHECK(other.ask("PRAGMA integrity_check") == "ok");
  CHECK(other.ask("PRAGMA journal_mode") == "wal");
}

TEST_CASE("open_sqlite_inbox makes files that nobody else can read") {
  const File file;
  const auto inbox = file.open();
  REQUIRE(inbox->put({event("a")}));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    INFO(suffix);
    struct stat status {};
    REQUIRE(stat((file.path + suffix).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
}

TEST_CASE("open_sqlite_inbox brings an older file up to date") {
  const File file;
  static_cast<void>(file.open()->put({event("a")}));
  {
    Other other(file.path);
    other.run("DROP TABLE latest; PRAGMA user_version = 1");
  }
  const auto inbox = file.open();
  CHECK(keys(claim(*inbox)) == "a");
  CHECK_FALSE(inbox->latest("suite_ticket/s")->has_value());
  CHECK(Other(file.path).ask("PRAGMA user_version") == "2");
}

TEST_CASE("open_sqlite_inbox refuses the file of a newer release, also while it is open") {
  const File file;
  const auto inbox = file.open();
  REQUIRE(inbox->put({event("a")}));
  Other(file.path).run("PRAGMA user_version = 99");
  CHECK(inbox->put({event("b")}).error().code == Errc::inbox_schema);
  CHECK(file.refusal() == Errc::inbox_schema);
  CHECK(Other(file.path).ask("SELECT COUNT(*) FROM event") == "1");
}

TEST_CASE("open_sqlite_inbox leaves the files of other programs alone") {
  const File file;
  SECTION("a database") {
    Other(file.path).run("CREATE TABLE theirs(x)");
    CHECK(file.refusal() == Errc::inbox_schema);
    CHECK(Other(file.path).ask("SELECT COUNT(*) FROM sqlite_master") == "1");
  }
  SECTION("no database") {
    std::ofstream(file.path) << std::string(5000, 'x');
    CHECK(file.refusal() == Errc::inbox_corrupt);
  }
  SECTION("a folder that is not there") {
    const auto inbox = dingcb::open_sqlite_inbox("no/such/folder/inbox.db");
    CHECK(inbox.error().code == Errc::inbox_failed);
  }
  SECTION("memory, which nothing survives") {
    CHECK(dingcb::open_sqlite_inbox(":memory:").error().code == Errc::inbox_failed);
    CHECK(dingcb::open_sqlite_inbox("").error().code == Errc::inbox_failed);
  }
}

TEST_CASE("open_sqlite_inbox refuses events while another program locks the file, and goes on afterwards") {
  const File file;
  SqliteInboxOptions options;
  options.lock_timeout = Milliseconds(1);
  const auto inbox = dingcb::open_sqlite_inbox(file.path, options).value();
  Other other(file.path);
  other.run("BEGIN IMMEDIATE");
  CHECK(inbox->put({event("a")}).error().code == Errc::inbox_locked);
  CHECK(inbox->claim(1, Milliseconds(1)).error().code == Errc::inbox_locked);
  CHECK(inbox->stats()->pending == 0);  // looking needs no lock
  other.run("ROLLBACK");
  CHECK(inbox->put({event("a")})->stored == 1);
}

TEST_CASE("open_sqlite_inbox refuses events when the file is damaged") {
  const File file;
  static_cast<void>(file.open()->put({event("a")}));
  Other(file.path).run("PRAGMA wal_checkpoint(TRUNCATE)");
  {
    std::fstream bytes(file.path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(4096);
    bytes << std::string(std::size_t{12} * 4096, '\x7F');
  }
  SqliteInboxOptions options;
  const auto inbox = dingcb::open_sqlite_inbox(file.path, options);
  const Errc code = inbox ? (*inbox)->put({event("b")}).error().code : inbox.error().code;
  CHECK(code == Errc::inbox_corrupt);
}

TEST_CASE("open_sqlite_inbox notices that its file was deleted") {
  const File file;
  const auto inbox = file.open();
  REQUIRE(inbox->put({event("a")}));
  REQUIRE(std::remove(file.path.c_str()) == 0);
  CHECK(inbox->put({event("b")}).error().code == Errc::inbox_failed);
}

TEST_CASE("open_sqlite_inbox refuses what is too much") {
  const File file;
  SqliteInboxOptions options;
  SECTION("events that are pending") {
    options.max_pending = 2;
    const auto inbox = dingcb::open_sqlite_inbox(file.path, options).value();
    REQUIRE(inbox->put({event("a"), event("b")}));
    CHECK(inbox->put({event("c")}).error().code == Errc::inbox_full);
    CHECK(inbox->put({event("b"), event("a")})->duplicates == 2);  // as DingTalk repeats them
    CHECK(inbox->put({event("b"), event("c")}).error().code == Errc::inbox_full);
    CHECK(settle(*inbox, claim(*inbox)[0], Fate::done));
    CHECK(inbox->put({event("c"), event("d")}).error().code == Errc::inbox_full);  // all or none
    CHECK(inbox->put({event("c")})->stored == 1);
  }
  SECTION("bytes of the file, until some are done") {
    options.max_size = 200000;
    const auto inbox = dingcb::open_sqlite_inbox(file.path, options).value();
    dingcb::StoredEvent large = event("x");
    large.body.assign(10000, ' ');
    std::size_t stored = 0;
    for (;; ++stored) {
      large.dedup_key = std::to_string(stored);
      const auto put = inbox->put({large});
      if (put) continue;
      CHECK(put.error().code == Errc::inbox_full);
      break;
    }
    CHECK(stored > 5);
    CHECK(stored < 20);
    large.dedup_key = "0";
    CHECK(inbox->put({large})->duplicates == 1);
    large.dedup_key = std::to_string(stored);
    for (const auto& each : claim(*inbox)) CHECK(settle(*inbox, each, Fate::done));
    CHECK(inbox->put({large})->stored == 1);
  }
  SECTION("an event without a key, which would count as a duplicate of every other") {
    const auto inbox = file.open();
    CHECK(inbox->put({event("")}).error().code == Errc::inbox_failed);
    CHECK(inbox->stats()->pending == 0);
  }
}

TEST_CASE("open_sqlite_inbox takes what there is room for beside what is too large") {
  const File file;
  SqliteInboxOptions options;
  options.max_size = 1000000;
  options.lock_timeout = dingcb::Milliseconds(60000);
  auto inbox = dingcb::open_sqlite_inbox(file.path, options).value();
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(file.path.c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  std::string told;
  const auto put = [&](const char* key, std::size_t size) {
    dingcb::StoredEvent one = event(key);
    one.body.resize(size, ' ');
    inbox->put_later({one}, [&told, key](const auto& count) { told += count ? key : std::string("!") + key; });
  };
  put("first", 10);  // the writer waits with it, and takes the others together afterwards
  put("large", 2000000);
  put("small", 10);
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  inbox.reset();  // tells those that wait
  CHECK(told == "first!largesmall");
}

TEST_CASE("open_sqlite_inbox refuses at once what would wait too long for its commit") {
  const File file;
  SqliteInboxOptions options;
  options.max_queued = 3;
  options.lock_timeout = Milliseconds(60000);
  auto inbox = dingcb::open_sqlite_inbox(file.path, options).value();
  Other other(file.path);
  other.run("BEGIN IMMEDIATE");
  std::atomic<int> stored{0};
  std::atomic<int> full{0};
  const auto done = [&](const dingcb::Result<dingcb::PutCount>& count) {
    if (count) {
      stored += static_cast<int>(count->stored);
    } else if (count.error().code == Errc::inbox_full) {
      ++full;
    }
  };
  inbox->put_later({event("a"), event("b"), event("c")}, done);
  inbox->put_later({event("d")}, done);
  CHECK(full == 1);
  CHECK(inbox->put({event("e")}).error().code == Errc::inbox_full);
  CHECK(stored == 0);
  other.run("ROLLBACK");
  inbox.reset();  // commits what waits
  CHECK(stored == 3);
}

TEST_CASE("open_sqlite_inbox gives an inbox that may be dropped by whoever it tells") {
  const File file;
  std::atomic<bool> told{false};
  {
    auto inbox = file.open();
    auto* const raw = inbox.get();
    raw->put_later({event("a")}, [held = std::move(inbox), &told](const auto&) mutable {
      held.reset();
      told = true;
    });
  }
  while (!told) std::this_thread::yield();
  CHECK(file.open()->stats()->pending == 1);
}

TEST_CASE("open_sqlite_inbox serves many threads at once") {
  const File file;
  const auto inbox = file.open();
  std::vector<std::thread> threads;
  std::atomic<std::size_t> stored{0};
  std::atomic<std::size_t> settled{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        // Each event is put by two threads.
        const auto count = inbox->put({event(std::to_string(t / 2) + '-' + std::to_string(i), std::to_string(i % 7))});
        if (count) stored += count->stored;
      }
    });
  }
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (settled < 100) {
        const auto claimed = inbox->claim(8, Milliseconds(60000));
        if (!claimed) return;
        for (const auto& each : *claimed) {
          const auto lost = inbox->settle({{each.id, each.lease, Fate::done, {}, {}}});
          if (lost && lost->empty()) ++settled;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(stored == 100);
  CHECK(settled == 100);
  CHECK(inbox->stats()->pending == 0);
}

TEST_CASE("open_sqlite_inbox syncs the disk before it says that something is stored or settled") {
  const File file;
  const faulty_disk::Disk disk;
  const auto inbox = file.open();
  int before = disk.syncs();
  for (int i = 0; i < 5; ++i) {
    REQUIRE(inbox->put({event(std::to_string(i))}));
    CHECK(disk.syncs() > before);
    before = disk.syncs();
  }
  for (const auto& each : claim(*inbox)) {
    before = disk.syncs();
    CHECK(settle(*inbox, each, Fate::done));
    CHECK(disk.syncs() > before);
  }
}

TEST_CASE("open_sqlite_inbox lets everything that waits share one sync") {
  const File file;
  const faulty_disk::Disk disk;
  SqliteInboxOptions options;
  options.lock_timeout = Milliseconds(60000);
  auto inbox = dingcb::open_sqlite_inbox(file.path, options).value();
  Other other(file.path);
  other.run("BEGIN IMMEDIATE");
  const int before = disk.syncs();
  std::atomic<int> stored{0};
  std::atomic<int> early{0};
  for (int i = 0; i < 300; ++i) {
    inbox->put_later({event(std::to_string(i))}, [&](const auto& count) {
      if (disk.syncs() == before) ++early;
      if (count) ++stored;
    });
  }
  CHECK(stored == 0);
  other.run("ROLLBACK");
  inbox.reset();
  CHECK(stored == 300);
  CHECK(early == 0);
  CHECK(disk.syncs() - before <= 2 + 2);  // what the writer had begun, the rest, and those of closing
}

TEST_CASE("open_sqlite_inbox refuses events when the disk is full or broken, and goes on when it is not") {
  const File file;
  const faulty_disk::Disk disk;
  const auto inbox = file.open();
  REQUIRE(inbox->put({event("a", "k"), event("b", "k")}));
  const auto claimed = claim(*inbox);
  SECTION("full") {
    disk.fail_writes(SQLITE_FULL);
    CHECK(inbox->put({event("c")}).error().code == Errc::inbox_full);
    CHECK(inbox->settle({{claimed[0].id, claimed[0].lease, Fate::done, {}, {}}}).error().code == Errc::inbox_full);
  }
  SECTION("broken at writing") {
    disk.fail_writes(SQLITE_IOERR_WRITE);
    CHECK(inbox->put({event("c")}).error().code == Errc::inbox_failed);
  }
  SECTION("broken at syncing") {
    disk.fail_syncs(SQLITE_IOERR_FSYNC);
    CHECK(inbox->put({event("c")}).error().code == Errc::inbox_failed);
  }
  CHECK(inbox->stats()->pending == 2);
  CHECK(keys(claim(*file.open())).empty());
  disk.heal();
  CHECK(inbox->put({event("c")})->stored == 1);
  CHECK(settle(*inbox, claimed[0], Fate::done));
  CHECK(keys(claim(*inbox)) == "b c");
  CHECK(Other(file.path).ask("PRAGMA integrity_check") == "ok");
}

}  // namespace
