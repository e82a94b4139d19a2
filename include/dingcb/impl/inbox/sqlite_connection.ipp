// SQLite as the inbox uses it: a connection, and statements that run many times.
#pragma once

#include <dingcb/clock.hpp>
#include <dingcb/impl/guard.ipp>
#include <dingcb/result.hpp>

#include <sqlite3.h>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// A connection, for one thread at a time.
class SqliteConnection {
 public:
  SqliteConnection() = default;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection() { sqlite3_close_v2(database_); }

  Error open(const std::string& path, Milliseconds lock_timeout) {
    path_ = path;
    create(path);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path.c_str(), &database_, flags, nullptr);
    if (code != SQLITE_OK) return error(database_ == nullptr ? code : sqlite3_extended_errcode(database_));
    sqlite3_extended_result_codes(database_, 1);
    sqlite3_busy_timeout(database_, static_cast<int>(std::clamp<std::int64_t>(lock_timeout.count(), 0, INT32_MAX)));
    return Error{};
  }

  sqlite3* get() const noexcept { return database_; }

  Error execute(const char* sql) { return error(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr)); }

  std::int64_t changes() const noexcept { return sqlite3_changes(database_); }

  /// @return Error{} for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. The message holds nothing of the events.
  Error error(int code) const {
    Errc errc = Errc::inbox_failed;
    switch (code & 0xFF) {
      case SQLITE_OK:
      case SQLITE_ROW:
      case SQLITE_DONE: return Error{};
      case SQLITE_BUSY:
      case SQLITE_LOCKED: errc = Errc::inbox_locked; break;
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB: errc = Errc::inbox_corrupt; break;
      case SQLITE_FULL: errc = Errc::inbox_full; break;
      case SQLITE_NOMEM: return fail(Errc::out_of_memory, "there is no memory");
      default: break;
    }
    std::string text = "the inbox " + path_ + ": " + sqlite3_errstr(code) + " (SQLite " + std::to_string(code);
    if (const int number = database_ == nullptr ? 0 : sqlite3_system_errno(database_);
        number != 0 && (code & 0xFF) != SQLITE_BUSY) {
      text += ", " + std::generic_category().message(number);
    }
    return Error{errc, Message(text + ')'), nullptr};
  }

  Error schema_error(std::string_view what) const {
    return Error{Errc::inbox_schema, Message("the inbox " + path_ + ": " + std::string(what)), nullptr};
  }
  Error failure(std::string_view what) const {
    return Error{Errc::inbox_failed, Message("the inbox " + path_ + ": " + std::string(what)), nullptr};
  }

 private:
  /// Makes a file that only its owner can read, since there will be customers' data in it; SQLite gives those beside it
  /// the same rights. One that is there is left alone: closing it would end the locks of this process.
  static void create(const std::string& path) noexcept {
#if defined(__unix__) || defined(__APPLE__)
    if (path.empty() || path.front() == ':') return;
    const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file >= 0) ::close(file);
#else
    static_cast<void>(path);
#endif
  }

  sqlite3* database_ = nullptr;
  std::string path_;
};

/// A statement that was prepared once and runs many times.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;
  ~SqliteStatement() { sqlite3_finalize(statement_); }

  Error prepare(const SqliteConnection& connection, std::string_view sql) {
    return connection.error(sqlite3_prepare_v3(connection.get(), sql.data(), static_cast<int>(sql.size()),
                                               SQLITE_PREPARE_PERSISTENT, &statement_, nullptr));
  }

  /// Begins a run. Texts have to live until it ends, with reset() at the latest.
  template <class... Values>
  SqliteStatement& bind(const Values&... values) noexcept {
    reset();
    int position = 0;
    (bind_one(++position, values), ...);
    return *this;
  }

  /// @return SQLITE_ROW, SQLITE_DONE, or what went wrong.
  int step() noexcept { return failed_ != SQLITE_OK ? failed_ : sqlite3_step(statement_); }
  /// Runs a statement that gives no rows.
  int run() noexcept {
    const int code = step();
    reset();
    return code;
  }
  void reset() noexcept {
    sqlite3_reset(statement_);
    failed_ = SQLITE_OK;
  }

  std::int64_t number(int column) const noexcept { return sqlite3_column_int64(statement_, column); }
  std::optional<std::int64_t> optional(int column) const noexcept {
    if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
    return number(column);
  }
  std::string text(int column) const {
    const unsigned char* const text = sqlite3_column_text(statement_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text), size);
  }

 private:
  void put_down(int code) noexcept {
    if (failed_ == SQLITE_OK) failed_ = code;
  }
  void bind_one(int position, std::int64_t value) noexcept {
    put_down(sqlite3_bind_int64(statement_, position, value));
  }
  void bind_one(int position, const std::optional<std::int64_t>& value) noexcept {
    put_down(value ? sqlite3_bind_int64(statement_, position, *value) : sqlite3_bind_null(statement_, position));
  }
  void bind_one(int position, const std::string& text) noexcept { bind_one(position, std::string_view(text)); }
  void bind_one(int position, std::string_view text) noexcept {
    // An empty view may have no address, which SQLite would take for NULL.
    put_down(sqlite3_bind_text64(statement_, position, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC,
                                 SQLITE_UTF8));
  }

  sqlite3_stmt* statement_ = nullptr;
  int failed_ = SQLITE_OK;
};

/// The result of a query for one number.
inline Error sqlite_number(const SqliteConnection& connection, std::string_view sql, std::int64_t& number) {
  SqliteStatement statement;
  if (Error error = statement.prepare(connection, sql); error.code != Errc{}) return error;
  const int code = statement.step();
  if (code == SQLITE_ROW) number = statement.number(0);
  return connection.error(code);
}

}  // namespace detail
DINGCB_NAMESPACE_END
