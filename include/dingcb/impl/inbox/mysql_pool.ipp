// A pool of connections to a MySQL server, which makes broken ones again.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/inbox/mysql_connection.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

/// Connections that are handed out one user at a time.
class Pool {
 public:
  Pool(MysqlServer server, std::size_t limit, Milliseconds timeout);

  /// Calls `work(connection)`, which returns a Result<T>, in a transaction of its own and commits where it gave a
  /// value. What was rolled back in favour of others is done again; so is, once, what met a connection that had broken
  /// while it was idle: what is stored is idempotent.
  template <class T, class Work>
  Result<T> transact(std::string_view what, Work work) {
    const Deadline deadline = deadline_from_now();
    for (int attempt = 1;; ++attempt) {
      Result<Lease> lease = take(deadline);
      if (!lease) return std::move(lease).error();
      Connection& connection = **lease;
      connection.busy = true;  // also where something throws
      if (connection.run("START TRANSACTION")) {
        Result<T> result = work(connection);
        if (connection.failure().number == 0 && connection.run(result ? "COMMIT" : "ROLLBACK")) {
          connection.busy = false;
          return result;
        }
      }
      const Failure failure = connection.failure();
      connection.busy = connection.broken() || !connection.run("ROLLBACK");
      if (!worth_repeating(failure, lease->reused(), attempt, deadline)) return failure.error(what);
    }
  }

  /// The same for one statement, which is its own transaction.
  Result<Answer> run(std::string_view what, std::string_view statement) {
    return query(what, [&](const Connection&) { return statement; });
  }
  /// The same where a connection is needed to write the statement.
  /// @param patient does again what found rows locked.
  template <class Write>
  Result<Answer> query(std::string_view what, Write write, bool patient = true) {
    const Deadline deadline = deadline_from_now();
    for (int attempt = 1;; ++attempt) {
      Result<Lease> lease = take(deadline);
      if (!lease) return std::move(lease).error();
      Connection& connection = **lease;
      Answer answer;
      if (connection.run(write(connection), answer)) return answer;
      const Failure failure = connection.failure();
      if ((!patient && failure.again()) || !worth_repeating(failure, lease->reused(), attempt, deadline)) {
        return failure.error(what);
      }
    }
  }

 private:
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Connection> connection, bool reused) noexcept
        : pool_(&pool), connection_(std::move(connection)), reused_(reused) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (connection_) pool_->give_back(std::move(connection_));
    }
    Connection& operator*() const noexcept { return *connection_; }
    bool reused() const noexcept { return reused_; }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
    bool reused_;
  };

  using Deadline = std::chrono::steady_clock::time_point;

  Deadline deadline_from_now() const;
  Result<Lease> take(Deadline deadline);
  static bool worth_repeating(const Failure& failure, bool reused, int attempt, Deadline deadline);
  void give_back(std::unique_ptr<Connection> connection) noexcept;

  const MysqlServer server_;
  const std::size_t limit_;
  const Milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t made_ = 0;          // handed out or idle
  std::optional<Error> refusal_;  // of the last attempt to connect
  std::chrono::steady_clock::time_point refused_until_{};
};

// How long nobody tries again after the server refused a connection, so that answers do not wait for it one by one.
inline constexpr std::chrono::milliseconds kRefusalHolds{250};

inline Pool::Pool(MysqlServer server, std::size_t limit, Milliseconds timeout)
    : server_(std::move(server)), limit_(std::max<std::size_t>(limit, 1)), timeout_(timeout) {
  idle_.reserve(limit_);
}

inline Pool::Deadline Pool::deadline_from_now() const {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_.count());
}

inline bool Pool::worth_repeating(const Failure& failure, bool reused, int attempt, Deadline deadline) {
  // What broke while it was idle says so at once; what timed out has used up the time.
  if (std::chrono::steady_clock::now() >= deadline) return false;
  return failure.lost() ? reused && attempt == 1 : failure.again();
}

inline Result<Pool::Lease> Pool::take(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!returned_.wait_until(lock, deadline, [&] { return !idle_.empty() || made_ < limit_; })) {
    return detail::fail(Errc::inbox_locked, "all connections to the database are busy");
  }
  if (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return Lease(*this, std::move(connection), true);
  }
  if (refusal_ && std::chrono::steady_clock::now() < refused_until_) return *refusal_;
  ++made_;
  lock.unlock();
  Result<std::unique_ptr<Connection>> connection = Connection::open(server_, timeout_);
  lock.lock();
  if (connection) {
    refusal_.reset();
    return Lease(*this, *std::move(connection), false);
  }
  --made_;
  refusal_ = connection.error();
  refused_until_ = std::chrono::steady_clock::now() + kRefusalHolds;
  lock.unlock();
  returned_.notify_one();
  return connection.error();
}

inline void Pool::give_back(std::unique_ptr<Connection> connection) noexcept {
  bool all_broken = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (connection->busy && !connection->broken()) {
      --made_;
      connection.reset();
    } else if (connection->broken()) {
      // What broke one has broken those that are idle, too, as a rule.
      made_ -= 1 + idle_.size();
      idle_.clear();
      all_broken = true;
    } else {
      idle_.push_back(std::move(connection));
    }
  }
  if (all_broken) {
    returned_.notify_all();
  } else {
    returned_.notify_one();
  }
}

}  // namespace mysql
}  // namespace detail
DINGCB_NAMESPACE_END
