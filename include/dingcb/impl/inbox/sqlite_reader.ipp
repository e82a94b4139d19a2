// What looks at an inbox in SQLite, beside the writer.
#pragma once

#include <dingcb/impl/inbox/sqlite_writer.ipp>

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

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
    const std::optional<std::int64_t> after = SqliteWriter::to_number(query.after.empty() ? "0" : query.after);
    if (!after) return fail(Errc::inbox_failed, "DeadQuery::after is no id of this inbox");
    const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(query.limit, INT32_MAX));
    int code = dead_letters_.bind(*after, query.type, query.corp_id, limit).step();
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

}  // namespace detail
DINGCB_NAMESPACE_END
