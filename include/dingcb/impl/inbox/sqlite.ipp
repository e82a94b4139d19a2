// Bodies of inbox/sqlite.hpp.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/inbox/sqlite.hpp>

#include <sqlite3.h>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// The `state` of an event in the file.
enum class SqliteState : std::int64_t {
  ready = 0,   ///< The first of its ordering_key: claimed, or to be claimed at due_ms.
  behind = 1,  ///< Another one of its ordering_key comes first.
  dead = 2,
  done = 3,
};

/// Each step makes of one schema the next; `PRAGMA user_version` counts those that were taken. Never change one that
/// was released.
constexpr std::array<const char*, 2> kSqliteSteps{
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

/// A connection, for one thread at a time.
class SqliteConnection {
 public:
  SqliteConnection() = default;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection() { sqlite3_close_v2(database_); }

  Error open(const std::string& path, Milliseconds lock_timeout) {
    path_ = path;
    create(path);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path.c_str(), &database_, flags, nullptr);
    if (code != SQLITE_OK) return error(database_ == nullptr ? code : sqlite3_extended_errcode(database_));
    sqlite3_extended_result_codes(database_, 1);
    sqlite3_busy_timeout(database_, static_cast<int>(std::clamp<std::int64_t>(lock_timeout.count(), 0, INT32_MAX)));
    return Error{};
  }

  sqlite3* get() const noexcept { return database_; }

  Error execute(const char* sql) { return error(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr)); }

  std::int64_t changes() const noexcept { return sqlite3_changes(database_); }

  /// @return Error{} for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. The message holds nothing of the events.
  Error error(int code) const {
    Errc errc = Errc::inbox_failed;
    switch (code & 0xFF) {
      case SQLITE_OK:
      case SQLITE_ROW:
      case SQLITE_DONE: return Error{};
      case SQLITE_BUSY:
      case SQLITE_LOCKED: errc = Errc::inbox_locked; break;
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB: errc = Errc::inbox_corrupt; break;
      case SQLITE_FULL: errc = Errc::inbox_full; break;
      case SQLITE_NOMEM: return literal_error(Errc::out_of_memory, "there is no memory");
      default: break;
    }
    std::string text = "the inbox " + path_ + ": " + sqlite3_errstr(code) + " (SQLite " + std::to_string(code);
    if (const int number = database_ == nullptr ? 0 : sqlite3_system_errno(database_);
        number != 0 && (code & 0xFF) != SQLITE_BUSY) {
      text += ", " + std::generic_category().message(number);
    }
    return Error{errc, Message(text + ')'), nullptr};
  }

  Error schema_error(std::string_view what) const {
    return Error{Errc::inbox_schema, Message("the inbox " + path_ + ": " + std::string(what)), nullptr};
  }
  Error failure(std::string_view what) const {
    return Error{Errc::inbox_failed, Message("the inbox " + path_ + ": " + std::string(what)), nullptr};
  }

 private:
  /// Makes a file that only its owner can read, since there will be customers' data in it; SQLite gives those beside it
  /// the same rights. One that is there is left alone: closing it would end the locks of this process.
  static void create(const std::string& path) noexcept {
#if defined(__unix__) || defined(__APPLE__)
    if (path.empty() || path.front() == ':') return;
    const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file >= 0) ::close(file);
#else
    static_cast<void>(path);
#endif
  }

  sqlite3* database_ = nullptr;
  std::string path_;
};

/// A statement that was prepared once and runs many times.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;
  ~SqliteStatement() { sqlite3_finalize(statement_); }

  Error prepare(const SqliteConnection& connection, std::string_view sql) {
    return connection.error(sqlite3_prepare_v3(connection.get(), sql.data(), static_cast<int>(sql.size()),
                                               SQLITE_PREPARE_PERSISTENT, &statement_, nullptr));
  }

  /// Begins a run. Texts have to live until it ends, with reset() at the latest.
  template <class... Values>
  SqliteStatement& bind(const Values&... values) noexcept {
    reset();
    int position = 0;
    (bind_one(++position, values), ...);
    return *this;
  }

  /// @return SQLITE_ROW, SQLITE_DONE, or what went wrong.
  int step() noexcept { return failed_ != SQLITE_OK ? failed_ : sqlite3_step(statement_); }
  /// Runs a statement that gives no rows.
  int run() noexcept {
    const int code = step();
    reset();
    return code;
  }
  void reset() noexcept {
    sqlite3_reset(statement_);
    failed_ = SQLITE_OK;
  }

  std::int64_t number(int column) const noexcept { return sqlite3_column_int64(statement_, column); }
  std::optional<std::int64_t> optional(int column) const noexcept {
    if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
    return number(column);
  }
  std::string text(int column) const {
    const unsigned char* const text = sqlite3_column_text(statement_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text), size);
  }

 private:
  void put_down(int code) noexcept {
    if (failed_ == SQLITE_OK) failed_ = code;
  }
  void bind_one(int position, std::int64_t value) noexcept {
    put_down(sqlite3_bind_int64(statement_, position, value));
  }
  void bind_one(int position, const std::optional<std::int64_t>& value) noexcept {
    put_down(value ? sqlite3_bind_int64(statement_, position, *value) : sqlite3_bind_null(statement_, position));
  }
  void bind_one(int position, const std::string& text) noexcept { bind_one(position, std::string_view(text)); }
  void bind_one(int position, std::string_view text) noexcept {
    // An empty view may have no address, which SQLite would take for NULL.
    put_down(sqlite3_bind_text64(statement_, position, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC,
                                 SQLITE_UTF8));
  }

  sqlite3_stmt* statement_ = nullptr;
  int failed_ = SQLITE_OK;
};

/// The result of a query for one number.
inline Error sqlite_number(const SqliteConnection& connection, std::string_view sql, std::int64_t& number) {
  SqliteStatement statement;
  if (Error error = statement.prepare(connection, sql); error.code != Errc{}) return error;
  const int code = statement.step();
  if (code == SQLITE_ROW) number = statement.number(0);
  return connection.error(code);
}

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

/// What a call wants changed. Its `run` is part of a transaction that it shares with others.
struct SqliteTask {
  SqliteTask() = default;
  SqliteTask(const SqliteTask&) = delete;
  SqliteTask& operator=(const SqliteTask&) = delete;
  virtual ~SqliteTask() = default;

  /// @return an error that undoes the whole transaction. What concerns this task alone it remembers by itself.
  virtual Error run(class SqliteWriter& writer) = 0;
  /// Told once what became of the transaction.
  virtual void finish(const Error& error) noexcept = 0;

  std::size_t events = 0;   // of a put
  std::size_t size = 0;     // bytes of them
  bool calls_host = false;  // whether finish() calls somebody else's code
  Error outcome;            // from the commit until finish()
  std::unique_ptr<SqliteTask> next;
};

/// The connection that changes the file, and what it does in a transaction.
class SqliteWriter {
 public:
  SqliteWriter(SqliteInboxOptions options) : options_(std::move(options)) {}

  Error open(const std::string& path) {
    if (sqlite3_threadsafe() == 0) return connection_.failure("this SQLite was built without threads");
    Error error = connection_.open(path, options_.lock_timeout);
    // Anything less than FULL may lose the last commits in a power cut, and an answer that was given is a promise.
    if (error.code == Errc{}) error = connection_.execute("PRAGMA synchronous = FULL");
    if (error.code == Errc{}) error = sqlite_migrate(connection_, options_.lock_timeout);
    if (error.code == Errc{}) error = set_up();
    return error;
  }

  std::int64_t now_ms() const noexcept {
    if (options_.clock != nullptr) return options_.clock->unix_ms();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  /// Runs the tasks in one transaction. @return what became of it.
  Error run(const std::vector<std::unique_ptr<SqliteTask>>& tasks) noexcept {
    pending_change_ = dead_change_ = 0;
    const Result<void> result = ask([&]() -> Result<void> {
      Error error = begin();
      for (auto task = tasks.begin(); error.code == Errc{} && task != tasks.end(); ++task) error = (*task)->run(*this);
      if (error.code == Errc{}) error = count("pending", pending_change_);
      if (error.code == Errc{}) error = count("dead", dead_change_);
      if (error.code == Errc{}) error = connection_.error(commit_.run());
      if (error.code != Errc{}) return error;
      return {};
    });
    if (result) return Error{};
    // Some errors have ended the transaction already. A query that was left in its middle would keep it open.
    due_.reset();
    held_.reset();
    if (sqlite3_get_autocommit(connection_.get()) == 0) rollback_.run();
    return result.error();
  }

  /// Why these events cannot be put, whatever the state of the file is; Errc{} where they can.
  Error unfit(const std::vector<StoredEvent>& events) const noexcept {
    for (const StoredEvent& event : events) {
      if (event.dedup_key.empty()) return literal_error(Errc::inbox_failed, "an event has no dedup_key");
      if (event.body.size() > kMaxBody)
        return literal_error(Errc::inbox_full, "an event is larger than SQLite can store");
    }
    return Error{};
  }

  // --- what tasks do ---

  /// @param refusal why the events were not put, though the file is well.
  Error put(const std::vector<StoredEvent>& events, PutCount& result, Error& refusal) {
    result = PutCount{};
    refusal = Error{};
    if (pending_ + pending_change_ + static_cast<std::int64_t>(events.size()) >
        static_cast<std::int64_t>(std::min<std::uint64_t>(options_.max_pending, INT64_MAX))) {
      refusal = literal_error(Errc::inbox_full, "the inbox has max_pending events that are not handled yet");
      return Error{};
    }
    if (options_.max_size != 0) {
      for (const StoredEvent& event : events) used_ += event.body.size();
      if (used_ > options_.max_size) {
        refusal = literal_error(Errc::inbox_full, "the file of the inbox has reached max_size");
        return Error{};
      }
    }
    const std::int64_t now = now_ms();
    static_assert(static_cast<int>(Source::http) == 0, "the index event_twin says 0");
    for (const StoredEvent& event : events) {
      if (event.source == Source::failed_list && !event.twin_key.empty()) {
        const int twin = twin_.bind(event.twin_key).step();
        twin_.reset();
        if (twin == SQLITE_ROW) {
          ++result.duplicates;
          continue;
        }
        if (twin != SQLITE_DONE) return connection_.error(twin);
      }
      const int code = put_.bind(event.dedup_key, event.ordering_key, now, static_cast<std::int64_t>(event.source),
                                 event.type, event.corp_id, event.born_ms, event.body, event.twin_key)
                           .run();
      if (code != SQLITE_DONE) return connection_.error(code);
      if (connection_.changes() == 0) {
        ++result.duplicates;
        continue;
      }
      ++result.stored;
      ++pending_change_;
      if (event.latest_key.empty()) continue;
      const int kept =
          put_latest_
              .bind(event.latest_key, event.dedup_key, event.ordering_key, static_cast<std::int64_t>(event.source),
                    event.type, event.corp_id, event.born_ms, event.body)
              .run();
      if (kept != SQLITE_DONE) return connection_.error(kept);
    }
    return Error{};
  }

  Error claim(std::size_t limit, Milliseconds lease, std::vector<ClaimedEvent>& claimed) {
    claimed.clear();
    const std::int64_t now = now_ms();
    std::vector<std::pair<std::int64_t, std::int64_t>> leases;
    int code = due_.bind(now, static_cast<std::int64_t>(std::min<std::size_t>(limit, INT32_MAX))).step();
    for (; code == SQLITE_ROW; code = due_.step()) {
      ClaimedEvent event;
      leases.emplace_back(due_.number(0), due_.number(1) + 1);
      event.id = std::to_string(leases.back().first);
      event.lease = std::to_string(leases.back().second);
      event.attempt = static_cast<std::uint32_t>(due_.number(2) + 1);
      event.stored_ms = due_.number(3);
      event.event = stored_event(due_, 4);
      claimed.push_back(std::move(event));
    }
    due_.reset();
    const std::int64_t until = later(now, lease);
    for (auto each = leases.begin(); code == SQLITE_DONE && each != leases.end(); ++each) {
      code = lease_.bind(each->first, each->second, until).run();
    }
    return connection_.error(code);
  }

  Error settle(const std::vector<Settlement>& settlements, std::vector<std::size_t>& lost) {
    lost.clear();
    const std::int64_t now = now_ms();
    for (std::size_t i = 0; i < settlements.size(); ++i) {
      const Settlement& settlement = settlements[i];
      const std::optional<std::int64_t> id = to_number(settlement.id);
      const std::optional<std::int64_t> lease = to_number(settlement.lease);
      if (!id || !lease || *lease <= 0) {
        lost.push_back(i);
        continue;
      }
      int code = held_.bind(*id, *lease).step();
      const std::string ordering_key = code == SQLITE_ROW ? held_.text(0) : std::string();
      held_.reset();
      if (code == SQLITE_DONE) lost.push_back(i);
      if (code == SQLITE_ROW) code = settle(settlement, *id, ordering_key, now);
      if (code != SQLITE_DONE) return connection_.error(code);
    }
    return Error{};
  }

  Error requeue(const std::vector<std::string>& ids, std::size_t& count) {
    return each_dead(ids, requeue_, count, [this] { ++pending_change_; });
  }
  Error purge(const std::vector<std::string>& ids, std::size_t& count) {
    return each_dead(ids, purge_, count, [] {});
  }

  Error clean(const Retention& retention, std::size_t& count) {
    count = 0;
    const std::int64_t now = now_ms();
    int code = clean_done_.bind(now - retention.done.count()).run();
    if (code != SQLITE_DONE) return connection_.error(code);
    count += static_cast<std::size_t>(connection_.changes());
    if (retention.dead.count() <= 0) return Error{};
    code = clean_dead_.bind(now - retention.dead.count()).run();
    if (code != SQLITE_DONE) return connection_.error(code);
    dead_change_ -= connection_.changes();
    count += static_cast<std::size_t>(connection_.changes());
    return Error{};
  }

  static std::optional<std::int64_t> to_number(std::string_view text) noexcept {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, number);
    if (problem != std::errc{} || stop != end) return std::nullopt;
    return number;
  }

  /// Reads an event from seven columns.
  static StoredEvent stored_event(const SqliteStatement& row, int column) {
    StoredEvent event;
    event.source = static_cast<Source>(row.number(column));
    event.type = row.text(column + 1);
    event.corp_id = row.text(column + 2);
    event.dedup_key = row.text(column + 3);
    event.ordering_key = row.text(column + 4);
    event.born_ms = row.optional(column + 5);
    event.body = row.text(column + 6);
    return event;
  }

  static std::int64_t later(std::int64_t now, Milliseconds delay) noexcept {
    constexpr std::int64_t kCentury = std::int64_t{100} * 365 * 24 * 3600 * 1000;
    return now + std::clamp<std::int64_t>(delay.count(), 0, kCentury);
  }

 private:
  static constexpr std::size_t kMaxBody = std::size_t{900} * 1000 * 1000;  // SQLite's own limit is 1e9 for a row

  Error set_up() {
    Error error = sqlite_number(connection_, "PRAGMA page_size", page_size_);
    const auto prepare = [&](SqliteStatement& statement, std::string_view sql) {
      if (error.code == Errc{}) error = statement.prepare(connection_, sql);
    };
    prepare(begin_, "BEGIN IMMEDIATE");
    prepare(commit_, "COMMIT");
    prepare(rollback_, "ROLLBACK");
    prepare(version_, "PRAGMA user_version");
    prepare(pages_, "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count");
    prepare(counted_, "SELECT value FROM counter WHERE name = 'pending'");
    prepare(count_, "UPDATE counter SET value = value + ?2 WHERE name = ?1");
    prepare(
        put_,
        "INSERT INTO event(dedup_key, ordering_key, state, due_ms, stored_ms, source, type, corp_id, born_ms, body, "
        "twin_key) VALUES(?1, ?2, ?2 <> '' AND EXISTS(SELECT 1 FROM event WHERE ordering_key = ?2 AND state = 0 AND "
        "ordering_key <> ''), ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(dedup_key) DO NOTHING");
    prepare(twin_, "SELECT 1 FROM event WHERE twin_key = ?1 AND twin_key <> '' AND source = 0");
    prepare(put_latest_,
            "INSERT INTO latest(key, dedup_key, ordering_key, source, type, corp_id, born_ms, body) "
            "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(key) DO UPDATE SET dedup_key = ?2, ordering_key = ?3, "
            "source = ?4, type = ?5, corp_id = ?6, born_ms = ?7, body = ?8 "
            "WHERE ?7 IS NULL OR latest.born_ms IS NULL OR latest.born_ms <= ?7");
    prepare(due_,
            "SELECT id, claims, attempts, stored_ms, source, type, corp_id, dedup_key, ordering_key, born_ms, body "
            "FROM event WHERE state = 0 AND due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2");
    prepare(lease_, "UPDATE event SET due_ms = ?3, lease = ?2, claims = ?2, attempts = attempts + 1 WHERE id = ?1");
    prepare(held_, "SELECT ordering_key FROM event WHERE id = ?1 AND lease = ?2 AND state = 0");
    prepare(done_, "UPDATE event SET state = 3, lease = 0, settled_ms = ?2, why = '', body = '' WHERE id = ?1");
    prepare(bury_, "UPDATE event SET state = 2, lease = 0, settled_ms = ?2, why = ?3 WHERE id = ?1");
    prepare(delay_, "UPDATE event SET due_ms = ?2, lease = 0, why = ?3 WHERE id = ?1");
    prepare(give_back_, "UPDATE event SET due_ms = stored_ms, lease = 0, attempts = attempts - 1 WHERE id = ?1");
    prepare(extend_, "UPDATE event SET due_ms = ?2 WHERE id = ?1");
    prepare(promote_,
            "UPDATE event SET state = 0 WHERE id = (SELECT MIN(id) FROM event WHERE ordering_key = ?1 AND state = 1)");
    prepare(requeue_,
            "UPDATE event SET state = (ordering_key <> '' AND EXISTS(SELECT 1 FROM event AS head WHERE "
            "head.ordering_key = event.ordering_key AND head.state = 0 AND head.ordering_key <> '')), due_ms = ?2, "
            "attempts = 0, settled_ms = 0 WHERE id = ?1 AND state = 2");
    prepare(purge_, "UPDATE event SET state = 3, settled_ms = ?2, why = '', body = '' WHERE id = ?1 AND state = 2");
    prepare(clean_done_,
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE state = 3 AND settled_ms < ?1 "
            "ORDER BY settled_ms LIMIT 1000)");
    prepare(clean_dead_,
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE state = 2 AND settled_ms < ?1 LIMIT 1000)");
    return error;
  }

  Error begin() {
    // A file that was deleted or replaced would take events that nobody will ever find.
    int moved = 0;
    sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved != 0) return connection_.failure("the file was moved, deleted or replaced while it was open");
    int code = begin_.run();
    if (code != SQLITE_DONE) return connection_.error(code);
    code = version_.step();
    const std::int64_t version = version_.number(0);
    version_.reset();
    if (code != SQLITE_ROW) return connection_.error(code);
    if (version != kSqliteVersion) return connection_.schema_error("another release changed its schema meanwhile");
    code = counted_.step();
    pending_ = counted_.number(0);
    counted_.reset();
    if (code == SQLITE_ROW && options_.max_size != 0) {
      // A limit for put() alone: SQLite's own would also stop the settling that makes room.
      code = pages_.step();
      used_ = static_cast<std::uint64_t>(pages_.number(0)) * static_cast<std::uint64_t>(page_size_);
      pages_.reset();
    }
    return code == SQLITE_ROW ? Error{} : connection_.error(code == SQLITE_DONE ? SQLITE_CORRUPT : code);
  }

  Error count(std::string_view name, std::int64_t change) {
    return change == 0 ? Error{} : connection_.error(count_.bind(name, change).run());
  }

  /// @return SQLITE_DONE, or what went wrong.
  int settle(const Settlement& settlement, std::int64_t id, const std::string& ordering_key, std::int64_t now) {
    switch (settlement.fate) {
      case Fate::delay: return delay_.bind(id, later(now, settlement.delay), settlement.why).run();
      case Fate::extend: return extend_.bind(id, later(now, settlement.delay)).run();
      case Fate::give_back: return give_back_.bind(id).run();
      case Fate::bury:
        ++dead_change_;
        if (const int code = bury_.bind(id, now, settlement.why).run(); code != SQLITE_DONE) return code;
        break;
      case Fate::done:
        if (const int code = done_.bind(id, now).run(); code != SQLITE_DONE) return code;
        break;
    }
    --pending_change_;
    return ordering_key.empty() ? SQLITE_DONE : promote_.bind(ordering_key).run();
  }

  template <class Changed>
  Error each_dead(const std::vector<std::string>& ids, SqliteStatement& statement, std::size_t& count,
                  Changed changed) {
    count = 0;
    const std::int64_t now = now_ms();
    for (const std::string& id : ids) {
      const std::optional<std::int64_t> number = to_number(id);
      if (!number) continue;
      if (const int code = statement.bind(*number, now).run(); code != SQLITE_DONE) return connection_.error(code);
      if (connection_.changes() == 0) continue;
      ++count;
      --dead_change_;
      changed();
    }
    return Error{};
  }

  const SqliteInboxOptions options_;
  SqliteConnection connection_;  // before the statements, which go first
  SqliteStatement begin_, commit_, rollback_, version_, pages_, counted_, count_;
  SqliteStatement put_, twin_, put_latest_, due_, lease_, held_, done_, bury_, delay_, give_back_, extend_, promote_;
  SqliteStatement requeue_, purge_, clean_done_, clean_dead_;
  std::int64_t page_size_ = 4096;
  std::uint64_t used_ = 0;           // bytes of the file, where there is a limit
  std::int64_t pending_ = 0;         // when the transaction began
  std::int64_t pending_change_ = 0;  // by it
  std::int64_t dead_change_ = 0;
};

/// The connection that looks at the file: it neither waits for the writer, nor does the writer wait for it.
class SqliteReader {
 public:
  Error open(const std::string& path, Milliseconds lock_timeout) {
    Error error = connection_.open(path, lock_timeout);
    if (error.code == Errc{}) error = connection_.execute("PRAGMA query_only = 1");
    const auto prepare = [&](SqliteStatement& statement, std::string_view sql) {
      if (error.code == Errc{}) error = statement.prepare(connection_, sql);
    };
    // One statement, so that its numbers belong together.
    prepare(
        stats_,
        "SELECT (SELECT value FROM counter WHERE name = 'pending'), (SELECT value FROM counter WHERE name = 'dead'), "
        "(SELECT COUNT(*) FROM event WHERE state = 0 AND due_ms > ?1 AND lease <> 0), "
        "(SELECT MIN(stored_ms) FROM event WHERE state < 2)");
    prepare(
        dead_letters_,
        "SELECT id, attempts, why, stored_ms, settled_ms, source, type, corp_id, dedup_key, ordering_key, born_ms, '' "
        "FROM event WHERE state = 2 AND id > ?1 AND (?2 = '' OR type = ?2) AND (?3 = '' OR corp_id = ?3) "
        "ORDER BY id LIMIT ?4");
    prepare(dead_letter_,
            "SELECT id, attempts, why, stored_ms, settled_ms, source, type, corp_id, dedup_key, ordering_key, born_ms, "
            "body FROM event WHERE state = 2 AND id = ?1");
    prepare(latest_, "SELECT source, type, corp_id, dedup_key, ordering_key, born_ms, body FROM latest WHERE key = ?1");
    return error;
  }

  Result<InboxStats> stats(std::int64_t now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Ended ended{stats_};
    const int code = stats_.bind(now).step();
    if (code != SQLITE_ROW) return connection_.error(code);
    InboxStats stats;
    stats.pending = static_cast<std::uint64_t>(stats_.number(0));
    stats.dead = static_cast<std::uint64_t>(stats_.number(1));
    stats.claimed = static_cast<std::uint64_t>(stats_.number(2));
    stats.oldest_ms = stats_.optional(3);
    return stats;
  }

  Result<std::vector<DeadLetter>> dead_letters(const DeadQuery& query) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Ended ended{dead_letters_};
    std::vector<DeadLetter> letters;
    const std::int64_t after = SqliteWriter::to_number(query.after).value_or(0);
    const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(query.limit, INT32_MAX));
    int code = dead_letters_.bind(after, query.type, query.corp_id, limit).step();
    for (; code == SQLITE_ROW; code = dead_letters_.step()) letters.push_back(letter(dead_letters_));
    if (code != SQLITE_DONE) return connection_.error(code);
    return letters;
  }

  Result<std::optional<DeadLetter>> dead_letter(std::string_view id) {
    const std::optional<std::int64_t> number = SqliteWriter::to_number(id);
    if (!number) return std::optional<DeadLetter>();
    const std::lock_guard<std::mutex> lock(mutex_);
    const Ended ended{dead_letter_};
    const int code = dead_letter_.bind(*number).step();
    if (code == SQLITE_DONE) return std::optional<DeadLetter>();
    if (code != SQLITE_ROW) return connection_.error(code);
    return std::optional<DeadLetter>(letter(dead_letter_));
  }

  Result<std::optional<StoredEvent>> latest(std::string_view key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Ended ended{latest_};
    const int code = latest_.bind(key).step();
    if (code == SQLITE_DONE) return std::optional<StoredEvent>();
    if (code != SQLITE_ROW) return connection_.error(code);
    StoredEvent event = SqliteWriter::stored_event(latest_, 0);
    event.latest_key = key;
    return std::optional<StoredEvent>(std::move(event));
  }

 private:
  /// Ends the reading, without which the log could not be cut.
  struct Ended {
    SqliteStatement& statement;
    ~Ended() { statement.reset(); }
  };

  static DeadLetter letter(const SqliteStatement& row) {
    DeadLetter letter;
    letter.id = std::to_string(row.number(0));
    letter.attempts = static_cast<std::uint32_t>(row.number(1));
    letter.why = row.text(2);
    letter.stored_ms = row.number(3);
    letter.buried_ms = row.number(4);
    letter.event = SqliteWriter::stored_event(row, 5);
    return letter;
  }

  std::mutex mutex_;
  SqliteConnection connection_;
  SqliteStatement stats_, dead_letters_, dead_letter_, latest_;
};

/// The queue between the callers and the writer, and the two threads that work it off: one commits, the other calls
/// whoever waits for a put without holding a thread, so that what they do does not hold up the next commit.
class SqliteQueue {
 public:
  SqliteQueue(SqliteInboxOptions options, Function<void()> arrived)
      : max_events_(options.max_queued),
        max_size_(options.max_queued_size),
        writer_(std::move(options)),
        arrived_(std::move(arrived)) {}

  SqliteWriter& writer() noexcept { return writer_; }

  /// @return false where there is no room; the task is then left alone.
  bool push(std::unique_ptr<SqliteTask>& task) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool room = task->events == 0 || queued_events_ == 0 ||
                      (queued_events_ + task->events <= max_events_ && queued_size_ + task->size <= max_size_);
    if (!room) return false;
    queued_events_ += task->events;
    queued_size_ += task->size;
    tasks_.push_back(std::move(task));
    changed_.notify_one();
    return true;
  }

  void close() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  void write() noexcept {
    std::vector<std::unique_ptr<SqliteTask>> batch;
    batch.reserve(kMaxBatch);
    for (;;) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
        if (tasks_.empty()) break;
        std::size_t events = 0;
        do {
          events += std::max<std::size_t>(1, tasks_.front()->events);
          batch.push_back(std::move(tasks_.front()));
          tasks_.pop_front();
        } while (!tasks_.empty() && events + std::max<std::size_t>(1, tasks_.front()->events) <= kMaxBatch);
      }
      finish(batch, writer_.run(batch));
      batch.clear();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    written_ = true;
    told_changed_.notify_one();
  }

  void tell_all() noexcept {
    for (;;) {
      std::unique_ptr<SqliteTask> task;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        told_changed_.wait(lock, [this] { return written_ || to_tell_ != nullptr; });
        if (to_tell_ == nullptr) return;
        task = std::move(to_tell_);
        to_tell_ = std::move(task->next);
        if (to_tell_ == nullptr) last_to_tell_ = nullptr;
      }
      task->finish(task->outcome);
    }
  }

 private:
  /// Most events of a transaction: enough to share a sync, few enough not to hold up those behind.
  static constexpr std::size_t kMaxBatch = 512;

  void finish(std::vector<std::unique_ptr<SqliteTask>>& batch, const Error& error) noexcept {
    bool put = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (std::unique_ptr<SqliteTask>& task : batch) {
        queued_events_ -= task->events;
        queued_size_ -= task->size;
        put = put || task->events > 0;
        if (!task->calls_host) continue;
        task->outcome = error;
        std::unique_ptr<SqliteTask>& end = last_to_tell_ == nullptr ? to_tell_ : last_to_tell_->next;
        last_to_tell_ = task.get();
        end = std::move(task);
      }
      told_changed_.notify_one();
    }
    for (const std::unique_ptr<SqliteTask>& task : batch) {
      if (task != nullptr) task->finish(error);
    }
    if (put && error.code == Errc{}) tell(arrived_);
  }

  const std::size_t max_events_;
  const std::size_t max_size_;
  SqliteWriter writer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable told_changed_;
  std::deque<std::unique_ptr<SqliteTask>> tasks_;
  std::unique_ptr<SqliteTask> to_tell_;  // a list, because making it longer must not fail
  SqliteTask* last_to_tell_ = nullptr;
  std::size_t queued_events_ = 0;
  std::size_t queued_size_ = 0;
  const Function<void()> arrived_;
  bool closed_ = false;
  bool written_ = false;
};

class SqliteInbox final : public Inbox {
 public:
  static Result<std::shared_ptr<Inbox>> open(const std::string& path, const SqliteInboxOptions& options) {
    const auto inbox = std::make_shared<SqliteInbox>(options);
    Error error = inbox->queue_->writer().open(path);
    if (error.code == Errc{}) error = inbox->reader_.open(path, options.lock_timeout);
    if (error.code != Errc{}) return error;
    inbox->start();
    return std::shared_ptr<Inbox>(inbox);
  }

  explicit SqliteInbox(const SqliteInboxOptions& options)
      : queue_(std::make_shared<SqliteQueue>(options, [this] { arrived(); })) {}

  /// Commits what waits. Whoever waits for a put may be the last to hold the inbox, so that this may be the thread that
  /// tells them.
  ~SqliteInbox() override {
    queue_->close();
    if (writer_.joinable()) writer_.join();
    if (!teller_.joinable()) return;
    if (teller_.get_id() == std::this_thread::get_id()) {
      teller_.detach();
    } else {
      teller_.join();
    }
  }

  Result<PutCount> put(const std::vector<StoredEvent>& events) override {
    if (events.empty()) return PutCount{};
    if (Error error = queue_->writer().unfit(events); error.code != Errc{}) return error;
    PutCount count;
    Error refusal;
    Error error = change([&](SqliteWriter& writer) { return writer.put(events, count, refusal); }, &events);
    if (error.code == Errc{}) error = refusal;
    if (error.code != Errc{}) return error;
    return count;
  }

  void put_later(std::vector<StoredEvent> events, PutDone done) override {
    Error error = events.empty() ? Error{} : queue_->writer().unfit(events);
    if (events.empty() || error.code != Errc{}) {
      return tell(done, events.empty() ? Result<PutCount>(PutCount{}) : Result<PutCount>(std::move(error)));
    }
    auto put = std::make_unique<Put>(std::move(events), done);
    measure(*put, put->stored);
    std::unique_ptr<SqliteTask> task = std::move(put);
    if (!queue_->push(task)) tell(done, Result<PutCount>(no_room()));
  }

  Result<std::vector<ClaimedEvent>> claim(std::size_t limit, Milliseconds lease) override {
    std::vector<ClaimedEvent> claimed;
    Error error = change([&](SqliteWriter& writer) { return writer.claim(limit, lease, claimed); });
    if (error.code != Errc{}) return error;
    return claimed;
  }

  Result<std::vector<std::size_t>> settle(const std::vector<Settlement>& settlements) override {
    std::vector<std::size_t> lost;
    Error error = change([&](SqliteWriter& writer) { return writer.settle(settlements, lost); });
    if (error.code != Errc{}) return error;
    return lost;
  }

  Result<InboxStats> stats() override { return reader_.stats(queue_->writer().now_ms()); }

  Result<std::vector<DeadLetter>> dead_letters(const DeadQuery& query) override { return reader_.dead_letters(query); }
  Result<std::optional<DeadLetter>> dead_letter(std::string_view id) override { return reader_.dead_letter(id); }

  Result<std::size_t> requeue(const std::vector<std::string>& ids) override {
    std::size_t count = 0;
    Error error = change([&](SqliteWriter& writer) { return writer.requeue(ids, count); });
    if (error.code != Errc{}) return error;
    arrived();
    return count;
  }
  Result<std::size_t> purge(const std::vector<std::string>& ids) override {
    std::size_t count = 0;
    Error error = change([&](SqliteWriter& writer) { return writer.purge(ids, count); });
    if (error.code != Errc{}) return error;
    return count;
  }
  Result<std::size_t> clean(const Retention& retention) override {
    std::size_t count = 0;
    Error error = change([&](SqliteWriter& writer) { return writer.clean(retention, count); });
    if (error.code != Errc{}) return error;
    return count;
  }

  Result<std::optional<StoredEvent>> latest(std::string_view key) override { return reader_.latest(key); }

 private:
  /// A put that nobody waits for with a thread.
  struct Put final : SqliteTask {
    Put(std::vector<StoredEvent> to_store, PutDone to_call) : stored(std::move(to_store)), done(std::move(to_call)) {
      calls_host = true;
    }
    Error run(SqliteWriter& writer) override { return writer.put(stored, count, refusal); }
    void finish(const Error& error) noexcept override {
      if (error.code != Errc{}) return tell(done, Result<PutCount>(error));
      if (refusal.code != Errc{}) return tell(done, Result<PutCount>(refusal));
      tell(done, Result<PutCount>(count));
    }
    const std::vector<StoredEvent> stored;
    const PutDone done;
    PutCount count;
    Error refusal;
  };

  /// What a waiting thread and its task share.
  struct Wait {
    std::mutex mutex;
    std::condition_variable changed;
    bool over = false;
    Error error;
  };
  template <class Run>
  struct Call final : SqliteTask {
    Call(Run& to_run, std::shared_ptr<Wait> to_end) : run_it(to_run), wait(std::move(to_end)) {}
    Error run(SqliteWriter& writer) override { return run_it(writer); }
    void finish(const Error& error) noexcept override {
      const std::lock_guard<std::mutex> lock(wait->mutex);
      wait->over = true;
      wait->error = error;
      wait->changed.notify_one();
    }
    Run& run_it;
    const std::shared_ptr<Wait> wait;
  };

  static Error no_room() noexcept {
    return literal_error(Errc::inbox_full, "more events than max_queued wait for their commit");
  }

  static void measure(SqliteTask& task, const std::vector<StoredEvent>& events) noexcept {
    task.events = events.size();
    for (const StoredEvent& event : events) task.size += event.body.size();
  }

  /// Has the writer run it, and waits.
  template <class Run>
  Error change(Run run, const std::vector<StoredEvent>* events = nullptr) {
    const auto wait = std::make_shared<Wait>();
    std::unique_ptr<SqliteTask> task = std::make_unique<Call<Run>>(run, wait);
    if (events != nullptr) measure(*task, *events);
    if (!queue_->push(task)) return no_room();
    std::unique_lock<std::mutex> lock(wait->mutex);
    wait->changed.wait(lock, [&] { return wait->over; });
    return wait->error;
  }

  void start() {
    writer_ = std::thread([queue = queue_] { queue->write(); });
    teller_ = std::thread([queue = queue_] { queue->tell_all(); });
  }

  const std::shared_ptr<SqliteQueue> queue_;
  SqliteReader reader_;
  std::thread writer_;
  std::thread teller_;
};

}  // namespace detail

DINGCB_INLINE Result<std::shared_ptr<Inbox>> open_sqlite_inbox(std::string_view path, SqliteInboxOptions options) {
  return detail::SqliteInbox::open(std::string(path), options);
}

DINGCB_NAMESPACE_END
