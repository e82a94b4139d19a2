// An inbox that forgets everything with its process: what the least one has to do, for tests of those who use one.
#pragma once

#include <dingcb/inbox.hpp>

#include "support/injected.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace memory {

// [inbox]
class Inbox final : public dingcb::Inbox {
 public:
  explicit Inbox(std::shared_ptr<const dingcb::Clock> clock, std::size_t room = 1000)
      : clock_(std::move(clock)), room_(room) {}

  dingcb::Result<dingcb::PutCount> put(const std::vector<dingcb::StoredEvent>& events) override {
    dingcb::PutCount count;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (pending_.size() + events.size() > room_) return error(dingcb::Errc::inbox_full);
      for (const dingcb::StoredEvent& event : events) {
        if (!keys_.insert(event.dedup_key).second) {
          ++count.duplicates;
          continue;
        }
        ++count.stored;
        dingcb::ClaimedEvent claimed;
        claimed.id = std::to_string(++last_id_);
        claimed.attempt = 0;
        claimed.stored_ms = clock_->unix_ms();
        claimed.event = event;
        pending_[last_id_] = {claimed, claimed.stored_ms, false};
      }
    }
    arrived();
    return count;
  }

  dingcb::Result<std::vector<dingcb::ClaimedEvent>> claim(std::size_t limit, dingcb::Milliseconds lease) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<dingcb::ClaimedEvent> claimed;
    std::set<std::string> passed;  // keys of which something earlier is pending
    for (auto& [id, row] : pending_) {
      const std::string& key = row.claimed.event.ordering_key;
      const bool first = key.empty() || passed.insert(key).second;
      if (claimed.size() == limit || !first || row.due_ms > clock_->unix_ms()) continue;
      ++row.claimed.attempt;
      row.claimed.lease = std::to_string(++last_lease_);
      row.due_ms = clock_->unix_ms() + lease.count();
      row.held = true;
      claimed.push_back(row.claimed);
    }
    return claimed;
  }

  dingcb::Result<std::vector<std::size_t>> settle(const std::vector<dingcb::Settlement>& settlements) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::size_t> lost;
    for (std::size_t i = 0; i < settlements.size(); ++i) {
      const dingcb::Settlement& settlement = settlements[i];
      const auto found = pending_.find(std::stoll(settlement.id));
      if (found == pending_.end() || !found->second.held || found->second.claimed.lease != settlement.lease) {
        lost.push_back(i);
        continue;
      }
      Row& row = found->second;
      row.held = settlement.fate == dingcb::Fate::extend;
      row.due_ms = clock_->unix_ms() + settlement.delay.count();
      if (settlement.fate == dingcb::Fate::give_back) --row.claimed.attempt;
      if (settlement.fate == dingcb::Fate::bury) ++dead_;
      if (settlement.fate == dingcb::Fate::bury || settlement.fate == dingcb::Fate::done) pending_.erase(found);
    }
    return lost;
  }

  dingcb::Result<dingcb::InboxStats> stats() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    dingcb::InboxStats stats;
    stats.pending = pending_.size();
    stats.dead = dead_;
    for (const auto& [id, row] : pending_) {
      if (row.held && row.due_ms > clock_->unix_ms()) ++stats.claimed;
      if (!stats.oldest_ms) stats.oldest_ms = row.claimed.stored_ms;
    }
    return stats;
  }

 private:
  struct Row {
    dingcb::ClaimedEvent claimed;
    std::int64_t due_ms = 0;
    bool held = false;
  };

  static dingcb::Error error(dingcb::Errc code) {
    return {code, dingcb::Message::literal("the memory inbox refuses"), nullptr};
  }

  const std::shared_ptr<const dingcb::Clock> clock_;
  const std::size_t room_;
  std::mutex mutex_;
  std::map<std::int64_t, Row> pending_;
  std::set<std::string> keys_;
  std::int64_t last_id_ = 0;
  std::int64_t last_lease_ = 0;
  std::uint64_t dead_ = 0;
};
// [/inbox]

}  // namespace memory
