// The inboxes that a verb can open: those of the components that the command was built with.
#pragma once

#include "command.hpp"
#include "settings.hpp"

#include <dingcb/inbox.hpp>
#include <dingcb/inbox/mysql.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace command {

/// What the flags of a verb say about the inbox.
struct StoreFlags {
  InboxSettings inbox;
  std::string password_file;
  std::string config;
  int timeout_s = 15;
  bool rds = false;
  std::vector<std::string> subscribe_ids;
  int utc_offset_minutes = dingcb::RdsInboxOptions{}.utc_offset_minutes;
};

void add_store(CLI::App& verb, StoreFlags& flags);

/// Which versions of the schema a set-up found and left; 0 where there was none.
struct Versions {
  int found = 0;
  int now = 0;
};

class Store {
 public:
  /// @throws Failure where the flags, completed, name no inbox, or one that this build knows nothing about.
  explicit Store(const StoreFlags& flags);

  /// Opens an inbox that is there. @throws Failure.
  std::shared_ptr<dingcb::Inbox> open() const;
  /// Makes what is missing, and brings up to date what is old.
  /// @param index puts one on the tables of RDS push.
  /// @return nothing where there is no version to tell. @throws Failure.
  std::optional<Versions> setup(bool index) const;

  /// Takes the value of a result. @throws Failure that says what to do.
  template <class T>
  T need(dingcb::Result<T> result) const {
    if (!result) fail(result.error());
    return *std::move(result);
  }

 private:
  [[noreturn]] void fail(const dingcb::Error& error) const;
  bool is_sqlite() const noexcept { return !inbox_.sqlite.empty(); }

  StoreFlags flags_;
  InboxSettings inbox_;
};

/// What Store::setup() runs in an empty MySQL database, without one.
/// @throws Failure where this build knows nothing about MySQL.
std::string mysql_schema(const StoreFlags& flags);

}  // namespace command
