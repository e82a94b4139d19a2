// The tables of an inbox in SQLite, and how a file comes to have them.
#pragma once

#include <dingcb/impl/inbox/sqlite_connection.ipp>

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Each step makes of one schema the next; `PRAGMA user_version` counts those that were taken. Never change one that
/// was released.
constexpr std::array<const char*, 2> kSqliteSteps{
    // `state` is 0 for the first event of its ordering_key, which is claimed or to be claimed at due_ms; 1 while
    // another
    // one of its ordering_key comes first; 2 for a dead letter; 3 for what is done.
    //
    // A lease is a due_ms in the future, and the number of the claim that set it: when it ends, the event is simply due
    // again. event_head lets no mistake in this file, or beside it, put two events of one key into work.
    R"(CREATE TABLE event(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dedup_key TEXT NOT NULL UNIQUE,
  ordering_key TEXT NOT NULL,
  twin_key TEXT NOT NULL,
  state INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  lease INTEGER NOT NULL DEFAULT 0,
  claims INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  stored_ms INTEGER NOT NULL,
  settled_ms INTEGER NOT NULL DEFAULT 0,
  source INTEGER NOT NULL,
  type TEXT NOT NULL,
  corp_id TEXT NOT NULL,
  born_ms INTEGER,
  why TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL);
CREATE INDEX event_ready ON event(due_ms, id) WHERE state = 0;
CREATE UNIQUE INDEX event_head ON event(ordering_key) WHERE state = 0 AND ordering_key <> '';
CREATE INDEX event_behind ON event(ordering_key, id) WHERE state = 1;
CREATE INDEX event_pending ON event(stored_ms) WHERE state < 2;
CREATE INDEX event_dead ON event(id) WHERE state = 2;
CREATE INDEX event_done ON event(settled_ms) WHERE state = 3;
CREATE INDEX event_twin ON event(twin_key) WHERE twin_key <> '' AND source = 0;
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES('dead', 0), ('pending', 0);)",

    R"(CREATE TABLE latest(
  key TEXT PRIMARY KEY,
  dedup_key TEXT NOT NULL,
  ordering_key TEXT NOT NULL,
  source INTEGER NOT NULL,
  type TEXT NOT NULL,
  corp_id TEXT NOT NULL,
  born_ms INTEGER,
  body TEXT NOT NULL) WITHOUT ROWID;)",
};
constexpr std::int64_t kSqliteVersion = static_cast<std::int64_t>(kSqliteSteps.size());
constexpr std::int64_t kSqliteApplication = 0x44434942;  // "DCIB": the file is one of ours

/// Switches the file to a write-ahead log, which it then keeps.
inline Error sqlite_use_log(SqliteConnection& connection, Milliseconds lock_timeout) {
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(std::min<std::int64_t>(lock_timeout.count(), INT32_MAX));
  SqliteStatement mode;
  if (Error error = mode.prepare(connection, "PRAGMA journal_mode = WAL"); error.code != Errc{}) return error;
  for (;;) {
    const int code = mode.step();
    const std::string now = code == SQLITE_ROW ? mode.text(0) : std::string();
    mode.reset();
    if (now == "wal") return Error{};
    if (code == SQLITE_ROW) return connection.failure("SQLite cannot keep a write-ahead log there");
    // SQLite does not wait by itself when several switch a new file at the same time.
    if ((code & 0xFF) != SQLITE_BUSY || std::chrono::steady_clock::now() >= until) return connection.error(code);
    sqlite3_sleep(2);
  }
}

/// Checks that the file is one of ours, and brings it up to date.
inline Error sqlite_migrate(SqliteConnection& connection, Milliseconds lock_timeout) {
  std::int64_t version = 0;
  std::int64_t application = 0;
  std::int64_t objects = 0;
  const auto look = [&] {
    Error error = sqlite_number(connection, "PRAGMA user_version", version);
    if (error.code == Errc{}) error = sqlite_number(connection, "PRAGMA application_id", application);
    if (error.code == Errc{}) error = sqlite_number(connection, "SELECT COUNT(*) FROM sqlite_master", objects);
    if (error.code != Errc{}) return error;
    if (application != kSqliteApplication && (application != 0 || version != 0 || objects != 0)) {
      return connection.schema_error("the file belongs to another program");
    }
    if (version < 0 || version > kSqliteVersion) {
      return connection.schema_error("a newer release of dingcb made it; its schema is version " +
                                     std::to_string(version) + ", and this release knows none above " +
                                     std::to_string(kSqliteVersion));
    }
    return error;
  };
  // In a transaction, because half of what another process is about to write looks like another program's.
  Error error = connection.execute("BEGIN");
  if (error.code != Errc{}) return error;
  error = look();
  static_cast<void>(connection.execute("ROLLBACK"));
  if (error.code == Errc{}) error = sqlite_use_log(connection, lock_timeout);
  if (error.code != Errc{} || version == kSqliteVersion) return error;
  error = connection.execute("BEGIN IMMEDIATE");
  if (error.code != Errc{}) return error;
  error = look();  // another process may have been quicker
  for (std::int64_t step = version; error.code == Errc{} && step < kSqliteVersion; ++step) {
    error = connection.execute(kSqliteSteps[static_cast<std::size_t>(step)]);
  }
  const std::string seal = "PRAGMA application_id = " + std::to_string(kSqliteApplication) +
                           "; PRAGMA user_version = " + std::to_string(kSqliteVersion) + "; COMMIT";
  if (error.code == Errc{}) error = connection.execute(seal.c_str());
  if (error.code != Errc{}) static_cast<void>(connection.execute("ROLLBACK"));
  return error;
}

}  // namespace detail
DINGCB_NAMESPACE_END
