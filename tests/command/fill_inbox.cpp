// Fills an inbox for the tests of `dingcb inbox`:
//   fill_inbox sqlite FILE
//   fill_inbox mysql PORT DATABASE
// Three dead letters, an event that is claimed, one that waits, and a suite ticket. Prints the ids of the letters.
#include <dingcb/inbox.hpp>
#include <dingcb/inbox/mysql.hpp>
#include <dingcb/inbox/sqlite.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

dingcb::StoredEvent event(const std::string& type, const std::string& corp, const std::string& name) {
  dingcb::StoredEvent event;
  event.type = type;
  event.corp_id = corp;
  event.dedup_key = "dedup/" + name;
  event.ordering_key = corp + '/' + name;
  event.body = R"({"EventType":")" + type + R"(","CorpId":")" + corp + R"(","note":"plaintext of )" + name + "\"}";
  event.born_ms = 1606126433281;
  return event;
}

std::shared_ptr<dingcb::Inbox> open(const std::vector<std::string>& arguments) {
  if constexpr (DINGCB_COMMAND_SQLITE != 0) {
    if (arguments.size() == 2 && arguments[0] == "sqlite") return dingcb::open_sqlite_inbox(arguments[1]).value();
  }
  if constexpr (DINGCB_COMMAND_MYSQL != 0) {
    if (arguments.size() == 3 && arguments[0] == "mysql") {
      dingcb::MysqlInboxOptions options;
      options.server.port = static_cast<std::uint16_t>(std::strtoul(arguments[1].c_str(), nullptr, 10));
      options.server.user = "root";
      options.server.database = arguments[2];
      return dingcb::open_mysql_inbox(options).value();
    }
  }
  return nullptr;
}

int fill(const std::vector<std::string>& arguments) {
  const auto inbox = open(arguments);
  if (inbox == nullptr) return 2;
  constexpr dingcb::Milliseconds kLong{600000};
  inbox
      ->put({event("user_add_org", "ding1", "a"), event("user_leave_org", "ding1", "b"),
             event("user_add_org", "ding2", "c")})
      .value();
  std::vector<dingcb::Settlement> settlements;
  const std::vector<dingcb::ClaimedEvent> letters = inbox->claim(10, kLong).value();
  for (const dingcb::ClaimedEvent& claimed : letters) {
    const std::string& key = claimed.event.dedup_key;
    const std::string why = key == "dedup/a" ? "no room\x1B[2J\nfor a" : "no department of this id";
    settlements.push_back({claimed.id, claimed.lease, dingcb::Fate::bury, {}, why});
    std::printf("%s\n", claimed.id.c_str());
  }
  inbox->settle(settlements).value();
  dingcb::StoredEvent ticket = event("suite_ticket", "", "ticket");
  ticket.latest_key = dingcb::suite_ticket_key("suite4xxxxxxxxxxxxxxx");
  inbox->put({event("user_add_org", "ding1", "claimed")}).value();
  inbox->claim(10, kLong).value();
  inbox->put({ticket}).value();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return fill({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fill_inbox: %s\n", error.what());
    return 1;
  }
}
