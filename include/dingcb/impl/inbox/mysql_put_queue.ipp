// What is put into an inbox over MySQL, on its way to the database.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

/// Stores what is put. A few threads take what has been put since they last did and commit it together, so that many
/// callbacks share one sync of the server's disk; whoever waits for one waits no longer than it may, whatever the
/// driver does. It outlives its inbox, which may be dropped by whoever is told in one of the threads.
class PutQueue : public std::enable_shared_from_this<PutQueue> {
 public:
  PutQueue(const PutQueue&) = delete;
  PutQueue& operator=(const PutQueue&) = delete;

  /// @param arrived is called in the threads, until stop().
  void start(std::function<void()> arrived) {
    arrived_ = std::move(arrived);
    for (std::size_t i = 0; i < std::max<std::size_t>(thread_count_, 1); ++i) {
      threads_.emplace_back([self = shared_from_this()] { self->run(); });
    }
  }

  /// Stores what is queued, and ends.
  void stop() {
    {
      const std::lock_guard<std::mutex> lock(bell_mutex_);
      arrived_ = nullptr;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    queued_changed_.notify_all();
    for (std::thread& thread : threads_) {
      if (thread.get_id() == std::this_thread::get_id()) {
        thread.detach();
      } else {
        thread.join();
      }
    }
    threads_.clear();
  }

  void put_later(std::vector<StoredEvent> events, const Inbox::PutDone& done) {
    if (events.empty()) return detail::tell(done, Result<PutCount>(PutCount{}));
    std::size_t size = 0;
    for (const StoredEvent& event : events) size += event.body.size() + 512;
    bool full = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      full = queue_.size() >= max_queued_ || (queued_size_ != 0 && queued_size_ + size > max_queued_size_);
      if (!full) {
        queued_size_ += size;
        queue_.push_back({std::move(events), done, size, std::chrono::steady_clock::now()});
      }
    }
    if (full) {
      detail::tell(done, Result<PutCount>(fail(Errc::inbox_full, "too much waits to be stored already")));
    } else {
      queued_changed_.notify_one();
    }
  }

  Result<PutCount> put(const std::vector<StoredEvent>& events) {
    struct Waiting {
      std::mutex mutex;
      std::condition_variable told;
      std::optional<Result<PutCount>> count;
    };
    const auto waiting = std::make_shared<Waiting>();
    put_later(events, [waiting](const Result<PutCount>& count) {
      const std::lock_guard<std::mutex> lock(waiting->mutex);
      waiting->count.emplace(count);
      waiting->told.notify_one();
    });
    std::unique_lock<std::mutex> lock(waiting->mutex);
    if (!waiting->told.wait_for(lock, std::chrono::milliseconds(timeout_.count()),
                                [&] { return waiting->count.has_value(); })) {
      return fail(Errc::inbox_failed, "the database has not answered in time");
    }
    return *waiting->count;
  }

 protected:
  struct Job {
    std::vector<StoredEvent> events;
    Inbox::PutDone done;
    std::size_t size = 0;
    std::chrono::steady_clock::time_point since;
  };
  using Counts = std::vector<PutCount>;  // one for each job

  /// About how many bytes of events are taken at once.
  static constexpr std::size_t kStatementSize = std::size_t{1} << 20U;

  PutQueue(const MysqlServer& server, std::size_t max_queued, std::size_t max_queued_size)
      : thread_count_(server.put_connections),
        timeout_(server.put_timeout),
        max_queued_(max_queued),
        max_queued_size_(max_queued_size) {}
  ~PutQueue() = default;

  /// Stores [first, last), at least one, in one of the threads, and tells each of them what became of it. Whom it does
  /// not tell, because it throws, hears of that.
  virtual void store(Job* first, Job* last) = 0;

  void tell(Job* first, Job* last, const Result<Counts>& counts) {
    std::size_t stored = 0;
    if (counts) {
      for (const PutCount& count : *counts) stored += count.stored;
    }
    if (stored != 0) {
      const std::lock_guard<std::mutex> lock(bell_mutex_);
      if (arrived_) arrived_();
    }
    for (Job* job = first; job != last; ++job) {
      answer(*job, counts ? Result<PutCount>((*counts)[static_cast<std::size_t>(job - first)])
                          : Result<PutCount>(counts.error()));
    }
  }

  static void answer(Job& job, const Result<PutCount>& count) noexcept {
    detail::tell(job.done, count);
    job.done = {};
  }

 private:
  static constexpr std::size_t kJobsAtOnce = 256;

  void run() {
    std::vector<Job> jobs;
    jobs.reserve(kJobsAtOnce);
    while (take(jobs)) {
      const Result<void> done = ask([&]() -> Result<void> {
        store_in_time(jobs);
        return {};
      });
      for (Job& job : jobs) answer(job, done ? Error{} : done.error());  // whoever has no answer yet
      jobs.clear();
    }
  }

  /// @return false where it is time to end.
  bool take(std::vector<Job>& jobs) {
    std::unique_lock<std::mutex> lock(mutex_);
    queued_changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    std::size_t size = 0;
    while (!queue_.empty() && jobs.size() < kJobsAtOnce && size < kStatementSize) {
      size += queue_.front().size;
      jobs.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    queued_size_ -= size;
    if (!queue_.empty()) queued_changed_.notify_one();
    return !jobs.empty();
  }

  void store_in_time(std::vector<Job>& jobs) {
    const auto latest = std::chrono::steady_clock::now() - std::chrono::milliseconds(timeout_.count());
    const auto late =
        std::stable_partition(jobs.begin(), jobs.end(), [&](const Job& job) { return job.since > latest; });
    for (auto job = late; job != jobs.end(); ++job) {
      answer(*job, fail(Errc::inbox_locked, "the database is too slow: it waited too long"));
    }
    if (late != jobs.begin()) store(jobs.data(), jobs.data() + (late - jobs.begin()));
  }

  const std::size_t thread_count_;
  const Milliseconds timeout_;
  const std::size_t max_queued_;
  const std::size_t max_queued_size_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable queued_changed_;
  std::deque<Job> queue_;
  std::size_t queued_size_ = 0;
  bool stopping_ = false;

  std::mutex bell_mutex_;
  std::function<void()> arrived_;
};

}  // namespace mysql
}  // namespace detail
DINGCB_NAMESPACE_END
