// The threads of a Worker.
#pragma once

#include <dingcb/impl/dispatcher.ipp>
#include <dingcb/impl/guard.ipp>
#include <dingcb/inbox.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Who is told that an inbox has something new: the workers of this process.
class Bell {
 public:
  class Listener {
   public:
    Listener() = default;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    virtual void rung() noexcept = 0;

   protected:
    ~Listener() = default;
  };

  void add(Listener* listener) {
    const std::lock_guard<std::mutex> lock(mutex_);
    listeners_.push_back(listener);
  }
  void remove(Listener* listener) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    listeners_.erase(std::remove(listeners_.begin(), listeners_.end(), listener), listeners_.end());
  }
  void ring() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Listener* const listener : listeners_) listener->rung();
  }

 private:
  std::mutex mutex_;
  std::vector<Listener*> listeners_;
};

/// The threads of a Worker. One, the keeper, talks to the inbox: it claims for all, and settles whatever has been
/// handled since it last did, so that one commit serves many handlers. The others handle.
class Crew final : public Bell::Listener {
 public:
  Crew(std::shared_ptr<Inbox> inbox, Dispatcher dispatcher, WorkerOptions options)
      : inbox_(std::move(inbox)), dispatcher_(std::move(dispatcher)), options_(std::move(options)) {
    options_.threads = std::max<std::size_t>(1, options_.threads);
    options_.batch = std::max(options_.batch, options_.threads);
    options_.max_attempts = std::max<std::uint32_t>(1, options_.max_attempts);
    random_ = static_cast<std::uint64_t>(Time::clock::now().time_since_epoch().count()) ^
              static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this));
    next_clean_ = after(options_.clean_every);
    handled_.reserve(options_.batch);
    std::vector<Time> delays;
    delays.reserve(kMaxDelays);
    delays_ = Delays(std::greater<>(), std::move(delays));
  }
  ~Crew() { stop(); }

  void start() {
    inbox_->bell_->add(this);
#if defined(__cpp_exceptions)
    try {
      start_threads();
    } catch (...) {
      stop();
      throw;
    }
#else
    start_threads();
#endif
  }

  void stop() noexcept {
    const std::lock_guard<std::mutex> stopping(stop_mutex_);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      ready_changed_.notify_all();
    }
    for (std::thread& thread : handlers_) thread.join();
    handlers_.clear();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      handled_all_ = true;
      keeper_changed_.notify_all();
      drained_changed_.notify_all();
    }
    if (keeper_.joinable()) keeper_.join();
    inbox_->bell_->remove(this);
  }

  void set_paused(bool paused) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    paused_ = paused;
    claim_ = true;
    keeper_changed_.notify_all();
  }

  void rung() noexcept override {
    const std::lock_guard<std::mutex> lock(mutex_);
    claim_ = true;
    keeper_changed_.notify_all();
  }

  bool drain(Milliseconds timeout) {
    std::unique_lock<std::mutex> lock(mutex_);
    // A number, because an inbox that was seen empty before this call may be so no more.
    const std::uint64_t mine = ++drain_asked_;
    claim_ = true;
    keeper_changed_.notify_all();
    drained_changed_.wait_until(lock, after(timeout), [&] { return drained_ >= mine || handled_all_; });
    return drained_ >= mine;
  }

  WorkerStats stats() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return stats_;
  }

 private:
  using Time = std::chrono::steady_clock::time_point;

  struct Job {
    ClaimedEvent claimed;
    Time renew_at;
    Time ends_at;
    bool lost = false;  // somebody else may have it by now
  };
  using Jobs = std::list<Job>;
  using Delays = std::priority_queue<Time, std::vector<Time>, std::greater<>>;
  struct Handled {
    Jobs::iterator job;
    Settlement settlement;
  };

  static Time after(Milliseconds delay, Time now = Time::clock::now()) noexcept {
    constexpr std::int64_t kYear = std::int64_t{365} * 24 * 3600 * 1000;
    return now + std::chrono::milliseconds(std::min(std::max<std::int64_t>(0, delay.count()), kYear));
  }

  void start_threads() {
    keeper_ = std::thread([this] { keep(); });
    handlers_.reserve(options_.threads);
    for (std::size_t i = 0; i < options_.threads; ++i) handlers_.emplace_back([this] { handle_all(); });
  }

  // --- the handlers ---

  void handle_all() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      ready_changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
      if (stopping_) return;
      const Jobs::iterator job = ready_.begin();
      begun_.splice(begun_.end(), ready_, job);
      // With the lease gone another worker has the event, or will have it: handling it here would only double it.
      const bool lost = job->lost || Time::clock::now() >= job->ends_at;
      lock.unlock();
      Settlement settlement;
      settlement.fate = Fate::give_back;
      if (!lost) handle(job->claimed, settlement);
      lock.lock();
      settlement.id.swap(job->claimed.id);
      settlement.lease.swap(job->claimed.lease);
      handled_.push_back({job, std::move(settlement)});
      keeper_changed_.notify_all();
    }
  }

  void handle(const ClaimedEvent& claimed, Settlement& settlement) noexcept {
    Error error;
    const auto run = [&] {
      if (claimed.attempt > options_.max_attempts) {
        settlement.fate = Fate::bury;
        settlement.why = "every attempt ended without a verdict: the process died, or lost its lease";
        return;
      }
      const Result<Event> event = claimed.event.event();
      if (!event) {
        error = event.error();
        settlement.fate = Fate::bury;
        settlement.why = "the stored text is no event: " + error.message.str();
        return;
      }
      Context context(*event, options_.budget, options_.clock.get());
      const Ack ack = context.wait(dispatcher_.dispatch(context));
      if (const Error* const problem = context.error()) error = *problem;
      judge(claimed, ack, settlement);
    };
#if defined(__cpp_exceptions)
    try {
      run();
    } catch (...) {
      error = fail(Errc::out_of_memory, "there is no memory");
      settlement.fate = Fate::delay;
      settlement.delay = options_.first_delay;
    }
#else
    run();
#endif
    if (error.code != Errc{}) tell(options_.on_error, error, &claimed);
  }

  void judge(const ClaimedEvent& claimed, const Ack& ack, Settlement& settlement) {
    if (ack.verdict() == Verdict::done) {
      settlement.fate = Fate::done;
      return;
    }
    settlement.why = ack.why().str();
    if (ack.verdict() == Verdict::drop || claimed.attempt >= options_.max_attempts) {
      settlement.fate = Fate::bury;
      return;
    }
    settlement.fate = Fate::delay;
    settlement.delay = ack.delay().count() > 0 ? ack.delay() : back_off(claimed.attempt);
  }

  /// Gives the time that passes after the `failures`th failure in a row, from half of it to all of it.
  Milliseconds back_off(std::uint32_t failures) noexcept {
    const std::int64_t longest = std::max<std::int64_t>(1, options_.longest_delay.count());
    std::int64_t delay = std::min(std::max<std::int64_t>(1, options_.first_delay.count()), longest);
    for (; failures > 1 && delay < longest; --failures) delay = delay > longest / 2 ? longest : delay * 2;
    return jitter(delay);
  }

  Milliseconds jitter(std::int64_t delay) noexcept {
    // splitmix64: nothing here has to be hard to guess.
    std::uint64_t bits = random_.fetch_add(0x9E3779B97F4A7C15, std::memory_order_relaxed);
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
    bits ^= bits >> 31;
    return Milliseconds(delay - static_cast<std::int64_t>(bits % static_cast<std::uint64_t>(delay / 2 + 1)));
  }

  // --- the keeper ---

  void keep() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      const Time until = next_time();
      keeper_changed_.wait_until(lock, until, [this] {
        return handled_all_ || (Time::clock::now() >= blocked_until_ && (!handled_.empty() || wants_claim()));
      });
      const bool last = handled_all_;
      if (last) give_back_ready();
      if (!handled_.empty() && (last || Time::clock::now() >= blocked_until_)) settle(lock);
      if (last) return;
      renew(lock);
      clean(lock);
      claim(lock);
    }
  }

  bool wants_claim() const noexcept { return claim_ && !paused_ && !stopping_ && has_room(); }
  /// Claims are made by the batch: not before the handlers are about to have nothing to do.
  bool has_room() const noexcept { return ready_.size() < options_.threads && held() < options_.batch; }

  std::size_t held() const noexcept { return ready_.size() + begun_.size(); }

  Time next_time() const noexcept {
    Time next = next_poll_;
    if (blocked_until_ > Time::clock::now()) next = std::min(next, blocked_until_);
    if (!delays_.empty()) next = std::min(next, delays_.top());
    if (options_.clean_every.count() > 0) next = std::min(next, next_clean_);
    for (const Jobs* const jobs : {&ready_, &begun_}) {
      for (const Job& job : *jobs) {
        if (!job.lost) next = std::min(next, job.renew_at);
      }
    }
    return std::max(next, blocked_until_);
  }

  /// After a failure of the inbox nothing is asked of it for a while.
  void failed(std::unique_lock<std::mutex>& lock, const Error& error) noexcept {
    ++stats_.failed;
    ++failures_;
    std::int64_t delay = std::max<std::int64_t>(10, options_.poll.count());
    for (std::uint32_t i = 1; i < failures_ && delay < 30000; ++i) delay *= 2;
    blocked_until_ = after(jitter(std::min<std::int64_t>(delay, 30000)));
    lock.unlock();
    tell(options_.on_error, error, nullptr);
    lock.lock();
  }

  void give_back_ready() noexcept {
    while (!ready_.empty()) {
      const Jobs::iterator job = ready_.begin();
      begun_.splice(begun_.end(), ready_, job);
      Settlement settlement;
      settlement.fate = Fate::give_back;
      settlement.id.swap(job->claimed.id);
      settlement.lease.swap(job->claimed.lease);
      handled_.push_back({job, std::move(settlement)});
    }
  }

  void settle(std::unique_lock<std::mutex>& lock) noexcept {
    // Both have room for all there can be, so that no handler needs memory to say that it is done.
    std::vector<Handled> handled;
    const auto room = ask([&]() -> Result<void> {
      handled.reserve(options_.batch);
      return {};
    });
    if (!room) return failed(lock, room.error());
    handled.swap(handled_);
    lock.unlock();
    const auto lost = ask([&] {
      std::vector<Settlement> settlements;
      settlements.reserve(handled.size());
      for (const Handled& each : handled) settlements.push_back(each.settlement);
      return inbox_->settle(settlements);
    });
    lock.lock();
    if (!lost) {
      handled_.insert(handled_.begin(), std::make_move_iterator(handled.begin()),
                      std::make_move_iterator(handled.end()));
      return failed(lock, lost.error());
    }
    failures_ = 0;
    blocked_until_ = Time{};
    claim_ = true;  // what stood behind these is due now
    const Time now = Time::clock::now();
    for (std::size_t i = 0; i < handled.size(); ++i) {
      handled[i].job->lost = std::find(lost->begin(), lost->end(), i) != lost->end();
      count(handled[i], now);
    }
    lock.unlock();
    for (Handled& each : handled) {
      ClaimedEvent& claimed = each.job->claimed;
      claimed.id = each.settlement.id;
      claimed.lease = each.settlement.lease;
      if (!each.job->lost) {
        tell(options_.on_settled, claimed, each.settlement);
      } else {
        tell(options_.on_error,
             fail(Errc::lease_lost, "the lease ended before the event was settled, so that it may come twice"),
             &claimed);
      }
    }
    lock.lock();
    for (const Handled& each : handled) begun_.erase(each.job);
  }

  void count(const Handled& handled, Time now) noexcept {
    if (handled.job->lost) {
      ++stats_.lost;
      return;
    }
    switch (handled.settlement.fate) {
      case Fate::done: ++stats_.done; break;
      case Fate::bury: ++stats_.buried; break;
      case Fate::give_back: ++stats_.given_back; break;
      case Fate::delay:
        ++stats_.retried;
        if (delays_.size() < kMaxDelays) delays_.push(after(handled.settlement.delay, now));
        break;
      case Fate::extend: break;
    }
  }

  void renew(std::unique_lock<std::mutex>& lock) noexcept {
    const Time now = Time::clock::now();
    if (now < blocked_until_) return;
    std::vector<Settlement> settlements;
    std::vector<Job*> jobs;
    const auto collected = ask([&]() -> Result<void> {
      for (Jobs* const all : {&ready_, &begun_}) {
        for (Job& job : *all) {
          // What has been handled has no id here any more: it is about to be settled.
          if (job.lost || job.claimed.id.empty() || now < job.renew_at) continue;
          settlements.push_back({job.claimed.id, job.claimed.lease, Fate::extend, options_.lease, {}});
          jobs.push_back(&job);
        }
      }
      return {};
    });
    if (!collected) return failed(lock, collected.error());
    if (settlements.empty()) return;
    lock.unlock();
    const auto lost = ask([&] { return inbox_->settle(settlements); });
    lock.lock();
    if (!lost) return failed(lock, lost.error());
    failures_ = 0;
    for (Job* const job : jobs) set_lease(*job, now);  // they are there still: only this thread drops them
    for (const std::size_t i : *lost) {
      if (i < jobs.size()) jobs[i]->lost = true;
    }
  }

  void set_lease(Job& job, Time now) const noexcept {
    job.renew_at = now + std::chrono::milliseconds(std::max<std::int64_t>(1, options_.lease.count() / 3));
    job.ends_at = after(options_.lease, now);
  }

  void clean(std::unique_lock<std::mutex>& lock) noexcept {
    const Time now = Time::clock::now();
    if (options_.clean_every.count() <= 0 || now < next_clean_ || now < blocked_until_) return;
    lock.unlock();
    const auto cleaned = ask([&] { return inbox_->clean(options_.retention); });
    lock.lock();
    // More may be left, and is not to hold up the events.
    const bool more = cleaned && *cleaned > 0;
    next_clean_ = after(
        more ? Milliseconds(std::min<std::int64_t>(1000, options_.clean_every.count())) : options_.clean_every, now);
    if (!cleaned && cleaned.error().code != Errc::inbox_unsupported) failed(lock, cleaned.error());
  }

  void claim(std::unique_lock<std::mutex>& lock) noexcept {
    const Time now = Time::clock::now();
    if (now < blocked_until_) return;
    if (now >= next_poll_) claim_ = true;
    for (; !delays_.empty() && delays_.top() <= now; delays_.pop()) claim_ = true;
    if (now >= next_poll_) next_poll_ = after(options_.poll, now);
    const std::uint64_t asked = drain_asked_;
    if (wants_claim()) {
      const std::size_t limit = options_.batch - held();
      Jobs jobs;
      claim_ = false;
      lock.unlock();
      const auto claimed = ask([&]() -> Result<void> {
        auto events = inbox_->claim(limit, options_.lease);
        if (!events) return std::move(events).error();
        for (ClaimedEvent& event : *events) {
          jobs.push_back({std::move(event), {}, {}, false});
          set_lease(jobs.back(), now);
        }
        return {};
      });
      lock.lock();
      if (!claimed) {
        claim_ = true;
        return failed(lock, claimed.error());
      }
      failures_ = 0;
      next_poll_ = after(options_.poll);
      stats_.claimed += jobs.size();
      if (jobs.size() >= limit) claim_ = true;
      ready_.splice(ready_.end(), jobs);
      ready_changed_.notify_all();
    }
    if (drained_ < asked && held() == 0) look_whether_empty(lock, asked);
  }

  void look_whether_empty(std::unique_lock<std::mutex>& lock, std::uint64_t asked) noexcept {
    lock.unlock();
    const auto stats = ask([&] { return inbox_->stats(); });
    lock.lock();
    if (!stats) return failed(lock, stats.error());
    if (stats->pending != 0) return;
    drained_ = asked;
    drained_changed_.notify_all();
  }

  static constexpr std::size_t kMaxDelays = 4096;  // what is beyond them is found by polling

  const std::shared_ptr<Inbox> inbox_;
  const Dispatcher dispatcher_;
  WorkerOptions options_;
  std::atomic<std::uint64_t> random_{0};

  mutable std::mutex mutex_;
  std::condition_variable ready_changed_;
  std::condition_variable keeper_changed_;
  std::condition_variable drained_changed_;
  Jobs ready_;                    // claimed, and not begun
  Jobs begun_;                    // with a handler, or handled
  std::vector<Handled> handled_;  // of those, what waits to be settled
  Delays delays_;                 // when what was delayed here is due
  WorkerStats stats_;
  Time next_poll_{};
  Time next_clean_{};
  Time blocked_until_{};
  std::uint32_t failures_ = 0;  // of the inbox, in a row
  std::uint64_t drain_asked_ = 0;
  std::uint64_t drained_ = 0;
  bool claim_ = true;  // there may be something to claim
  bool paused_ = false;
  bool stopping_ = false;     // no event is begun any more
  bool handled_all_ = false;  // no handler runs any more

  std::mutex stop_mutex_;
  std::vector<std::thread> handlers_;
  std::thread keeper_;
};

}  // namespace detail
DINGCB_NAMESPACE_END
