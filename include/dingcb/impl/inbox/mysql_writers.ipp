// How an inbox over MySQL stores what is put.
#pragma once

#include <dingcb/impl/inbox/mysql_connection.ipp>
#include <dingcb/impl/inbox/mysql_pool.ipp>
#include <dingcb/impl/inbox/mysql_put_queue.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

inline std::string digest(const std::string& literal) { return "UNHEX(SHA2(" + literal + ",256))"; }
inline std::string digest_or_null(const std::string& key, const Connection& connection) {
  return key.empty() ? std::string("NULL") : digest(connection.quote(key));
}

// Columns of a StoredEvent, in the order in which columns_of() writes and event_at() reads them.
inline constexpr std::string_view kColumns = "born_ms,source,type,corp_id,dedup_key,ordering_key,latest_key,body";
inline constexpr std::string_view kColumnsWithoutBody =
    "born_ms,source,type,corp_id,dedup_key,ordering_key,latest_key,''";
inline constexpr std::size_t kColumnCount = 8;

inline std::string columns_of(const StoredEvent& event, const Connection& connection) {
  std::string text = event.born_ms ? std::to_string(*event.born_ms) : "NULL";
  text += ',' + std::to_string(static_cast<int>(event.source));
  for (const std::string* const column :
       {&event.type, &event.corp_id, &event.dedup_key, &event.ordering_key, &event.latest_key, &event.body}) {
    text += ',' + connection.quote(*column);
  }
  return text;
}

inline StoredEvent event_at(Row& row, std::size_t first) {
  StoredEvent event;
  if (row[first]) event.born_ms = int_at(row, first);
  event.source = static_cast<Source>(int_at(row, first + 1));
  std::size_t column = first + 2;
  for (std::string* const text :
       {&event.type, &event.corp_id, &event.dedup_key, &event.ordering_key, &event.latest_key, &event.body}) {
    if (row[column]) *text = *std::move(row[column]);
    ++column;
  }
  return event;
}

/// Gives a number as SQL writes it; nothing where the text is no id of ours.
inline std::optional<std::uint64_t> number_of(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

template <class Numbers>
inline std::string list_of(const Numbers& numbers) {
  std::string text = "(";
  for (const auto number : numbers) text += std::to_string(number) + ',';
  text.back() = ')';
  return text;
}

inline std::uint64_t fresh_token() {
  std::random_device device;
  return ((std::uint64_t{device()} << 32U) | device()) | 1U;  // 0 is no claim
}

/// The puts of a MysqlInbox.
class Writers final : public PutQueue {
 public:
  explicit Writers(const MysqlInboxOptions& options)
      : PutQueue(options.server, options.max_queued, options.max_queued_size),
        options_(options),
        table_(options_.prefix + "inbox"),
        latest_(options_.prefix + "latest"),
        pool_(options_.server, options_.server.put_connections, options_.server.put_timeout) {}

 private:
  std::string now() const { return now_by(options_.clock); }

  void store(Job* first, Job* last) override {
    std::size_t events = 0;
    for (const Job* job = first; job != last; ++job) events += job->events.size();
    const Result<bool> room = has_room(events);
    bool refused = false;
    if (!room && room.error().code == Errc::inbox_full) {
      for (Job* job = first; job != last; ++job) answer(*job, repeats(*job, room.error()));
      return;
    }
    const Result<Counts> counts = room ? commit(first, last, refused) : Result<Counts>(room.error());
    if (counts || !refused || last - first == 1) return tell(first, last, counts);
    // It is the fault of one of them; the others must not suffer for it.
    for (Job* job = first; job != last; ++job) tell(job, job + 1, commit(job, job + 1, refused));
  }

  /// Gives what to answer where there is no room: what is stored already is repeated by DingTalk until it is answered
  /// with success.
  Result<PutCount> repeats(const Job& job, const Error& no_room) {
    return pool_.transact<PutCount>("look for events", [&](Connection& connection) -> Result<PutCount> {
      PutCount count;
      for (const StoredEvent& event : job.events) {
        Answer known;
        if (!connection.run("SELECT 1 FROM " + table_ + " WHERE dedup = " + digest(connection.quote(event.dedup_key)),
                            known)) {
          return failed();
        }
        if (known.rows.empty()) return no_room;
        ++count.duplicates;
      }
      return count;
    });
  }

  /// @param refused whether it failed for what one of the jobs brought.
  Result<Counts> commit(const Job* first, const Job* last, bool& refused) {
    auto counts = pool_.transact<Counts>("store events", [&](Connection& connection) -> Result<Counts> {
      Result<Counts> stored = store_quickly(first, last, connection);
      if (stored && stored->empty()) stored = store_each(first, last, connection);
      const Failure& failure = connection.failure();
      refused = !stored && !failure.lost() && !failure.again();
      return stored;
    });
    if (!counts) return counts;
    for (const PutCount& count : *counts) guessed_.fetch_add(count.stored, std::memory_order_relaxed);
    return counts;
  }

  /// Stores all in one statement, if they are plain and new: who has a duplicate cannot be told then.
  /// @return none where they are not.
  Result<Counts> store_quickly(const Job* first, const Job* last, Connection& connection) {
    Counts counts;
    std::string values;
    std::size_t total = 0;
    for (const Job* job = first; job != last; ++job) {
      for (const StoredEvent& event : job->events) {
        if (!is_plain(event)) return Counts();
        values += (total == 0 ? "" : ",") + values_of(event, connection);
        ++total;
      }
      if (values.size() > statement_size(connection)) return Counts();
      counts.push_back({job->events.size(), 0});
    }
    if (total == 0) return counts;
    Answer answer;
    if (!connection.run(insert_of(values), answer)) return failed();
    if (answer.affected == total) return counts;
    if (!connection.run("ROLLBACK") || !connection.run("START TRANSACTION")) return failed();
    return Counts();
  }

  Result<Counts> store_each(const Job* first, const Job* last, Connection& connection) {
    Counts counts;
    for (const Job* job = first; job != last; ++job) {
      PutCount& count = counts.emplace_back();
      for (std::size_t next = 0; next < job->events.size();) {
        if (is_plain(job->events[next])) {
          std::string values;
          const std::size_t start = next;
          do {
            values += (next == start ? "" : ",") + values_of(job->events[next], connection);
            ++next;
          } while (next < job->events.size() && is_plain(job->events[next]) &&
                   values.size() + 2 * job->events[next].body.size() < statement_size(connection));
          Answer answer;
          if (!run_insert(values, connection, answer)) return failed_insert(connection);
          count.stored += static_cast<std::size_t>(answer.affected);
          count.duplicates += next - start - static_cast<std::size_t>(answer.affected);
          continue;
        }
        const StoredEvent& event = job->events[next++];
        if (event.source == Source::failed_list && !event.twin_key.empty()) {
          Answer twins;
          if (!connection.run("SELECT 1 FROM " + table_ + " WHERE twin = " + digest(connection.quote(event.twin_key)) +
                                  " AND source <> " + std::to_string(static_cast<int>(Source::failed_list)) +
                                  " LIMIT 1",
                              twins)) {
            return failed();
          }
          if (!twins.rows.empty()) {
            ++count.duplicates;
            continue;
          }
        }
        Answer answer;
        if (!run_insert(values_of(event, connection), connection, answer)) return failed_insert(connection);
        (answer.affected == 0 ? count.duplicates : count.stored) += 1;
        const bool newest = answer.affected != 0 && !event.latest_key.empty();
        if (newest && !keep_latest(connection, event)) return failed();
      }
    }
    return counts;
  }

  /// Whether it can be stored together with others. What is the newest of its state, or may have a twin, needs to know
  /// by itself whether it is a duplicate.
  static bool is_plain(const StoredEvent& event) noexcept {
    return event.latest_key.empty() && (event.source != Source::failed_list || event.twin_key.empty());
  }

  static std::size_t statement_size(const Connection& connection) noexcept {
    return std::min(kStatementSize, static_cast<std::size_t>(connection.max_packet() / 2));
  }

  std::string values_of(const StoredEvent& event, const Connection& connection) const {
    return '(' + digest(connection.quote(event.dedup_key)) + ',' + digest_or_null(event.ordering_key, connection) +
           ',' + digest_or_null(event.twin_key, connection) + ",0," + now() + ',' + now() + ",''," +
           columns_of(event, connection) + ')';
  }

  std::string insert_of(const std::string& values) const {
    return "INSERT INTO " + table_ + " (dedup,lane,twin,state,due,stored_ms,why," + std::string(kColumns) +
           ") VALUES " + values + " ON DUPLICATE KEY UPDATE id = id";
  }

  bool run_insert(const std::string& values, Connection& connection, Answer& answer) const {
    const std::string statement = insert_of(values);
    return statement.size() <= connection.max_packet() && connection.run(statement, answer);
  }
  /// The server hangs up on a packet that is too large, so that it is not even sent.
  static Error failed_insert(const Connection& connection) {
    if (connection.failure().number != 0) return failed();
    return {Errc::inbox_failed,
            Message("an event is larger than the server's max_allowed_packet, " +
                    std::to_string(connection.max_packet()) + " bytes"),
            nullptr};
  }

  bool keep_latest(Connection& connection, const StoredEvent& event) const {
    static constexpr std::string_view kNewer =
        "(born_ms IS NULL OR VALUES(born_ms) IS NULL OR VALUES(born_ms) >= born_ms)";
    std::string statement = "INSERT INTO " + latest_ + " (name," + std::string(kColumns) + ") VALUES (" +
                            digest(connection.quote(event.latest_key)) + ',' + columns_of(event, connection) +
                            ") ON DUPLICATE KEY UPDATE ";
    // born_ms last: the conditions before it must see the old one.
    for (const std::string_view column :
         {"source", "type", "corp_id", "dedup_key", "ordering_key", "latest_key", "body", "born_ms"}) {
      if (column != "source") statement += ',';
      statement += std::string(column) + " = IF(" + std::string(kNewer) + ",VALUES(" + std::string(column) + ")," +
                   std::string(column) + ')';
    }
    return connection.run(statement);
  }

  /// Counts once a second, in the thread of whoever comes first then; less often where a long backlog takes its time.
  Result<bool> has_room(std::size_t more) {
    std::unique_lock<std::mutex> lock(counting_, std::try_to_lock);
    const auto now = std::chrono::steady_clock::now();
    if (lock && now >= count_at_) {
      const auto answer =
          pool_.run("count its events", "SELECT COUNT(*) FROM (SELECT 1 FROM " + table_ + " WHERE state = 0 LIMIT " +
                                            std::to_string(options_.max_pending) + ") some");
      if (!answer) return answer.error();
      guessed_.store(static_cast<std::uint64_t>(int_at(answer->rows.front(), 0)), std::memory_order_relaxed);
      const std::chrono::steady_clock::duration took = std::chrono::steady_clock::now() - now;
      count_at_ = now + std::max<std::chrono::steady_clock::duration>(std::chrono::seconds(1), 20 * took);
    }
    if (guessed_.load(std::memory_order_relaxed) + more > options_.max_pending) {
      return Error{Errc::inbox_full,
                   Message("the inbox has " + std::to_string(options_.max_pending) +
                           " pending events, as many as MysqlInboxOptions::max_pending allows"),
                   nullptr};
    }
    return true;
  }

  const MysqlInboxOptions options_;
  const std::string table_;
  const std::string latest_;
  Pool pool_;

  std::mutex counting_;
  std::chrono::steady_clock::time_point count_at_{};
  std::atomic<std::uint64_t> guessed_{0};  // pending events: counted, and those that were put since
};

}  // namespace mysql
}  // namespace detail
DINGCB_NAMESPACE_END
