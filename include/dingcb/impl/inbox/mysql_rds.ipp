// The inbox over the tables into which DingTalk writes.
//
// DingTalk's own writes must never wait for ours, let alone fail for them: every statement of a worker that changes a
// row of its tables is a transaction of its own, changes one row by its primary key, and is over when it returns. So no
// lock is held while a second one is waited for, and none while a handler runs. Only put() changes several rows in a
// transaction: where it is used, it writes in DingTalk's place.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/inbox/mysql_connection.ipp>
#include <dingcb/impl/inbox/mysql_pool.ipp>
#include <dingcb/impl/inbox/mysql_rds_puts.ipp>
#include <dingcb/impl/inbox/mysql_rds_tables.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Gives the status of a row after one more claim. At the end of the count it is another one each time, too, because an
/// update that changes nothing looks like a row that somebody else has changed.
constexpr std::int64_t claimed_status(std::int64_t status) noexcept {
  return status >= kLastAlive ? kLastAlive - 1 : std::max<std::int64_t>(status, 1) + 1;
}

inline std::string fresh_name() {
  std::random_device device;
  std::string name;
  for (int i = 0; i < 4; ++i) name += std::to_string(device()) + (i == 3 ? "" : "-");
  return name;
}

/// Which state of which row a claim is about.
struct RowState {
  std::size_t table = 0;
  std::int64_t id = 0;
  std::int64_t open_cursor = 0;
  std::string gmt_modified;  // as the server prints it
  std::int64_t status = 0;
};

class RdsInbox final : public Inbox {
 public:
  explicit RdsInbox(RdsInboxOptions options)
      : options_(std::move(options)),
        readers_(options_.prefix + "rds_reader"),
        me_(fresh_name()),
        readings_(options_.subscribe_ids.size()),
        puts_(std::make_shared<RdsPuts>(options_)),
        work_(options_.server, options_.server.work_connections, options_.server.work_timeout) {}

  ~RdsInbox() override {
    puts_->stop();
    // Others need not wait for the end of the lease, unless a handler still runs on what was claimed.
    const std::lock_guard<std::mutex> lock(mutex_);
    const SteadyTime now = std::chrono::steady_clock::now();
    for (const auto& [key, entry] : entries_) {
      if (!entry.lease.empty() && entry.until > now) return;
    }
    bool reader = false;
    for (const Reading& reading : readings_) reader = reader || reading.until > now;
    if (!reader) return;
    static_cast<void>(
        work_.run("end its reading", "UPDATE " + readers_ + " SET until_ms = 0 WHERE owner = '" + me_ + "'"));
  }

  Result<bool> check_schema() {
    for (const std::string& table : {std::string(kTables[0].name), std::string(kTables[1].name), readers_}) {
      if (const auto answer = work_.run("read DingTalk's tables", "SELECT 1 FROM " + table + " LIMIT 1"); !answer) {
        return answer.error();
      }
    }
    return true;
  }

  void listen() {
    puts_->start([this] { arrived(); });
  }

  Result<PutCount> put(const std::vector<StoredEvent>& events) override { return puts_->put(events); }
  void put_later(std::vector<StoredEvent> events, PutDone done) override { puts_->put_later(std::move(events), done); }

  Result<std::vector<ClaimedEvent>> claim(std::size_t limit, Milliseconds lease) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<ClaimedEvent> claimed;
    forget_what_ended();
    for (std::size_t table = 0; table < kTables.size(); ++table) {
      for (std::size_t i = 0; i < readings_.size() && claimed.size() < limit; ++i) {
        const std::size_t subscriber = (turn_ + i) % readings_.size();
        const Result<bool> mine = read_alone(subscriber, lease);
        if (!mine) return give_or(std::move(claimed), mine.error());
        if (!*mine) continue;
        const Result<bool> done = claim_from(table, subscriber, limit, lease, claimed);
        if (!done) return give_or(std::move(claimed), done.error());
      }
    }
    ++turn_;  // so that one busy subscriber does not keep the others from their turn
    return claimed;
  }

  Result<std::vector<std::size_t>> settle(const std::vector<Settlement>& settlements) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::size_t> lost;
    for (std::size_t i = 0; i < settlements.size(); ++i) {
      const Settlement& settlement = settlements[i];
      const auto key = keys_.find(settlement.id);
      const auto found = key == keys_.end() ? entries_.end() : entries_.find(key->second);
      if (found == entries_.end() || found->second.lease.empty() || found->second.lease != settlement.lease) {
        lost.push_back(i);
        continue;
      }
      const Result<bool> holds = finish(settlement, found->second);
      if (!holds) return holds.error();
      if (!*holds) lost.push_back(i);
      const bool stays = *holds && settlement.fate == Fate::extend;
      if (stays || (*holds && settlement.fate == Fate::delay)) {
        found->second.until = after(settlement.delay);
        if (!stays) found->second.lease.clear();
      } else {
        entries_.erase(found);
        keys_.erase(key);
      }
    }
    return lost;
  }

  Result<InboxStats> stats() override {
    InboxStats stats;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const SteadyTime now = std::chrono::steady_clock::now();
      for (const auto& [key, entry] : entries_)
        stats.claimed += std::uint64_t{!entry.lease.empty() && entry.until > now};
    }
    for (const Table& table : kTables) {
      auto answer = with_subscribers("count DingTalk's rows", [&](const std::string& subscribers) {
        return "SELECT COALESCE(SUM(" + std::string(kAlive) + "), 0), COALESCE(SUM(status >= " + std::to_string(kDead) +
               "), 0), MIN(IF(" + std::string(kAlive) + ", " + naive_ms("gmt_create") + ", NULL)) FROM " +
               std::string(table.name) + " WHERE subscribe_id IN " + subscribers;
      });
      if (!answer) return answer.error();
      const Row& row = answer->rows.front();
      stats.pending += static_cast<std::uint64_t>(int_at(row, 0));
      stats.dead += static_cast<std::uint64_t>(int_at(row, 1));
      if (row[2]) {
        const std::int64_t created = from_naive(int_at(row, 2));
        stats.oldest_ms = std::min(stats.oldest_ms.value_or(created), created);
      }
    }
    return stats;
  }

  Result<std::vector<DeadLetter>> dead_letters(const DeadQuery& query) override {
    std::vector<DeadLetter> letters;
    const auto after = name_of(query.after);
    if (!after && !query.after.empty()) return fail(Errc::inbox_failed, "DeadQuery::after is no id of this inbox");
    for (std::size_t table = after ? after->table : 0; table < kTables.size(); ++table) {
      std::int64_t last = after && after->table == table ? after->id : 0;
      for (;;) {  // the type is not a column, so that any number of rows may have to be passed by
        if (letters.size() >= query.limit) return letters;
        auto found = dead_rows(table, "id > " + std::to_string(last), query.corp_id, kDeadAtOnce);
        if (!found) return found.error();
        for (DeadLetter& letter : *found) {
          last = name_of(letter.id)->id;
          if (!query.type.empty() && letter.event.type != query.type) continue;
          if (letters.size() >= query.limit) return letters;
          letter.event.body.clear();
          letters.push_back(std::move(letter));
        }
        if (found->size() < kDeadAtOnce) break;
      }
    }
    return letters;
  }

  Result<std::optional<DeadLetter>> dead_letter(std::string_view id) override {
    const auto name = name_of(id);
    if (!name) return std::optional<DeadLetter>();
    auto found = dead_rows(name->table, "id = " + std::to_string(name->id), {}, 1);
    if (!found) return found.error();
    if (found->empty()) return std::optional<DeadLetter>();
    return std::optional<DeadLetter>(std::move(found->front()));
  }

  Result<std::size_t> requeue(const std::vector<std::string>& ids) override {
    auto count = change_dead("requeue dead letters", ids, 0);
    if (count && *count != 0) arrived();
    return count;
  }
  Result<std::size_t> purge(const std::vector<std::string>& ids) override {
    return change_dead("purge dead letters", ids, kDone);
  }
  Result<std::size_t> clean(const Retention&) override { return std::size_t{0}; }

  Result<std::optional<StoredEvent>> latest(std::string_view key) override {
    const std::string prefix = suite_ticket_key({});
    if (key.substr(0, prefix.size()) != prefix) return std::optional<StoredEvent>();
    auto found = work_.query("read the newest ticket", [&](const Connection& connection) {
      return "SELECT " + event_columns() + " FROM " + std::string(kTables[0].name) +
             " WHERE biz_id = " + connection.quote_text(key.substr(prefix.size())) +
             " AND biz_type = " + std::to_string(kTicketType) + " AND subscribe_id IN " + subscribers_on(connection) +
             " ORDER BY gmt_modified DESC, id DESC LIMIT 1";
    });
    if (!found) return found.error();
    if (found->rows.empty()) return std::optional<StoredEvent>();
    const Result<Event> event = event_at(found->rows.front(), 0);
    if (!event) return event.error();
    return std::optional<StoredEvent>(StoredEvent::of(*event));
  }

 private:
  static constexpr std::size_t kDeadAtOnce = 200;
  static constexpr std::size_t kRowsAtOnce = 1000;
  static constexpr int kTicketType = 2;  // biz_type

  /// A claim, or a delay: why events with an ordering_key have to wait.
  struct Entry {
    RowState row;
    std::size_t subscriber = 0;
    std::int64_t status_before = 0;
    std::string lease;  // empty: delayed
    SteadyTime until;
  };
  struct Reading {
    SteadyTime until{};      // until when this inbox is the reader
    SteadyTime ask_again{};  // somebody else is
  };

  static SteadyTime after(Milliseconds delay) {
    // A year at most, which no clock overflows.
    const std::int64_t most = std::int64_t{365} * 24 * 3600 * 1000;
    return std::chrono::steady_clock::now() +
           std::chrono::milliseconds(std::clamp<std::int64_t>(delay.count(), 0, most));
  }
  std::int64_t from_naive(std::int64_t ms) const noexcept {
    return ms - options_.utc_offset_minutes * std::int64_t{60000};
  }

  /// What is claimed already must not be lost with an error that came later.
  static Result<std::vector<ClaimedEvent>> give_or(std::vector<ClaimedEvent> claimed, const Error& error) {
    if (claimed.empty()) return error;
    return claimed;
  }

  void forget_what_ended() {
    const SteadyTime now = std::chrono::steady_clock::now();
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      // A claim whose lease has ended stays: it holds until the row is claimed again.
      if (entry->second.lease.empty() && entry->second.until <= now) {
        keys_.erase(id_of(entry->second.row.table, entry->second.row.id));
        entry = entries_.erase(entry);
      } else {
        ++entry;
      }
    }
  }

  /// Becomes or stays the reader of a subscriber, for at least `lease` from now.
  /// @return false where another one is.
  Result<bool> read_alone(std::size_t subscriber, Milliseconds lease) {
    Reading& reading = readings_[subscriber];
    const SteadyTime before = std::chrono::steady_clock::now();
    const std::int64_t ms = std::max<std::int64_t>(lease.count(), 1);
    if (reading.until >= before + std::chrono::milliseconds(ms)) return true;
    if (reading.ask_again > before) return false;
    // Twice as long, so that not every claim has to write it.
    const std::string now(kNow);
    std::string held;
    auto answer = work_.transact<std::string>("become the reader", [&](Connection& connection) -> Result<std::string> {
      const std::string id = connection.quote(options_.subscribe_ids[subscriber]);
      Answer owner;
      // The owner first: the assignments run from left to right, and see what those before them have done.
      if (!connection.run("INSERT INTO " + readers_ + " (subscribe_id, owner, until_ms) VALUES (" + id + ", '" + me_ +
                          "', " + now + " + " + std::to_string(2 * ms) +
                          ") ON DUPLICATE KEY UPDATE owner = IF(until_ms <= " + now +
                          ", VALUES(owner), owner), until_ms = IF(owner = VALUES(owner), GREATEST(until_ms, "
                          "VALUES(until_ms)), until_ms)") ||
          !connection.run("SELECT owner FROM " + readers_ + " WHERE subscribe_id = " + id, owner)) {
        return failed();
      }
      return std::string(owner.rows.empty() ? std::string_view() : text_at(owner.rows.front(), 0));
    });
    if (!answer) return answer.error();
    if (*answer == me_) {
      reading.until = before + std::chrono::milliseconds(2 * ms);
      return true;
    }
    reading.until = {};
    reading.ask_again = after(Milliseconds(1000));
    return false;
  }

  std::string still_reader(std::size_t subscriber, const Connection& connection) const {
    return " AND EXISTS (SELECT 1 FROM " + readers_ +
           " WHERE subscribe_id = " + connection.quote(options_.subscribe_ids[subscriber]) + " AND owner = '" + me_ +
           "')";
  }

  /// Changes the status of a row that is still in the state that was read, if this inbox is still its reader.
  /// gmt_modified is set to itself for tables in which somebody gave it ON UPDATE CURRENT_TIMESTAMP.
  std::string change_of(const RowState& row, std::int64_t status, std::size_t subscriber,
                        const Connection& connection) const {
    return "UPDATE " + std::string(kTables[row.table].name) + " SET status = " + std::to_string(status) +
           ", gmt_modified = gmt_modified WHERE id = " + std::to_string(row.id) +
           " AND open_cursor = " + std::to_string(row.open_cursor) + " AND gmt_modified = '" + row.gmt_modified +
           "' AND status = " + std::to_string(row.status) + still_reader(subscriber, connection);
  }

  Result<bool> claim_from(std::size_t table, std::size_t subscriber, std::size_t limit, Milliseconds lease,
                          std::vector<ClaimedEvent>& claimed) {
    const SteadyTime now = std::chrono::steady_clock::now();
    const std::size_t wanted = std::min(limit - claimed.size() + entries_.size(), kRowsAtOnce);
    // Only read: no lock on anything that DingTalk could want.
    auto found = work_.query("read DingTalk's rows", [&](const Connection& connection) {
      return "SELECT id,status,corp_id,biz_id,biz_type,biz_data,open_cursor," + naive_ms("gmt_create") + "," +
             naive_ms("gmt_modified") + ",gmt_modified FROM " + std::string(kTables[table].name) +
             " WHERE subscribe_id = " + connection.quote_text(options_.subscribe_ids[subscriber]) + " AND " +
             std::string(kAlive) + " ORDER BY id LIMIT " + std::to_string(wanted);
    });
    if (!found) return found.error();
    for (Row& row : found->rows) {
      if (claimed.size() >= limit) break;
      PushRow push;
      push.id = int_at(row, 0);
      push.subscribe_id = options_.subscribe_ids[subscriber];
      push.corp_id = text_at(row, 2);
      push.biz_id = text_at(row, 3);
      push.biz_type = int_at(row, 4);
      push.biz_data = text_at(row, 5);
      push.open_cursor = int_at(row, 6);
      push.gmt_create_ms = from_naive(int_at(row, 7));
      push.gmt_modified_ms = from_naive(int_at(row, 8));
      const Result<Event> event = parse_row(push);
      if (!event) return event.error();
      StoredEvent stored = StoredEvent::of(*event);
      const auto waiting = entries_.find(stored.ordering_key);
      if (waiting != entries_.end() && waiting->second.until > now) continue;

      Entry entry;
      entry.row = {table, push.id, push.open_cursor, std::string(text_at(row, 9)), int_at(row, 1)};
      entry.subscriber = subscriber;
      entry.status_before = entry.row.status;
      const std::int64_t next = claimed_status(entry.row.status);
      auto changed = work_.query(
          "claim a row",
          [&](const Connection& connection) { return change_of(entry.row, next, subscriber, connection); }, false);
      if (!changed && changed.error().code == Errc::inbox_locked) {
        // DingTalk is at it. The others have their turn with the next call, so that this one does not wait for each.
        entry.until = after(Milliseconds(1000));
        keys_[id_of(table, push.id)] = stored.ordering_key;
        entries_[stored.ordering_key] = std::move(entry);
        return true;
      }
      if (!changed) return changed.error();
      if (changed->affected == 0) continue;  // replaced since it was read, or we are no longer its reader
      entry.row.status = next;
      entry.lease = fresh_name();
      entry.until = after(lease);

      ClaimedEvent event_claimed;
      event_claimed.id = id_of(table, push.id);
      event_claimed.lease = entry.lease;
      event_claimed.attempt = static_cast<std::uint32_t>(next - 1);
      event_claimed.stored_ms = push.gmt_create_ms;
      event_claimed.event = std::move(stored);
      if (waiting != entries_.end()) {
        keys_.erase(id_of(waiting->second.row.table, waiting->second.row.id));
        entries_.erase(waiting);
      }
      keys_[event_claimed.id] = event_claimed.event.ordering_key;
      entries_[event_claimed.event.ordering_key] = std::move(entry);
      claimed.push_back(std::move(event_claimed));
    }
    return true;
  }

  /// @return whether the claim still held. Where the row was replaced it did: what was claimed is settled, and what
  ///   replaced it comes in its turn.
  Result<bool> finish(const Settlement& settlement, Entry& entry) {
    std::int64_t status = entry.row.status;
    switch (settlement.fate) {
      case Fate::done: status = kDone; break;
      case Fate::bury: status = kDead + entry.row.status - 1; break;
      case Fate::give_back: status = entry.status_before; break;
      case Fate::delay:
      case Fate::extend: break;
    }
    if (status == entry.row.status) return read_alone(entry.subscriber, settlement.delay);
    auto changed = work_.query("finish a row", [&](const Connection& connection) {
      return change_of(entry.row, status, entry.subscriber, connection);
    });
    if (!changed) return changed.error();
    if (changed->affected != 0) return true;
    auto owner = work_.query("look who reads", [&](const Connection& connection) {
      return "SELECT 1 FROM " + readers_ +
             " WHERE subscribe_id = " + connection.quote(options_.subscribe_ids[entry.subscriber]) + " AND owner = '" +
             me_ + "'";
    });
    if (!owner) return owner.error();
    return !owner->rows.empty();
  }

  std::string subscribers_on(const Connection& connection) const {
    std::string list = "(";
    for (const std::string& id : options_.subscribe_ids) list.append(connection.quote_text(id)).append(1, ',');
    list.back() = ')';
    return list;
  }

  template <class Write>
  Result<Answer> with_subscribers(std::string_view what, Write write) {
    return work_.query(what, [&](const Connection& connection) { return write(subscribers_on(connection)); });
  }

  static std::string event_columns() {
    return "subscribe_id,corp_id,biz_id,biz_type,biz_data,open_cursor," + naive_ms("gmt_modified");
  }
  /// Reads the columns above.
  Result<Event> event_at(const Row& row, std::size_t first) const {
    PushRow push;
    push.subscribe_id = text_at(row, first);
    push.corp_id = text_at(row, first + 1);
    push.biz_id = text_at(row, first + 2);
    push.biz_type = int_at(row, first + 3);
    push.biz_data = text_at(row, first + 4);
    push.open_cursor = int_at(row, first + 5);
    push.gmt_modified_ms = from_naive(int_at(row, first + 6));
    return parse_row(push);
  }

  Result<std::vector<DeadLetter>> dead_rows(std::size_t table, const std::string& which, const std::string& corp_id,
                                            std::size_t limit) {
    auto found = work_.query("read dead letters", [&](const Connection& connection) {
      return "SELECT id,status," + event_columns() + "," + naive_ms("gmt_create") + " FROM " +
             std::string(kTables[table].name) + " WHERE " + which + " AND status >= " + std::to_string(kDead) +
             " AND subscribe_id IN " + subscribers_on(connection) +
             (corp_id.empty() ? std::string() : " AND corp_id = " + connection.quote_text(corp_id)) +
             " ORDER BY id LIMIT " + std::to_string(limit);
    });
    if (!found) return found.error();
    std::vector<DeadLetter> letters;
    for (const Row& row : found->rows) {
      const Result<Event> event = event_at(row, 2);
      if (!event) return event.error();
      DeadLetter letter;
      letter.id = id_of(table, int_at(row, 0));
      letter.attempts = static_cast<std::uint32_t>(int_at(row, 1) - kDead);
      letter.stored_ms = from_naive(int_at(row, 9));
      letter.event = StoredEvent::of(*event);
      letters.push_back(std::move(letter));
    }
    return letters;
  }

  Result<std::size_t> change_dead(std::string_view what, const std::vector<std::string>& ids, std::int64_t status) {
    std::size_t count = 0;
    for (const std::string& id : ids) {
      const auto name = name_of(id);
      if (!name) continue;
      auto changed = with_subscribers(what, [&](const std::string& subscribers) {
        return "UPDATE " + std::string(kTables[name->table].name) + " SET status = " + std::to_string(status) +
               ", gmt_modified = gmt_modified WHERE id = " + std::to_string(name->id) +
               " AND status >= " + std::to_string(kDead) + " AND subscribe_id IN " + subscribers;
      });
      if (!changed) return changed.error();
      count += static_cast<std::size_t>(changed->affected);
    }
    return count;
  }

  const RdsInboxOptions options_;
  const std::string readers_;
  const std::string me_;
  std::mutex mutex_;
  std::vector<Reading> readings_;            // of options_.subscribe_ids
  std::map<std::string, Entry> entries_;     // by ordering_key
  std::map<std::string, std::string> keys_;  // ordering_key by ClaimedEvent::id
  std::size_t turn_ = 0;
  const std::shared_ptr<RdsPuts> puts_;
  Pool work_;
};

}  // namespace mysql
}  // namespace detail

DINGCB_INLINE Result<std::shared_ptr<Inbox>> open_rds_inbox(RdsInboxOptions options) {
  if (Error error = detail::mysql::check_prefix(options.prefix); error.code != Errc{}) return error;
  if (options.subscribe_ids.empty()) {
    return detail::fail(Errc::inbox_unsupported, "RdsInboxOptions::subscribe_ids is empty: name whose rows to read");
  }
  auto inbox = std::make_shared<detail::mysql::RdsInbox>(std::move(options));
  if (const auto checked = inbox->check_schema(); !checked) return checked.error();
  if (Error error = detail::start_threads([&] { inbox->listen(); }); error.code != Errc{}) return error;
  return std::shared_ptr<Inbox>(std::move(inbox));
}

DINGCB_NAMESPACE_END
