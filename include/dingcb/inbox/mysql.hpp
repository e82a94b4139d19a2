// An Inbox over MySQL or MariaDB, shared by any number of processes and machines; and one over the tables into which
// DingTalk writes (RDS push). A component of its own (`mysql`).
#pragma once

#include <dingcb/clock.hpp>
#include <dingcb/detail/function.hpp>
#include <dingcb/inbox.hpp>
#include <dingcb/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// Where a database is, and how long it may take.
struct MysqlServer {
  std::string host = "127.0.0.1";
  std::uint16_t port = 3306;
  std::string socket{};  ///< Path of a Unix socket; used in place of host and port where it is not empty.
  std::string user{};
  std::string password{};
  std::string database{};
  /// PEM file with the certificates that are trusted; not empty: TLS, with the server's name checked.
  std::string tls_ca_file{};
  /// Threads that store what is put, each with a connection; at least 1. While one waits for the server's disk, the
  /// next one collects, and InnoDB lets them share a sync.
  std::size_t put_connections = 4;
  /// Most connections of all other calls, which never hold up put().
  std::size_t work_connections = 4;
  /// How long put() waits at most, and put_later() lets something wait before it refuses it unstored. What put() gave
  /// up while it was under way may be stored all the same.
  Milliseconds put_timeout{1000};
  /// How long all other calls wait for a free connection, for a new one, and for each answer of the server. The driver
  /// counts in whole seconds, so that less than one is one for the latter two.
  Milliseconds work_timeout{15000};
};

/// Settings of an inbox over MySQL.
struct MysqlInboxOptions {
  MysqlServer server;
  /// In front of the names of the tables: letters, digits and `_`. Another one for each inbox of a database.
  std::string prefix = "dingcb_";
  /// Most events that may be pending; more are refused with inbox_full. They are counted once a second, or less often
  /// where that takes long, so that it may be exceeded by what other processes store meanwhile.
  std::uint64_t max_pending = 1000000;
  /// Most puts, and bytes of them, that wait to be stored; more are refused at once with inbox_full.
  std::size_t max_queued = 10000;
  std::size_t max_queued_size = std::size_t{64} * 1024 * 1024;
  /// Null: the server's clock, so that those of the machines need not agree. All processes should have the same one.
  std::shared_ptr<const Clock> clock;
};

/// Opens an inbox whose tables exist already; see setup_mysql_inbox(). Any number of processes may open the same one.
///
/// MySQL 5.7 and 8, MariaDB 10.3 and newer, InnoDB. Connections are made again when they break. Where the server has
/// SKIP LOCKED (MySQL 8.0.1, MariaDB 10.6) workers that claim at the same time pass each other by; on others they may
/// wait for each other for one statement.
///
/// It has threads of its own, MysqlServer::put_connections of them: do not fork() while it lives.
///
/// put() is as durable as the server is: `innodb_flush_log_at_trx_commit` must be 1, its default. Under READ COMMITTED,
/// which every connection sets for itself, a binary log has to be in the format ROW or MIXED.
/// @error inbox_failed: no connection, with the server's reason. inbox_schema: no tables, or those of another release.
DINGCB_API Result<std::shared_ptr<Inbox>> open_mysql_inbox(MysqlInboxOptions options);

/// Creates the tables of an inbox, or brings those of an older release to this one. Does nothing where they are right,
/// so that it may run at every start; of several at once, one works and the others wait. The account needs CREATE,
/// ALTER and INDEX here, and SELECT, INSERT, UPDATE and DELETE for open_mysql_inbox().
/// @return the version of the schema that was found: 0 where there was none.
/// @error those of open_mysql_inbox(); inbox_schema where the tables are newer than this release.
DINGCB_API Result<int> setup_mysql_inbox(const MysqlInboxOptions& options);

/// Gives what setup_mysql_inbox() runs in an empty database, for a person who does it by hand:
/// statements that end in `;`.
DINGCB_API std::string mysql_inbox_schema(std::string_view prefix = "dingcb_");

/// Settings of an inbox over DingTalk's own tables.
struct RdsInboxOptions {
  /// The database with the tables `open_sync_biz_data` and `open_sync_biz_data_medium`, `ding_cloud_push` by DingTalk's
  /// advice.
  MysqlServer server;
  std::vector<std::string> subscribe_ids;  ///< Whose rows to read: suite id and `_0`. At least one.
  /// In which zone DingTalk writes `gmt_create` and `gmt_modified`, which are DATETIMEs: minutes east of UTC.
  int utc_offset_minutes = 480;
  std::string prefix = "dingcb_";  ///< Of the one table that the inbox adds: who reads which subscriber.
  /// As a sink of SyncHTTP pushes: which events belong into `open_sync_biz_data_medium`. A row does not tell the
  /// priority it was pushed with. Empty: none.
  detail::Function<bool(const StoredEvent&)> is_medium{};
  /// Most puts, and bytes of them, that wait to be stored; more are refused at once with inbox_full.
  std::size_t max_queued = 10000;
  std::size_t max_queued_size = std::size_t{64} * 1024 * 1024;
};

/// Opens DingTalk's tables as an inbox for a Worker: rows come as events of Source::rds, to the same handlers.
///
/// One reader at a time has a subscriber, on whichever machine; the others find nothing to claim until its lease, which
/// is as long as that of the longest claim, has ended. High rows come before medium ones, each in the order of `id`.
///
/// The column `status`: 0 new, 1 done, 2 to 99 claimed or failed (one less is how often), from 100 on dead letters
/// (100 and the number of attempts). Attempts are counted up to 98, so that a WorkerOptions::max_attempts above it is
/// never reached. It is written before the handler runs, in a transaction of its own that is over by
/// then, and again when it is finished. A row that DingTalk replaced meanwhile is left alone: settle() counts the old
/// state as settled, and the new one is claimed in its turn. Delays, and why something failed, are kept in memory.
///
/// put() makes the tables the sink of SyncHTTP pushes: a row replaces an older state of the same object, as DingTalk
/// itself does it, and an equal or older state is a duplicate. Other events are refused with inbox_unsupported. It has
/// MysqlServer::put_connections threads for it: do not fork() while it lives.
///
/// clean() deletes nothing: the rows are DingTalk's. latest() finds the newest suite ticket among them, also where it
/// is done. Dead letters have no `why`.
/// @error inbox_failed: no connection. inbox_schema: a table is missing; see setup_rds_inbox(). inbox_unsupported: no
///   subscribe_id.
DINGCB_API Result<std::shared_ptr<Inbox>> open_rds_inbox(RdsInboxOptions options);

/// Creates the table of readers; and DingTalk's two where they are missing, as its documents describe them.
/// @param index adds an index to DingTalk's tables, which have none on `status`, so that a claim need not read every
///   row of the subscriber.
/// @error those of open_rds_inbox().
DINGCB_API Result<bool> setup_rds_inbox(const RdsInboxOptions& options, bool index = true);

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/inbox/mysql.ipp>
#endif
