// The tables into which DingTalk writes, and how a database without DingTalk comes to have them.
#pragma once

#include <dingcb/impl/inbox/mysql_connection.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

struct Table {
  std::string_view name;
  std::string_view tag;  // in ids
};
inline constexpr std::array<Table, 2> kTables{
    {{"open_sync_biz_data", "high"}, {"open_sync_biz_data_medium", "medium"}}};

// As DingTalk's documents describe them.
inline constexpr std::string_view kTableBody =
    " (\n"
    "  id BIGINT NOT NULL AUTO_INCREMENT,\n"
    "  gmt_create DATETIME NOT NULL,\n"
    "  gmt_modified DATETIME NOT NULL,\n"
    "  subscribe_id VARCHAR(64) NOT NULL,\n"
    "  corp_id VARCHAR(64) NOT NULL,\n"
    "  biz_id VARCHAR(128) NOT NULL,\n"
    "  biz_type INT NOT NULL,\n"
    "  biz_data TEXT NOT NULL,\n"
    "  open_cursor BIGINT NOT NULL,\n"
    "  status INT NOT NULL,\n"
    "  PRIMARY KEY (id),\n"
    "  UNIQUE KEY uk_subscribe_corp_biz (subscribe_id, corp_id, biz_id, biz_type)\n"
    ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
inline constexpr std::string_view kIndex = "dingcb_status";

// status: 0 new, 1 done, 2 to 99 claimed as many times less one, 100 and more given up after as many attempts less 100.
inline constexpr std::int64_t kDone = 1;
inline constexpr std::int64_t kLastAlive = 99;
inline constexpr std::int64_t kDead = 100;
inline constexpr std::string_view kAlive = "(status = 0 OR status BETWEEN 2 AND 99)";

/// A DATETIME as milliseconds since 1970, read as if it were UTC. No time zone of the session has a part in it.
inline std::string naive_ms(std::string_view column) {
  return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', " + std::string(column) + ") DIV 1000";
}

inline std::string id_of(std::size_t table, std::int64_t id) {
  return std::string(kTables[table].tag) + '/' + std::to_string(id);
}

struct RowName {
  std::size_t table;
  std::int64_t id;
};
inline std::optional<RowName> name_of(std::string_view text) noexcept {
  for (std::size_t table = 0; table < kTables.size(); ++table) {
    const std::string_view tag = kTables[table].tag;
    if (text.size() <= tag.size() || text.substr(0, tag.size()) != tag || text[tag.size()] != '/') continue;
    const std::string_view digits = text.substr(tag.size() + 1);
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (error == std::errc{} && end == digits.data() + digits.size()) return RowName{table, id};
  }
  return std::nullopt;
}

}  // namespace mysql
}  // namespace detail

DINGCB_INLINE Result<bool> setup_rds_inbox(const RdsInboxOptions& options, bool index) {
  if (Error error = detail::mysql::check_prefix(options.prefix); error.code != Errc{}) return error;
  auto opened = detail::mysql::Connection::open(options.server, options.server.work_timeout);
  if (!opened) return opened.error();
  detail::mysql::Connection& connection = **opened;
  const auto failure = [&] { return connection.failure().error("set up the tables of RDS push"); };
  if (!connection.run("CREATE TABLE IF NOT EXISTS " + options.prefix +
                      "rds_reader (\n"
                      "  subscribe_id VARBINARY(64) NOT NULL,\n"
                      "  owner VARBINARY(64) NOT NULL,\n"
                      "  until_ms BIGINT NOT NULL,\n"
                      "  PRIMARY KEY (subscribe_id)\n"
                      ") ENGINE=InnoDB")) {
    return failure();
  }
  for (const detail::mysql::Table& table : detail::mysql::kTables) {
    const std::string name(table.name);
    if (!connection.run("CREATE TABLE IF NOT EXISTS " + name + std::string(detail::mysql::kTableBody)))
      return failure();
    detail::mysql::Answer there;
    const std::string key(detail::mysql::kIndex);
    std::string search =
        "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = '";
    search.append(name).append("' AND index_name = '").append(key).append("' LIMIT 1");
    if (!connection.run(search, there)) {
      return failure();
    }
    std::string alter = "ALTER TABLE ";
    alter.append(name).append(" ADD KEY ").append(key).append(" (subscribe_id, status, id)");
    if (index && there.rows.empty() && !connection.run(alter)) {
      return failure();
    }
  }
  return true;
}

DINGCB_NAMESPACE_END
