// Bodies of inbox/sqlite.hpp.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/inbox/sqlite_reader.ipp>
#include <dingcb/impl/inbox/sqlite_writer.ipp>
#include <dingcb/inbox/sqlite.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

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
  static Result<std::shared_ptr<Inbox>> open(const std::string& path, SqliteInboxOptions options) {
    const Milliseconds lock_timeout = options.lock_timeout;
    const auto inbox = std::make_shared<SqliteInbox>(std::move(options));
    Error error = inbox->queue_->writer().open(path);
    if (error.code == Errc{}) error = inbox->reader_.open(path, lock_timeout);
    if (error.code == Errc{}) error = start_threads([&] { inbox->start(); });
    if (error.code != Errc{}) return error;
    return std::shared_ptr<Inbox>(inbox);
  }

  explicit SqliteInbox(SqliteInboxOptions options)
      : queue_(std::make_shared<SqliteQueue>(std::move(options), [this] { arrived(); })) {}

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
    return fail(Errc::inbox_full, "more events than max_queued wait for their commit");
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
  return detail::SqliteInbox::open(std::string(path), std::move(options));
}

DINGCB_NAMESPACE_END
