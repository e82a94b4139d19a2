#include "connection.hpp"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>

#include <algorithm>
#include <charconv>
#include <limits>

DINGCB_NAMESPACE_BEGIN
namespace mysql {
namespace {

// Numbers that not every version of the driver's headers names.
constexpr unsigned kNoSpaceInTable = 1114;
constexpr unsigned kConnectionKilled = 1927;
constexpr unsigned kQueryTimedOut = 1969;
constexpr unsigned kIdleTooLong = 4031;
constexpr unsigned kOnlyRead = 1290;

// How long nobody tries again after the server refused a connection, so that answers do not wait for it one by one.
constexpr std::chrono::milliseconds kRefusalHolds{250};

/// "10.11.6-MariaDB", "5.5.5-10.4.1-MariaDB" (as MariaDB says it to old clients), "8.0.36".
bool version_has_skip_locked(std::string_view version) noexcept {
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

unsigned whole_seconds(Milliseconds time) noexcept {
  const std::int64_t seconds = (std::max<std::int64_t>(time.count(), 1) + 999) / 1000;
  return static_cast<unsigned>(std::min<std::int64_t>(seconds, 3600));
}

}  // namespace

std::int64_t int_at(const Row& row, std::size_t column) noexcept {
  const std::string_view text = text_at(row, column);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_plain_name(std::string_view text) noexcept {
  return text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

bool Failure::lost() const noexcept {
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

bool Failure::again() const noexcept { return number == ER_LOCK_DEADLOCK || number == ER_LOCK_WAIT_TIMEOUT; }

Error Failure::error(std::string_view what) const {
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

Result<std::unique_ptr<Connection>> Connection::open(const MysqlServer& server, Milliseconds timeout) {
  static const bool ready = mysql_library_init(0, nullptr, nullptr) == 0;  // not safe in several threads at once
  std::unique_ptr<Connection> connection(new Connection());
  connection->handle_ = ready ? mysql_init(nullptr) : nullptr;
  MYSQL* const handle = connection->handle_;
  if (handle == nullptr) {
    return Error{Errc::out_of_memory, Message::literal("the MySQL driver has no memory for a connection"), nullptr};
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
  if (mysql_real_connect(handle, local ? "localhost" : server.host.c_str(), text_or_null(server.user),
                         server.password.c_str(), text_or_null(server.database), local ? 0 : server.port,
                         text_or_null(server.socket), 0) == nullptr) {
    return Error{Errc::inbox_failed, Message("no connection to the database: " + std::string(mysql_error(handle))),
                 nullptr};
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

Connection::~Connection() {
  if (handle_ != nullptr) mysql_close(handle_);
}

bool Connection::run(std::string_view statement, Answer& answer) {
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
  while (const MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const unsigned long* const lengths = mysql_fetch_lengths(result.get());
    Row& texts = answer.rows.emplace_back(columns);
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i] != nullptr) texts[i].emplace(row[i], lengths[i]);
    }
  }
  return true;
}

std::string Connection::literal(std::string_view front, std::string_view text) const {
  std::string literal(front.size() + 2 * text.size() + 1, '\0');
  front.copy(literal.data(), front.size());
  const unsigned long size = mysql_real_escape_string(handle_, literal.data() + front.size(), text.data(),
                                                      static_cast<unsigned long>(text.size()));
  literal.resize(front.size() + size);
  literal += '\'';
  return literal;
}

Pool::Pool(MysqlServer server, std::size_t limit, Milliseconds timeout)
    : server_(std::move(server)), limit_(std::max<std::size_t>(limit, 1)), timeout_(timeout) {
  idle_.reserve(limit_);
}

Pool::Deadline Pool::deadline_from_now() const {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_.count());
}

bool Pool::worth_repeating(const Failure& failure, bool reused, int attempt, Deadline deadline) {
  // What broke while it was idle says so at once; what timed out has used up the time.
  if (std::chrono::steady_clock::now() >= deadline) return false;
  return failure.lost() ? reused && attempt == 1 : failure.again();
}

Result<Pool::Lease> Pool::take(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!returned_.wait_until(lock, deadline, [&] { return !idle_.empty() || made_ < limit_; })) {
    return Error{Errc::inbox_locked, Message::literal("all connections to the database are busy"), nullptr};
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

void Pool::give_back(std::unique_ptr<Connection> connection) noexcept {
  bool all_broken = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (connection->broken()) {
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
DINGCB_NAMESPACE_END
