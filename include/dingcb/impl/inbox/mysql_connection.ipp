// A connection to a MySQL server.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {
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
  /// Whether a transaction is open, which must not be left to whoever has the connection next.
  bool busy = false;

  /// Gives a text as a literal of bytes, for a statement on this connection.
  std::string quote(std::string_view text) const { return literal("_binary'", text); }
  /// Gives a text in UTF-8 as a literal, to be compared as the column's collation says.
  std::string quote_text(std::string_view text) const { return literal("'", text); }

  bool has_skip_locked() const noexcept { return skip_locked_; }
  std::uint64_t max_packet() const noexcept { return max_packet_; }

 private:
  Connection() noexcept = default;
  std::string literal(std::string_view front, std::string_view text) const;

  MYSQL* handle_ = nullptr;
  Failure failure_;
  bool skip_locked_ = false;
  std::uint64_t max_packet_ = 0;
};

/// Gives Errc{} where a text may stand in front of the names of tables.
Error check_prefix(std::string_view prefix) noexcept;

/// Stands, within a transaction, for the failure that the connection knows more about.
inline Error failed() noexcept { return Error{Errc::inbox_failed, Message(), nullptr}; }

/// The server's time in milliseconds since 1970, as an SQL expression.
inline constexpr std::string_view kNow = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";
/// The same by a clock; the server's where there is none.
inline std::string now_by(const std::shared_ptr<const Clock>& clock) {
  return clock ? std::to_string(clock->unix_ms()) : std::string(kNow);
}

// Numbers that not every version of the driver's headers names.
inline constexpr unsigned kNoSpaceInTable = 1114;
inline constexpr unsigned kConnectionKilled = 1927;
inline constexpr unsigned kQueryTimedOut = 1969;
inline constexpr unsigned kIdleTooLong = 4031;
inline constexpr unsigned kOnlyRead = 1290;

/// "10.11.6-MariaDB", "5.5.5-10.4.1-MariaDB" (as MariaDB says it to old clients), "8.0.36".
inline bool version_has_skip_locked(std::string_view version) noexcept {
  const bool mariadb = version.find("MariaDB") != std::string_view::npos;
  if (mariadb && version.substr(0, 6) == "5.5.5-") version.remove_prefix(6);
  unsigned numbers[3] = {0, 0, 0};
  const char* next = version.data();
  const char* const end = version.data() + version.size();
  for (unsigned& number : numbers) {
    const auto [stopped, error] = std::from_chars(next, end, number);
    if (error != std::errc{}) break;
    next = stopped;
    if (next == end || *next != '.') break;
    ++next;
  }
  const unsigned whole = numbers[0] * 10000 + numbers[1] * 100 + numbers[2];
  return whole >= (mariadb ? 100600 : 80001);
}

inline unsigned whole_seconds(Milliseconds time) noexcept {
  const std::int64_t seconds = (std::max<std::int64_t>(time.count(), 1) + 999) / 1000;
  return static_cast<unsigned>(std::min<std::int64_t>(seconds, 3600));
}

inline std::int64_t int_at(const Row& row, std::size_t column) noexcept {
  const std::string_view text = text_at(row, column);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

inline Error check_prefix(std::string_view prefix) noexcept {
  const bool plain = std::all_of(prefix.begin(), prefix.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (plain && prefix.size() <= 40) return Error{};
  return detail::fail(Errc::inbox_schema,
                      "the prefix of the tables has other characters than letters, digits and '_', or more than 40");
}

inline bool Failure::lost() const noexcept {
  switch (number) {
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_MALFORMED_PACKET:
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_NET_PACKET_TOO_LARGE:  // the server hangs up
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_QUERY_INTERRUPTED:
    case kConnectionKilled:
    case kIdleTooLong: return true;
    default: return false;
  }
}

inline bool Failure::again() const noexcept { return number == ER_LOCK_DEADLOCK || number == ER_LOCK_WAIT_TIMEOUT; }

inline Error Failure::error(std::string_view what) const {
  std::string text = "the database failed to " + std::string(what) + " (MySQL error " + std::to_string(number);
  Errc code = Errc::inbox_failed;
  switch (number) {
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
    case kQueryTimedOut:
      code = Errc::inbox_locked;
      text += ": another transaction holds its rows for too long)";
      break;
    case ER_DISK_FULL:
    case ER_OUTOFMEMORY:
    case ER_LOCK_TABLE_FULL:
    case kNoSpaceInTable:
      code = Errc::inbox_full;
      text += ": the server has no room)";
      break;
    case ER_NO_SUCH_TABLE:
    case ER_BAD_FIELD_ERROR:
      code = Errc::inbox_schema;
      text += ": the tables are missing or other ones; run setup_mysql_inbox() or setup_rds_inbox())";
      break;
    case ER_CRASHED_ON_USAGE:
    case ER_CRASHED_ON_REPAIR:
    case ER_INDEX_CORRUPT:
    case ER_NOT_KEYFILE:
      code = Errc::inbox_corrupt;
      text += ": a table is damaged)";
      break;
    case ER_NET_PACKET_TOO_LARGE:
    case CR_NET_PACKET_TOO_LARGE: text += ": an event is larger than max_allowed_packet)"; break;
    case kOnlyRead: text += ": the server only reads, as a replica does)"; break;
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST: text += ": the connection broke, or no answer came in time)"; break;
    default: text += ")"; break;
  }
  return {code, Message(std::move(text)), nullptr};
}

inline Result<std::unique_ptr<Connection>> Connection::open(const MysqlServer& server, Milliseconds timeout) {
  static const bool ready = mysql_library_init(0, nullptr, nullptr) == 0;  // not safe in several threads at once
  std::unique_ptr<Connection> connection(new Connection());
  connection->handle_ = ready ? mysql_init(nullptr) : nullptr;
  MYSQL* const handle = connection->handle_;
  if (handle == nullptr) {
    return detail::fail(Errc::out_of_memory, "the MySQL driver has no memory for a connection");
  }
  const unsigned seconds = whole_seconds(timeout);
  const unsigned no = 0;
  mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &seconds);
  mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
  mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &no);
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (!server.tls_ca_file.empty()) {
    const my_bool yes = 1;
    mysql_ssl_set(handle, nullptr, nullptr, server.tls_ca_file.c_str(), nullptr, nullptr);
    mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &yes);
    mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  }
  const auto text_or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
  const bool local = !server.socket.empty();
  // Or else the driver would take "localhost" for a socket that it knows of.
  const unsigned protocol = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(handle, MYSQL_OPT_PROTOCOL, &protocol);
  if (mysql_real_connect(handle, local ? "localhost" : server.host.c_str(), text_or_null(server.user),
                         server.password.c_str(), text_or_null(server.database), local ? 0 : server.port,
                         text_or_null(server.socket), 0) == nullptr) {
    std::string text = "no connection to the database: " + std::string(mysql_error(handle));
    if (!server.tls_ca_file.empty() && mysql_errno(handle) == CR_SSL_CONNECTION_ERROR) {
      text += std::ifstream(server.tls_ca_file)
                  ? "; the server needs a certificate for the host " + (local ? "localhost" : server.host) +
                        " that an authority in " + server.tls_ca_file + " (tls_ca_file) has signed"
                  : "; the file " + server.tls_ca_file + " (tls_ca_file) cannot be read";
    }
    return Error{Errc::inbox_failed, Message(std::move(text)), nullptr};
  }
  const std::string version = mysql_get_server_info(handle);
  connection->skip_locked_ = version_has_skip_locked(version);
  Answer answer;
  // READ COMMITTED: under REPEATABLE READ, a search for what is due would lock the gaps into which others insert.
  // The mode decides what a backslash means, and that a text that does not fit is an error.
  for (const char* const statement :
       {"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET SESSION innodb_lock_wait_timeout = 1",
        "SELECT @@max_allowed_packet"}) {
    if (!connection->run(statement, answer)) return connection->failure().error("prepare a connection");
  }
  if (!answer.rows.empty()) connection->max_packet_ = static_cast<std::uint64_t>(int_at(answer.rows.front(), 0));
  return connection;
}

inline Connection::~Connection() {
  if (handle_ != nullptr) mysql_close(handle_);
}

inline bool Connection::run(std::string_view statement, Answer& answer) {
  answer = {};
  failure_ = {};
  const auto fail = [&] {
    failure_.number = std::max(mysql_errno(handle_), 1U);
    return false;
  };
  if (mysql_real_query(handle_, statement.data(), statement.size()) != 0) return fail();
  const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> result(mysql_store_result(handle_), mysql_free_result);
  if (result == nullptr) {
    if (mysql_field_count(handle_) != 0) return fail();
    answer.affected = mysql_affected_rows(handle_);
    return true;
  }
  const unsigned columns = mysql_num_fields(result.get());
  answer.rows.reserve(static_cast<std::size_t>(mysql_num_rows(result.get())));
  while (char** const row = mysql_fetch_row(result.get())) {
    const unsigned long* const lengths = mysql_fetch_lengths(result.get());
    Row& texts = answer.rows.emplace_back(columns);
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i] != nullptr) texts[i].emplace(row[i], lengths[i]);
    }
  }
  return true;
}

inline std::string Connection::literal(std::string_view front, std::string_view text) const {
  std::string literal(front.size() + 2 * text.size() + 1, '\0');
  front.copy(literal.data(), front.size());
  const unsigned long size = mysql_real_escape_string(handle_, literal.data() + front.size(), text.data(),
                                                      static_cast<unsigned long>(text.size()));
  literal.resize(front.size() + size);
  literal += '\'';
  return literal;
}

}  // namespace mysql
}  // namespace detail
DINGCB_NAMESPACE_END
