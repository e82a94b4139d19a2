// The processes of tests that kill some: a receiver and workers at an inbox over MySQL.
#pragma once

#include <dingcb/inbox/mysql.hpp>

#include "support/crash.hpp"
#include "support/mariadb.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace roles {

using namespace std::chrono_literals;

inline dingcb::MysqlInboxOptions options_of(std::uint16_t port, std::string database) {
  dingcb::MysqlInboxOptions options;
  options.server.port = port;
  options.server.user = "root";
  options.server.database = std::move(database);
  return options;
}

inline std::shared_ptr<dingcb::Inbox> open(const dingcb::MysqlInboxOptions& options) {
  for (;;) {  // the server may be down at the moment
    if (auto inbox = dingcb::open_mysql_inbox(options)) return *inbox;
    std::this_thread::sleep_for(5ms);
  }
}

/// Where they meet.
class Place {
 public:
  explicit Place(support::MariaDb& server) : options_(options_of(server.port(), server.fresh_database())) {
    if (const auto made = dingcb::setup_mysql_inbox(options_); !made) {
      throw std::runtime_error(made.error().message.str());
    }
  }

  std::int64_t receive(crash::Stage& stage) const {
    return stage.begin({"receive", port(), options_.server.database, stage.judge.from()});
  }
  /// @param unit see crash::handlers().
  std::int64_t work(crash::Stage& stage, std::chrono::microseconds unit = 150us) const {
    return stage.begin({"work", port(), options_.server.database, std::to_string(unit.count())});
  }

  std::shared_ptr<dingcb::Inbox> open() const { return roles::open(options_); }

  /// Lets the workers finish what is there, as long as they do.
  void wait_until_empty(crash::Stage& stage) const {
    const auto inbox = open();
    const auto until = std::chrono::steady_clock::now() + crash::kPatience;
    for (;;) {
      stage.listen_for(20ms);
      const auto stats = inbox->stats();
      if (stats && stats->dead != 0) return stage.judge.complain("there are dead letters");
      if (stats && stats->pending == 0) break;
      if (std::chrono::steady_clock::now() > until) return stage.judge.complain("events are left behind");
    }
    stage.listen_for(500ms);  // for what became of the last ones
  }

 private:
  std::string port() const { return std::to_string(options_.server.port); }
  const dingcb::MysqlInboxOptions options_;
};

// --- in the processes ---

inline bool is_role(int argc, char** argv) {
  return argc == 7 && (std::string_view(argv[1]) == "receive" || std::string_view(argv[1]) == "work");
}

inline int play(int argc, char** argv) {
  const crash::Teller tell(argc, argv);
  const auto inbox = open(options_of(static_cast<std::uint16_t>(std::strtol(argv[2], nullptr, 10)), argv[3]));
  if (std::string_view(argv[1]) == "receive") crash::receive(inbox, argv[4], tell);
  const std::chrono::microseconds unit(std::strtol(argv[4], nullptr, 10));
  const dingcb::Worker worker(inbox, crash::handlers(tell, unit),
                              crash::worker_options(tell, dingcb::Milliseconds(3000)));
  for (;;) pause();
}

}  // namespace roles
