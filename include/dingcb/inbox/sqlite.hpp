// An inbox in one SQLite file, for one machine: component `sqlite`.
#pragma once

#include <dingcb/inbox.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

DINGCB_NAMESPACE_BEGIN

/// Settings of open_sqlite_inbox().
struct SqliteInboxOptions {
  /// Most pending events; Inbox::put() refuses more with inbox_full.
  std::uint64_t max_pending = 1000000;
  /// Most bytes of the file that are in use, without its log of some MB; beyond them Inbox::put() refuses with
  /// inbox_full. What was done leaves room for others, though the file never shrinks. 0: as many as the disk has.
  std::uint64_t max_size = 0;
  /// Most events, and bytes of them, that wait for their commit; more are refused at once with inbox_full. It bounds
  /// the memory, and the time a put waits.
  std::size_t max_queued = 10000;
  std::size_t max_queued_size = std::size_t{64} * 1024 * 1024;
  /// How long to wait for another program that locks the file, before a call fails with inbox_locked.
  Milliseconds lock_timeout{1000};
  std::shared_ptr<const Clock> clock;  ///< Null: the system's. All processes that share the file should agree.
};

/// Opens the inbox in a file, or makes it. Its folder must be there, on a local disk: SQLite's locks do not work over a
/// network. Beside it there are `<path>-wal` and `<path>-shm`, which belong to it. A new file can be read by its
/// owner alone: events are in it in plaintext, and for a while in its unused parts after they are done.
///
/// A put is durable when it returns: the file is in WAL mode with `synchronous=FULL`. All that changes goes through one
/// thread and connection, which commits whatever waits, so that many callbacks share one sync of the disk. Several
/// processes may share a file, but each commit then waits for the others; let one process receive, or use MySQL.
///
/// A file that an older release made is brought up to date, which older releases then refuse. The inbox has two threads
/// of its own: do not fork() while it lives.
/// @error inbox_schema: a newer release made the file, or another program. inbox_corrupt: it is damaged, or no SQLite
///   file. inbox_locked. inbox_failed: it cannot be opened or written; the message says what SQLite says.
DINGCB_API Result<std::shared_ptr<Inbox>> open_sqlite_inbox(std::string_view path, SqliteInboxOptions options = {});

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/inbox/sqlite.ipp>
#endif
