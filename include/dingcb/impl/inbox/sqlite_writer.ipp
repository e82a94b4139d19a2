// What changes an inbox in SQLite: one connection, and the tasks that share its transactions.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/inbox/sqlite_schema.ipp>
#include <dingcb/inbox/sqlite.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

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
      if (event.dedup_key.empty()) return fail(Errc::inbox_failed, "an event has no dedup_key");
      if (event.body.size() > kMaxBody) return fail(Errc::inbox_full, "an event is larger than SQLite can store");
    }
    return Error{};
  }

  // --- what tasks do ---

  /// @param refusal why the events were not put, though the file is well.
  Error put(const std::vector<StoredEvent>& events, PutCount& result, Error& refusal) {
    result = PutCount{};
    refusal = Error{};
    refusal = room_for(events);
    if (refusal.code != Errc{}) {
      // What is stored already is repeated by DingTalk until it is answered with success, also while there is no room.
      for (const StoredEvent& event : events) {
        const int known = known_.bind(event.dedup_key).step();
        known_.reset();
        if (known == SQLITE_DONE) return Error{};
        if (known != SQLITE_ROW) return connection_.error(known);
      }
      refusal = Error{};
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
    prepare(known_, "SELECT 1 FROM event WHERE dedup_key = ?1");
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

  /// @return inbox_full where the inbox may not have so many more.
  Error room_for(const std::vector<StoredEvent>& events) noexcept {
    const auto limit = static_cast<std::int64_t>(std::min<std::uint64_t>(options_.max_pending, INT64_MAX));
    if (pending_ + pending_change_ + static_cast<std::int64_t>(events.size()) > limit) {
      return fail(Errc::inbox_full, "the inbox has max_pending events that are not handled yet");
    }
    if (options_.max_size == 0) return Error{};
    std::uint64_t used = used_;
    for (const StoredEvent& event : events) used += event.body.size();
    if (used > options_.max_size) return fail(Errc::inbox_full, "the file of the inbox has reached max_size");
    used_ = used;
    return Error{};
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
  SqliteStatement put_, known_, twin_, put_latest_, due_, lease_, held_, done_, bury_, delay_, give_back_, extend_,
      promote_;
  SqliteStatement requeue_, purge_, clean_done_, clean_dead_;
  std::int64_t page_size_ = 4096;
  std::uint64_t used_ = 0;           // bytes of the file, where there is a limit
  std::int64_t pending_ = 0;         // when the transaction began
  std::int64_t pending_change_ = 0;  // by it
  std::int64_t dead_change_ = 0;
};

}  // namespace detail
DINGCB_NAMESPACE_END
