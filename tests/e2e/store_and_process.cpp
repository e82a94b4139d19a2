// Kills examples/store_and_process while its handlers run, starts it again, and looks at what became of the events.
//
//   dingcb_e2e_store_and_process PROGRAM
//
// The program runs in an empty directory of its own, under the working directory.
#include <dingcb/inbox/sqlite.hpp>
#include <dingcb/testkit.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server.hpp"

namespace {

using namespace e2e;

/// The example from its start to the end of this object: a kill -9, unless stop() came first.
class Service {
 public:
  Service(char* program, const std::string& directory)
      : server_({program, zero_.data()}, directory, false),
        url_("http://127.0.0.1:" + server_.wait_for_line("listening on 127.0.0.1:") + "/callback"),
        inbox_(dingcb::open_sqlite_inbox(directory + "/inbox.db").value()) {}

  void accept(std::string_view plaintext) const {
    require_accepted(platform_, Call(url_, platform_.push(plaintext)).run());
  }
  /// Waits until a number of the inbox is what it should be.
  void wait_for(std::uint64_t dingcb::InboxStats::*number, std::uint64_t expected) const {
    const auto limit = Clock::now() + seconds(20);
    while (inbox_->stats().value().*number != expected) {
      require(Clock::now() < limit, "the inbox does not come to what it should be");
      std::this_thread::sleep_for(milliseconds(5));
    }
  }
  std::string wait_for_line(const std::string& start) { return server_.wait_for_line(start); }
  void stop() {
    server_.ask_to_stop();
    server_.wait_for_end();
  }

 private:
  const Platform platform_{kCredential};
  std::string zero_ = "0";  // the system chooses the port
  Server server_;
  const std::string url_;
  const std::shared_ptr<dingcb::Inbox> inbox_;
};

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line.substr(0, line.find(' ')));
  std::sort(lines.begin(), lines.end());
  return lines;
}

void run(char* program, const std::string& directory) {
  constexpr std::string_view kAnna = R"({"EventType":"user_add_org","CorpId":"ding1","eventId":"1","UserId":["anna"]})";
  constexpr std::string_view kBerta =
      R"({"EventType":"user_add_org","CorpId":"ding1","eventId":"2","UserId":["berta"]})";
  const std::string stored = directory + "/employees.txt";

  require(mkfifo(stored.c_str(), 0600) == 0, "no pipe");  // that nobody reads: handlers hang
  {
    const Service service(program, directory);
    service.accept(kAnna);
    service.accept(kBerta);
    service.wait_for(&dingcb::InboxStats::claimed, 2);
  }
  std::filesystem::remove(stored);
  {
    Service service(program, directory);
    service.accept(kAnna);  // DingTalk repeats what it thinks was lost
    service.wait_for(&dingcb::InboxStats::pending, 0);
    service.accept(kBerta);
    service.accept(R"({"EventType":"user_add_org","CorpId":"ding1","eventId":"3","UserId":{"not":"a list"}})");
    service.wait_for(&dingcb::InboxStats::dead, 1);
    service.stop();
  }
  require(lines_of(stored) == std::vector<std::string>{"anna", "berta"}, "events were lost, or handled twice");
  {
    Service service(program, directory);
    const std::string letter = service.wait_for_line("dead letter ");
    require(letter.find(" user_add_org: ") != std::string::npos, "a dead letter without a type: " + letter);
    service.stop();
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = "store_and_process.XXXXXX";
  if (argc != 2 || mkdtemp(directory.data()) == nullptr) {
    std::cerr << "usage: dingcb_e2e_store_and_process PROGRAM\n";
    return 2;
  }
  int status = 0;
  try {
    run(argv[1], std::filesystem::absolute(directory));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    status = 1;
  }
  std::filesystem::remove_all(directory);
  return status;
}
