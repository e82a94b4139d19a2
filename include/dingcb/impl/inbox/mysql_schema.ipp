// The tables of an inbox over MySQL, and how a database comes to have them.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/inbox/mysql_connection.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

/// Each step, one statement, makes of one schema the next; the table `schema` counts those that were taken. Never
/// change one that was released. `%` is the prefix.
///
/// Statements that change tables commit by themselves, so that a set-up may end between a step and its count; the next
/// one takes the step again. One that finds what it adds, or misses what it drops, counts as taken: see is_taken(). One
/// that changes rows must come to the same when it runs twice, and nothing may be renamed.
inline constexpr std::array<std::string_view, 2> kSteps{
    // Texts are bytes here: what is equal in a collation is not equal in DingTalk. They may be of any length, so that
    // the keys are SHA-256 digests of theirs. `lane` is NULL where the order does not matter.
    "CREATE TABLE IF NOT EXISTS %inbox (\n"
    "  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,\n"
    "  dedup BINARY(32) NOT NULL,\n"
    "  lane BINARY(32) NULL,\n"
    "  twin BINARY(32) NULL,\n"
    "  state TINYINT UNSIGNED NOT NULL,\n"
    "  due BIGINT NOT NULL,\n"
    "  token BIGINT UNSIGNED NOT NULL DEFAULT 0,\n"
    "  attempts INT UNSIGNED NOT NULL DEFAULT 0,\n"
    "  stored_ms BIGINT NOT NULL,\n"
    "  ended_ms BIGINT NOT NULL DEFAULT 0,\n"
    "  born_ms BIGINT NULL,\n"
    "  source TINYINT UNSIGNED NOT NULL,\n"
    "  type BLOB NOT NULL,\n"
    "  corp_id BLOB NOT NULL,\n"
    "  dedup_key MEDIUMBLOB NOT NULL,\n"
    "  ordering_key MEDIUMBLOB NOT NULL,\n"
    "  latest_key MEDIUMBLOB NOT NULL,\n"
    "  body LONGBLOB NOT NULL,\n"
    "  why BLOB NOT NULL,\n"
    "  PRIMARY KEY (id),\n"
    "  UNIQUE KEY dedup (dedup),\n"
    "  KEY due (state, due),\n"
    "  KEY lane (state, lane, id),\n"
    "  KEY twin (twin),\n"
    "  KEY ended (state, ended_ms)\n"
    ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    "CREATE TABLE IF NOT EXISTS %latest (\n"
    "  name BINARY(32) NOT NULL,\n"
    "  born_ms BIGINT NULL,\n"
    "  source TINYINT UNSIGNED NOT NULL,\n"
    "  type BLOB NOT NULL,\n"
    "  corp_id BLOB NOT NULL,\n"
    "  dedup_key MEDIUMBLOB NOT NULL,\n"
    "  ordering_key MEDIUMBLOB NOT NULL,\n"
    "  latest_key MEDIUMBLOB NOT NULL,\n"
    "  body LONGBLOB NOT NULL,\n"
    "  PRIMARY KEY (name)\n"
    ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
};
inline constexpr int kVersion = static_cast<int>(kSteps.size());
inline constexpr std::string_view kSchemaTable =
    "CREATE TABLE IF NOT EXISTS %schema (\n"
    "  one TINYINT NOT NULL,\n"
    "  version INT NOT NULL,\n"
    "  PRIMARY KEY (one)\n"
    ") ENGINE=InnoDB";

inline std::string with_prefix(std::string_view statement, std::string_view prefix) {
  std::string text;
  for (const char c : statement) {
    if (c == '%') {
      text += prefix;
    } else {
      text += c;
    }
  }
  return text;
}

inline std::string set_version(std::string_view prefix, int version) {
  return with_prefix("REPLACE INTO %schema (one, version) VALUES (1, " + std::to_string(version) + ")", prefix);
}

/// @param known how many steps this release has.
inline Result<int> known_version(const Answer& answer, int known) {
  const int version = answer.rows.empty() ? 0 : static_cast<int>(int_at(answer.rows.front(), 0));
  if (version >= 0 && version <= known) return version;
  return fail(Errc::inbox_schema, "the tables have version " + std::to_string(version) + " and this release knows " +
                                      std::to_string(known) + ": they were made by a newer one");
}

/// Whether a step failed because it was taken before.
inline bool is_taken(const Failure& failure) noexcept {
  switch (failure.number) {
    case ER_TABLE_EXISTS_ERROR:
    case ER_BAD_TABLE_ERROR:
    case ER_DUP_FIELDNAME:
    case ER_DUP_KEYNAME:
    case ER_CANT_DROP_FIELD_OR_KEY: return true;
    default: return false;
  }
}

/// Takes the steps that are missing; nobody else must, meanwhile.
/// @return the version that was found.
template <std::size_t kCount>
Result<int> take_steps(Connection& connection, std::string_view prefix,
                       const std::array<std::string_view, kCount>& steps) {
  const auto failure = [&] { return connection.failure().error("set up its tables"); };
  Answer answer;
  if (!connection.run(with_prefix(kSchemaTable, prefix)) ||
      !connection.run(with_prefix("SELECT version FROM %schema WHERE one = 1", prefix), answer)) {
    return failure();
  }
  Result<int> found = known_version(answer, static_cast<int>(kCount));
  if (!found) return found;
  for (std::size_t taken = static_cast<std::size_t>(*found); taken < kCount; ++taken) {
    if (!connection.run(with_prefix(steps[taken], prefix)) && !is_taken(connection.failure())) return failure();
    if (!connection.run(set_version(prefix, static_cast<int>(taken) + 1))) return failure();
  }
  return found;
}

}  // namespace mysql
}  // namespace detail

DINGCB_INLINE std::string mysql_inbox_schema(std::string_view prefix) {
  std::string script = detail::mysql::with_prefix(detail::mysql::kSchemaTable, prefix) + ";\n";
  for (const std::string_view step : detail::mysql::kSteps) script += detail::mysql::with_prefix(step, prefix) + ";\n";
  return script + detail::mysql::set_version(prefix, detail::mysql::kVersion) + ";\n";
}

DINGCB_INLINE Result<int> setup_mysql_inbox(const MysqlInboxOptions& options) {
  if (Error error = detail::mysql::check_prefix(options.prefix); error.code != Errc{}) return error;
  auto opened = detail::mysql::Connection::open(options.server, options.server.work_timeout);
  if (!opened) return opened.error();
  detail::mysql::Connection& connection = **opened;
  detail::mysql::Answer answer;
  // It goes with the connection. Statements that make tables commit by themselves, so that no transaction can keep two
  // set-ups apart.
  const std::string lock = "CONCAT('dingcb/', SHA1(CONCAT_WS('/', DATABASE(), '" + options.prefix + "')))";
  const std::int64_t patience = std::max<std::int64_t>(options.server.work_timeout.count() / 1000 - 1, 0);
  if (!connection.run("SELECT GET_LOCK(" + lock + ", " + std::to_string(patience) + ")", answer)) {
    return connection.failure().error("set up its tables");
  }
  if (detail::mysql::int_at(answer.rows.front(), 0) != 1) {
    return detail::fail(Errc::inbox_locked, "another set-up of the same tables takes too long");
  }
  return detail::mysql::take_steps(connection, options.prefix, detail::mysql::kSteps);
}

DINGCB_NAMESPACE_END
