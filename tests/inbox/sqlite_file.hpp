// A file for an inbox over SQLite.
#pragma once

#include <dingcb/inbox/sqlite.hpp>

#include "support/catch.hpp"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

/// A file of this test's own, and what SQLite puts beside it.
class File {
 public:
  File() { remove(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { remove(); }

  std::string path = "sqlite_test." + std::to_string(getpid()) + ".db";

  std::shared_ptr<dingcb::Inbox> open(dingcb::SqliteInboxOptions options) const {
    auto inbox = dingcb::open_sqlite_inbox(path, std::move(options));
    INFO(std::string(inbox ? "" : inbox.error().message.c_str()));
    REQUIRE(inbox);
    return *inbox;
  }
  std::shared_ptr<dingcb::Inbox> open(std::shared_ptr<const dingcb::Clock> clock = nullptr) const {
    dingcb::SqliteInboxOptions options;
    options.clock = std::move(clock);
    return open(std::move(options));
  }
  dingcb::Errc refusal() const {
    dingcb::SqliteInboxOptions options;
    options.lock_timeout = dingcb::Milliseconds(1);
    const auto inbox = dingcb::open_sqlite_inbox(path, options);
    return inbox ? dingcb::Errc{} : inbox.error().code;
  }

 private:
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
  }
};
