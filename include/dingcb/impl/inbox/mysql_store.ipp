// The inbox over MySQL and MariaDB.
//
// One table holds everything. An event is open (0), done (1) or a dead letter (2). `due` says from when an open event
// may be claimed, and a claim moves it to the end of its lease: what was delayed and what was claimed by a process that
// died comes back in the same way. `token` is what its last claim, if any, can be told from all others by.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/inbox/mysql_connection.ipp>
#include <dingcb/impl/inbox/mysql_pool.ipp>
#include <dingcb/impl/inbox/mysql_schema.ipp>
#include <dingcb/impl/inbox/mysql_writers.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

class MysqlInbox final : public Inbox {
 public:
  explicit MysqlInbox(MysqlInboxOptions options)
      : options_(std::move(options)),
        table_(options_.prefix + "inbox"),
        latest_(options_.prefix + "latest"),
        writers_(std::make_shared<Writers>(options_)),
        work_(options_.server, options_.server.work_connections, options_.server.work_timeout) {}
  ~MysqlInbox() override { writers_->stop(); }

  void listen() {
    writers_->start([this] { arrived(); });
  }

  Result<int> check_schema() {
    const auto answer =
        work_.run("read the version of its tables", "SELECT version FROM " + options_.prefix + "schema WHERE one = 1");
    if (!answer) return answer.error();
    Result<int> version = known_version(*answer, kVersion);
    if (version && *version < kVersion) {
      return fail(Errc::inbox_schema, "the tables have version " + std::to_string(*version) + ", this release needs " +
                                          std::to_string(kVersion) + "; run setup_mysql_inbox()");
    }
    return version;
  }

  Result<PutCount> put(const std::vector<StoredEvent>& events) override { return writers_->put(events); }
  void put_later(std::vector<StoredEvent> events, PutDone done) override {
    writers_->put_later(std::move(events), done);
  }

  Result<std::vector<ClaimedEvent>> claim(std::size_t limit, Milliseconds lease) override {
    std::vector<ClaimedEvent> claimed;
    if (limit == 0) return claimed;
    const std::uint64_t token = fresh_token();
    std::vector<std::uint64_t> ids;
    {
      auto found = find_due(limit, token, lease);
      if (!found) return found.error();
      ids = *std::move(found);
    }
    if (ids.empty()) return claimed;
    // An event whose number is lower may have been committed later, after a younger one of its key was found to be the
    // oldest. Two claims that meet like this see each other here at the latest, since each looks after its own commit;
    // whoever sees the other steps back.
    auto answer = work_.run(
        "read what was claimed",
        "SELECT i.id,i.attempts,i.stored_ms,EXISTS(SELECT 1 FROM " + table_ +
            " o WHERE o.lane = i.lane AND o.state = 0 AND o.id <> i.id AND o.token <> 0 AND o.due > " + now() + ")," +
            prefixed_columns() + " FROM " + table_ + " i FORCE INDEX (PRIMARY) WHERE i.id IN " + list_of(ids) +
            " AND i.token = " + std::to_string(token) + " AND i.state = 0 ORDER BY i.id");
    if (!answer) return answer.error();
    std::vector<Settlement> step_back;
    for (Row& row : answer->rows) {
      ClaimedEvent event;
      event.id = text_at(row, 0);
      event.lease = std::to_string(token);
      if (int_at(row, 3) != 0) {
        step_back.push_back({event.id, event.lease, Fate::give_back});
        continue;
      }
      event.attempt = static_cast<std::uint32_t>(int_at(row, 1));
      event.stored_ms = int_at(row, 2);
      event.event = event_at(row, 4);
      claimed.push_back(std::move(event));
    }
    if (!step_back.empty()) static_cast<void>(settle(step_back));  // else the lease ends by itself
    return claimed;
  }

  Result<std::vector<std::size_t>> settle(const std::vector<Settlement>& settlements) override {
    if (settlements.empty()) return std::vector<std::size_t>{};
    return work_.transact<std::vector<std::size_t>>(
        "settle events", [&](Connection& connection) -> Result<std::vector<std::size_t>> {
          std::vector<std::uint64_t> ids;
          for (const Settlement& settlement : settlements) {
            if (const auto id = number_of(settlement.id)) ids.push_back(*id);
          }
          std::map<std::uint64_t, std::uint64_t> tokens;
          Answer answer;
          if (!ids.empty()) {
            std::sort(ids.begin(), ids.end());
            if (!connection.run("SELECT id,token FROM " + table_ + " FORCE INDEX (PRIMARY) WHERE id IN " +
                                    list_of(ids) + " AND state = 0 AND token <> 0 ORDER BY id FOR UPDATE",
                                answer)) {
              return failed();
            }
          }
          for (const Row& row : answer.rows) {
            tokens[number_of(text_at(row, 0)).value_or(0)] = number_of(text_at(row, 1)).value_or(0);
          }
          std::vector<std::size_t> lost;
          std::vector<std::uint64_t> done;
          for (std::size_t i = 0; i < settlements.size(); ++i) {
            const Settlement& settlement = settlements[i];
            const auto id = number_of(settlement.id);
            const auto held = id ? tokens.find(*id) : tokens.end();
            if (held == tokens.end() || number_of(settlement.lease) != held->second) {
              lost.push_back(i);
              continue;
            }
            if (settlement.fate != Fate::extend) tokens.erase(held);  // a claim is settled once
            if (settlement.fate == Fate::done) {
              done.push_back(*id);
            } else if (!connection.run("UPDATE " + table_ + " FORCE INDEX (PRIMARY) SET " +
                                       change_of(settlement, connection) + " WHERE id = " + settlement.id)) {
              return failed();
            }
          }
          if (!done.empty() &&
              !connection.run("UPDATE " + table_ + " FORCE INDEX (PRIMARY) SET state = 1, token = 0, body = '', " +
                              "ended_ms = " + now() + " WHERE id IN " + list_of(done))) {
            return failed();
          }
          return lost;
        });
  }

  Result<InboxStats> stats() override {
    auto answer =
        work_.run("count its events",
                  "SELECT (SELECT COUNT(*) FROM " + table_ + " WHERE state = 0), (SELECT COUNT(*) FROM " + table_ +
                      " WHERE state = 0 AND token <> 0 AND due > " + now() + "), (SELECT COUNT(*) FROM " + table_ +
                      " WHERE state = 2), (SELECT MIN(stored_ms) FROM " + table_ + " WHERE state = 0)");
    if (!answer) return answer.error();
    const Row& row = answer->rows.front();
    InboxStats stats;
    stats.pending = static_cast<std::uint64_t>(int_at(row, 0));
    stats.claimed = static_cast<std::uint64_t>(int_at(row, 1));
    stats.dead = static_cast<std::uint64_t>(int_at(row, 2));
    if (row[3]) stats.oldest_ms = int_at(row, 3);
    return stats;
  }

  Result<std::vector<DeadLetter>> dead_letters(const DeadQuery& query) override {
    std::vector<DeadLetter> letters;
    const auto after = number_of(query.after.empty() ? "0" : query.after);
    if (!after) return fail(Errc::inbox_failed, "DeadQuery::after is no id of this inbox");
    return work_.transact<std::vector<DeadLetter>>(
        "list its dead letters", [&](Connection& connection) -> Result<std::vector<DeadLetter>> {
          std::string statement = "SELECT id,attempts,why,stored_ms,ended_ms," + std::string(kColumnsWithoutBody) +
                                  " FROM " + table_ + " WHERE state = 2 AND id > " + std::to_string(*after);
          if (!query.type.empty()) statement += " AND type = " + connection.quote(query.type);
          if (!query.corp_id.empty()) statement += " AND corp_id = " + connection.quote(query.corp_id);
          statement += " ORDER BY id LIMIT " + std::to_string(query.limit);
          Answer answer;
          if (!connection.run(statement, answer)) return failed();
          for (Row& row : answer.rows) letters.push_back(letter_at(row));
          return std::move(letters);
        });
  }

  Result<std::optional<DeadLetter>> dead_letter(std::string_view id) override {
    const auto number = number_of(id);
    if (!number) return std::optional<DeadLetter>();
    auto answer =
        work_.run("read a dead letter", "SELECT id,attempts,why,stored_ms,ended_ms," + std::string(kColumns) +
                                            " FROM " + table_ + " WHERE state = 2 AND id = " + std::to_string(*number));
    if (!answer) return answer.error();
    if (answer->rows.empty()) return std::optional<DeadLetter>();
    return std::optional<DeadLetter>(letter_at(answer->rows.front()));
  }

  Result<std::size_t> requeue(const std::vector<std::string>& ids) override {
    auto count = change_dead("requeue dead letters", ids,
                             "state = 0, token = 0, attempts = 0, why = '', ended_ms = 0, due = " + now());
    if (count && *count != 0) arrived();
    return count;
  }

  Result<std::size_t> purge(const std::vector<std::string>& ids) override {
    return change_dead("purge dead letters", ids, "state = 1, body = '', why = '', ended_ms = " + now());
  }

  Result<std::size_t> clean(const Retention& retention) override {
    std::size_t count = 0;
    for (const auto& [state, kept] : {std::pair(1, retention.done), std::pair(2, retention.dead)}) {
      if (state == 2 && kept.count() <= 0) continue;
      const auto answer =
          work_.run("forget what is done", "DELETE FROM " + table_ + " WHERE state = " + std::to_string(state) +
                                               " AND ended_ms < " + now() + " - " + std::to_string(kept.count()) +
                                               " ORDER BY ended_ms LIMIT " + std::to_string(kCleanAtOnce));
      if (!answer) return answer.error();
      count += static_cast<std::size_t>(answer->affected);
    }
    return count;
  }

  Result<std::optional<StoredEvent>> latest(std::string_view key) override {
    return work_.transact<std::optional<StoredEvent>>(
        "read the latest state", [&](Connection& connection) -> Result<std::optional<StoredEvent>> {
          Answer answer;
          if (!connection.run("SELECT " + std::string(kColumns) + " FROM " + latest_ +
                                  " WHERE name = " + digest(connection.quote(key)),
                              answer)) {
            return failed();
          }
          if (answer.rows.empty()) return std::optional<StoredEvent>();
          return std::optional<StoredEvent>(event_at(answer.rows.front(), 0));
        });
  }

 private:
  static constexpr std::size_t kCleanAtOnce = 1000;

  std::string now() const { return now_by(options_.clock); }

  static std::string prefixed_columns() {
    std::string text = "i.";
    for (const char c : kColumns) {
      text += c;
      if (c == ',') text += "i.";
    }
    return text;
  }

  static DeadLetter letter_at(Row& row) {
    DeadLetter letter;
    letter.id = text_at(row, 0);
    letter.attempts = static_cast<std::uint32_t>(int_at(row, 1));
    letter.why = text_at(row, 2);
    letter.stored_ms = int_at(row, 3);
    letter.buried_ms = int_at(row, 4);
    letter.event = event_at(row, 5);
    return letter;
  }

  std::string change_of(const Settlement& settlement, const Connection& connection) const {
    const std::string now = this->now();
    const std::string later = now + " + " + std::to_string(std::max<std::int64_t>(settlement.delay.count(), 0));
    const std::string why = connection.quote(std::string_view(settlement.why).substr(0, kWhySize));
    switch (settlement.fate) {
      case Fate::delay: return "token = 0, due = " + later + ", why = " + why;
      case Fate::bury: return "state = 2, token = 0, ended_ms = " + now + ", why = " + why;
      case Fate::give_back: return "token = 0, attempts = attempts - 1, due = " + now;
      case Fate::extend: return "due = " + later;
      case Fate::done: break;
    }
    return "state = 1, token = 0, body = '', ended_ms = " + now;
  }
  static constexpr std::size_t kWhySize = 60000;  // fits a BLOB

  /// Claims at most `limit` events that are due, and gives their numbers.
  Result<std::vector<std::uint64_t>> find_due(std::size_t limit, std::uint64_t token, Milliseconds lease) {
    const std::string now = this->now();
    // More than is needed: others look at the same time and find the same.
    const std::size_t wide = limit + std::min<std::size_t>(3 * limit, 256);
    const std::size_t window = 4 * wide;
    const auto others = [&](std::string_view which) {
      return "EXISTS (SELECT 1 FROM " + table_ + " o WHERE o.lane = i.lane AND o.state = 0 AND o.id <> i.id AND (" +
             std::string(which) + "(o.token <> 0 AND o.due > " + now + ")))";
    };
    // The search runs without locks, and outside the transaction, which would lock what it passes by. What has been due
    // for longest comes first, as far as it is the oldest of its key.
    auto found = work_.run("search for due events",
                           "SELECT i.id, " + others("o.id < i.id OR ") + " FROM (SELECT id, lane, due FROM " + table_ +
                               " WHERE state = 0 AND due <= " + now + " ORDER BY due, id LIMIT " +
                               std::to_string(window) + ") i ORDER BY i.due, i.id");
    if (!found) return found.error();
    std::vector<std::uint64_t> ids;
    const auto add = [&](const Row& row) {
      const std::uint64_t id = number_of(text_at(row, 0)).value_or(0);
      if (ids.size() < wide && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    };
    for (const Row& row : found->rows) {
      if (int_at(row, 1) == 0) add(row);
    }
    if (ids.size() < limit && found->rows.size() == window) {
      // A long backlog of few keys: the first of each key is found in the index, whatever stands behind it. Without
      // `state` among the groups the server reads all of it.
      for (const std::string& search : {"SELECT i.id FROM (SELECT state, lane, MIN(id) AS id FROM " + table_ +
                                            " WHERE state = 0 GROUP BY state, lane) h JOIN " + table_ +
                                            " i ON i.id = h.id WHERE i.state = 0 AND i.due <= " + now + " AND NOT " +
                                            others("") + " ORDER BY i.due, i.id LIMIT " + std::to_string(wide),
                                        "SELECT id FROM " + table_ + " WHERE state = 0 AND lane IS NULL AND due <= " +
                                            now + " ORDER BY id LIMIT " + std::to_string(wide)}) {
        auto more = work_.run("search for due events", search);
        if (!more) return more.error();
        for (const Row& row : more->rows) add(row);
      }
    }
    if (ids.empty()) return ids;
    return work_.transact<std::vector<std::uint64_t>>(
        "claim events", [&](Connection& connection) -> Result<std::vector<std::uint64_t>> {
          const std::string due = " AND state = 0 AND due <= " + now;
          const std::string claim = "UPDATE " + table_ + " FORCE INDEX (PRIMARY) SET token = " + std::to_string(token) +
                                    ", attempts = attempts + 1, due = " + now + " + " +
                                    std::to_string(std::max<std::int64_t>(lease.count(), 0)) + " WHERE id IN ";
          std::vector<std::uint64_t> mine;
          std::size_t missing = limit;
          for (std::size_t next = 0; next < ids.size() && missing != 0;) {
            const std::size_t end = std::min(next + missing, ids.size());
            std::vector<std::uint64_t> some(ids.begin() + static_cast<std::ptrdiff_t>(next),
                                            ids.begin() + static_cast<std::ptrdiff_t>(end));
            next = end;
            if (connection.has_skip_locked()) {
              Answer locked;
              if (!connection.run("SELECT id FROM " + table_ + " FORCE INDEX (PRIMARY) WHERE id IN " + list_of(some) +
                                      due + " FOR UPDATE SKIP LOCKED",
                                  locked)) {
                return failed();
              }
              some.clear();
              for (const Row& row : locked.rows) some.push_back(number_of(text_at(row, 0)).value_or(0));
              if (some.empty()) continue;
            }
            // Without SKIP LOCKED it waits for others that claim the same, and then finds that they are no longer due.
            Answer changed;
            std::string statement = claim;
            statement.append(list_of(some)).append(due);
            if (!connection.run(statement, changed)) return failed();
            missing -= static_cast<std::size_t>(changed.affected);
            if (changed.affected != 0) mine.insert(mine.end(), some.begin(), some.end());
          }
          return mine;
        });
  }

  Result<std::size_t> change_dead(std::string_view what, const std::vector<std::string>& ids,
                                  const std::string& change) {
    std::vector<std::uint64_t> numbers;
    for (const std::string& id : ids) {
      if (const auto number = number_of(id)) numbers.push_back(*number);
    }
    if (numbers.empty()) return std::size_t{0};
    const auto answer = work_.run(what, "UPDATE " + table_ + " FORCE INDEX (PRIMARY) SET " + change +
                                            " WHERE state = 2 AND id IN " + list_of(numbers));
    if (!answer) return answer.error();
    return static_cast<std::size_t>(answer->affected);
  }

  const MysqlInboxOptions options_;
  const std::string table_;
  const std::string latest_;
  const std::shared_ptr<Writers> writers_;
  Pool work_;
};

}  // namespace mysql
}  // namespace detail

DINGCB_INLINE Result<std::shared_ptr<Inbox>> open_mysql_inbox(MysqlInboxOptions options) {
  if (Error error = detail::mysql::check_prefix(options.prefix); error.code != Errc{}) return error;
  auto inbox = std::make_shared<detail::mysql::MysqlInbox>(std::move(options));
  if (const auto version = inbox->check_schema(); !version) return version.error();
  if (Error error = detail::start_threads([&] { inbox->listen(); }); error.code != Errc{}) return error;
  return std::shared_ptr<Inbox>(std::move(inbox));
}

DINGCB_NAMESPACE_END
