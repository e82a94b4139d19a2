// Connections to a MySQL server, and a pool of them that makes broken ones again.
#pragma once

#include <dingcb/inbox/mysql.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct st_mysql;  // MYSQL, whose header stays in connection.cpp

DINGCB_NAMESPACE_BEGIN
namespace mysql {

/// A row of an answer; nothing where a column is NULL.
using Row = std::vector<std::optional<std::string>>;

inline std::string_view text_at(const Row& row, std::size_t column) noexcept {
  return column < row.size() && row[column] ? std::string_view(*row[column]) : std::string_view();
}
std::int64_t int_at(const Row& row, std::size_t column) noexcept;

/// What a statement came to.
struct Answer {
  std::vector<Row> rows;
  std::uint64_t affected = 0;  ///< Rows that were changed.
};

/// Why a statement failed. The server's text is not kept: it may quote what was stored.
struct Failure {
  unsigned number = 0;          ///< The server's, or the driver's (2000 to 2999, 5000 and above).
  bool lost() const noexcept;   ///< The connection is gone; whether the statement was carried out is not known.
  bool again() const noexcept;  ///< The transaction was rolled back for the sake of another one: do it again.
  Error error(std::string_view what) const;
};

class Connection {
 public:
  /// @error inbox_failed, with the server's or driver's reason: it names accounts and hosts, nothing that was stored.
  static Result<std::unique_ptr<Connection>> open(const MysqlServer& server, Milliseconds timeout);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Runs a statement. @return false where it failed, see failure().
  bool run(std::string_view statement, Answer& answer);
  bool run(std::string_view statement) {
    Answer ignored;
    return run(statement, ignored);
  }
  const Failure& failure() const noexcept { return failure_; }
  bool broken() const noexcept { return failure_.lost(); }

  /// Gives a text as a literal of bytes, for a statement on this connection.
  std::string quote(std::string_view text) const { return literal("_binary'", text); }
  /// Gives a text in UTF-8 as a literal, to be compared as the column's collation says.
  std::string quote_text(std::string_view text) const { return literal("'", text); }

  bool has_skip_locked() const noexcept { return skip_locked_; }
  std::uint64_t max_packet() const noexcept { return max_packet_; }

 private:
  Connection() noexcept = default;
  std::string literal(std::string_view front, std::string_view text) const;

  st_mysql* handle_ = nullptr;
  Failure failure_;
  bool skip_locked_ = false;
  std::uint64_t max_packet_ = 0;
};

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
      if (connection.run("START TRANSACTION")) {
        Result<T> result = work(connection);
        if (connection.failure().number == 0 && connection.run(result ? "COMMIT" : "ROLLBACK")) return result;
      }
      const Failure failure = connection.failure();
      if (!connection.broken()) static_cast<void>(connection.run("ROLLBACK"));
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

/// Tells whether a text may stand in the name of a table.
bool is_plain_name(std::string_view text) noexcept;

/// The server's time in milliseconds since 1970, as an SQL expression.
constexpr std::string_view kNow = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";

}  // namespace mysql
DINGCB_NAMESPACE_END
