#include "stores.hpp"

#include <dingcb/inbox/mysql.hpp>
#include <dingcb/inbox/sqlite.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

namespace command {

namespace {

// What is discarded by these needs no library: the headers are there in any case.
constexpr bool kHasSqlite = DINGCB_COMMAND_SQLITE != 0;
constexpr bool kHasMysql = DINGCB_COMMAND_MYSQL != 0;

[[noreturn]] void not_built(const std::string& database, const std::string& package) {
  throw Failure(kInput, "this dingcb was built without " + database,
                "build it again where that is found (Debian: " + package + ")");
}

void check_prefix(const std::string& prefix) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (prefix.size() > 40 || !std::all_of(prefix.begin(), prefix.end(), plain)) {
    throw Failure(kInput, "the prefix of the tables has other characters than letters, digits and '_', or more than 40",
                  "give another --prefix; without one it is dingcb_");
  }
}

/// HOST, HOST:PORT, [IPV6]:PORT, or the path of a socket.
void read_place(const std::string& place, dingcb::MysqlServer& server) {
  if (place.find('/') != std::string::npos) {
    server.socket = place;
    return;
  }
  const std::size_t bracket = place.find(']');
  const std::size_t colon = place.find(':', bracket == std::string::npos ? 0 : bracket);
  const bool bare_ipv6 = bracket == std::string::npos && colon != place.rfind(':');
  const std::size_t end = bare_ipv6 ? std::string::npos : colon;
  server.host = place.substr(0, end);
  if (bracket != std::string::npos && server.host.front() == '[') {
    server.host = server.host.substr(1, server.host.find(']') - 1);
  }
  if (end == std::string::npos) return;
  const char* const last = place.data() + place.size();
  const auto [stopped, error] = std::from_chars(place.data() + end + 1, last, server.port);
  if (error != std::errc{} || stopped != last || server.port == 0 || server.host.empty()) {
    throw Failure(kInput, "there is no MySQL server at " + place, "write HOST, HOST:PORT, or the path of a socket");
  }
}

dingcb::MysqlServer server_of(const StoreFlags& flags, const InboxSettings& inbox) {
  dingcb::MysqlServer server;
  read_place(inbox.mysql, server);
  server.user = inbox.user;
  server.password = inbox.password;
  server.database = inbox.database;
  server.tls_ca_file = inbox.tls_ca;
  server.put_connections = 1;
  server.work_timeout = dingcb::Milliseconds(std::int64_t{flags.timeout_s} * 1000);
  return server;
}

[[maybe_unused]] dingcb::MysqlInboxOptions mysql_options(const StoreFlags& flags, const InboxSettings& inbox) {
  dingcb::MysqlInboxOptions options;
  options.server = server_of(flags, inbox);
  if (!inbox.prefix.empty()) options.prefix = inbox.prefix;
  return options;
}

[[maybe_unused]] dingcb::RdsInboxOptions rds_options(const StoreFlags& flags, const InboxSettings& inbox) {
  dingcb::RdsInboxOptions options;
  options.server = server_of(flags, inbox);
  options.subscribe_ids = flags.subscribe_ids;
  options.utc_offset_minutes = flags.utc_offset_minutes;
  if (!inbox.prefix.empty()) options.prefix = inbox.prefix;
  return options;
}

[[maybe_unused]] dingcb::SqliteInboxOptions sqlite_options(const StoreFlags& flags) {
  dingcb::SqliteInboxOptions options;
  options.lock_timeout = dingcb::Milliseconds(std::int64_t{flags.timeout_s} * 1000);
  return options;
}

}  // namespace

void add_store(CLI::App& verb, StoreFlags& flags) {
  const char* const group = "Inbox";
  auto* const sqlite =
      verb.add_option("--sqlite", flags.inbox.sqlite, "File of an SQLite inbox; otherwise DINGCB_SQLITE")
          ->type_name("FILE")
          ->group(group);
  verb.add_option("--mysql", flags.inbox.mysql,
                  "MySQL or MariaDB server, as HOST, HOST:PORT, or path of a socket; otherwise DINGCB_MYSQL")
      ->type_name("SERVER")
      ->excludes(sqlite)
      ->group(group);
  verb.add_option("--database", flags.inbox.database, "Database of that server; otherwise DINGCB_MYSQL_DATABASE")
      ->type_name("NAME")
      ->group(group);
  verb.add_option("--user", flags.inbox.user, "Account; otherwise DINGCB_MYSQL_USER, or that of the shell")
      ->type_name("NAME")
      ->group(group);
  verb.add_option("--password-file", flags.password_file,
                  "File with the account's password, or - for stdin; otherwise DINGCB_MYSQL_PASSWORD")
      ->type_name("FILE")
      ->group(group);
  verb.add_option("--prefix", flags.inbox.prefix,
                  "In front of the names of the tables; otherwise DINGCB_MYSQL_PREFIX, or dingcb_")
      ->type_name("TEXT")
      ->group(group);
  verb.add_option("--tls-ca", flags.inbox.tls_ca,
                  "PEM file with the certificates to trust: insists on TLS; otherwise DINGCB_MYSQL_CA")
      ->type_name("FILE")
      ->group(group);
  verb.add_option("--timeout", flags.timeout_s, "How long to wait for the database")
      ->check(CLI::Range(1, 3600))
      ->type_name("SECONDS")
      ->capture_default_str()
      ->group(group);
  auto* const rds =
      verb.add_flag("--rds", flags.rds, "The tables of DingTalk's RDS push in that database")->group(group);
  verb.add_option("--subscribe-id", flags.subscribe_ids, "Whose rows; may be repeated")
      ->type_name("TEXT")
      ->needs(rds)
      ->allow_extra_args(false)  // what follows is an id
      ->group(group);
  verb.add_option("--utc-offset", flags.utc_offset_minutes, "Zone of the times in these tables, east of UTC")
      ->check(CLI::Range(-720, 840))
      ->type_name("MINUTES")
      ->needs(rds)
      ->capture_default_str()
      ->group(group);
  add_config(verb, flags.config);
}

Store::Store(const StoreFlags& flags) : flags_(flags) {
  if (!flags_.password_file.empty()) {
    flags_.inbox.password = content_of(flags_.password_file);
    std::string& password = flags_.inbox.password;
    while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) password.pop_back();
  }
  inbox_ = complete_inbox_settings(flags_.inbox, flags_.config);
  if (is_sqlite()) {
    if (!kHasSqlite) not_built("SQLite", "libsqlite3-dev");
    if (flags_.rds) throw Failure(kUsage, "RDS push writes to MySQL, not to SQLite", "name the server with --mysql");
    return;
  }
  if (inbox_.mysql.empty()) {
    throw Failure(kInput, "no inbox is named",
                  "set DINGCB_SQLITE or DINGCB_MYSQL, or give --sqlite FILE or --mysql HOST[:PORT]");
  }
  if (!kHasMysql) not_built("MySQL", "libmariadb-dev");
  check_prefix(inbox_.prefix);
  if (inbox_.database.empty()) {
    throw Failure(kInput, "no database is named", "set DINGCB_MYSQL_DATABASE or give --database");
  }
}

std::shared_ptr<dingcb::Inbox> Store::open() const {
  if (is_sqlite()) {
    std::error_code ignored;
    if (!std::filesystem::exists(inbox_.sqlite, ignored)) {  // the library would make it
      throw Failure(kInput, "there is no file " + inbox_.sqlite, "to make an inbox: dingcb inbox setup --sqlite FILE");
    }
    if constexpr (kHasSqlite) return need(dingcb::open_sqlite_inbox(inbox_.sqlite, sqlite_options(flags_)));
  } else if (!flags_.rds) {
    if constexpr (kHasMysql) return need(dingcb::open_mysql_inbox(mysql_options(flags_, inbox_)));
  } else {
    if (flags_.subscribe_ids.empty()) {
      throw Failure(kUsage, "whose rows of RDS push is not said", "give --subscribe-id: the suite id and _0");
    }
    if constexpr (kHasMysql) return need(dingcb::open_rds_inbox(rds_options(flags_, inbox_)));
  }
  return nullptr;  // the constructor has refused it
}

std::optional<Versions> Store::setup(bool index) const {
  if (is_sqlite()) {
    if constexpr (kHasSqlite) need(dingcb::open_sqlite_inbox(inbox_.sqlite, sqlite_options(flags_)));
  } else if (flags_.rds) {
    if constexpr (kHasMysql) need(dingcb::setup_rds_inbox(rds_options(flags_, inbox_), index));
  } else {
    if constexpr (kHasMysql) {
      const dingcb::MysqlInboxOptions options = mysql_options(flags_, inbox_);
      Versions versions;
      versions.found = need(dingcb::setup_mysql_inbox(options));
      versions.now = need(dingcb::setup_mysql_inbox(options));
      return versions;
    }
  }
  return std::nullopt;
}

void Store::fail(const dingcb::Error& error) const {
  Exit exit = is_sqlite() ? kInput : kUnreachable;
  std::string advice;
  switch (error.code) {
    case dingcb::Errc::inbox_schema:
      exit = kInput;
      advice = is_sqlite() ? "name another file, or run the release that made it"
                           : "dingcb inbox setup makes tables that are missing, and brings older ones up to date";
      break;
    case dingcb::Errc::inbox_failed:
      advice = is_sqlite() ? "see that the file and its folder can be written"
                           : "check --mysql, --user and its rights, the password and --database";
      break;
    case dingcb::Errc::inbox_locked:
      advice = "somebody else is at work there; try again, or give more --timeout";
      break;
    case dingcb::Errc::out_of_memory: exit = kInternal; break;
    default:
      exit = kInput;
      advice = "see docs/errors.md";
      break;
  }
  throw Failure(exit, error.message.str(), advice);
}

std::string mysql_schema(const StoreFlags& flags) {
  if (!kHasMysql) not_built("MySQL", "libmariadb-dev");
  const std::string prefix = complete_inbox_settings(flags.inbox, flags.config).prefix;
  check_prefix(prefix);
  if constexpr (kHasMysql) return prefix.empty() ? dingcb::mysql_inbox_schema() : dingcb::mysql_inbox_schema(prefix);
  return {};
}

}  // namespace command
