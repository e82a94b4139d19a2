// Plays DingTalk against one of the example services, and prints what was sent, answered and received.
//
//   dingcb_play_dingtalk PORT <what the service prints
//
// Start it in the service's working directory: what the service stores is looked for there. It ends with 1 where
// anything is not as it should be.
#include <dingcb/events/approval.hpp>
#include <dingcb/events/chat.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include <httplib.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::testkit::SignedPush;
using Clock = std::chrono::steady_clock;

// The sample of DingTalk's documents, which the services take for their default.
const dingcb::Credential kCredential{
    "123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, {}};

constexpr double kDeadlineMs = 1200;  // SyncHTTP's, the shortest

/// What the service prints, line by line.
class Printed {
 public:
  /// Takes a line away. @return whether it came within 5 s.
  bool take(const std::string& line) {
    const auto limit = Clock::now() + std::chrono::seconds(5);
    for (;;) {
      const auto found = std::find(lines_.begin(), lines_.end(), line);
      if (found != lines_.end()) {
        lines_.erase(found);
        return true;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - Clock::now()).count();
      if (left <= 0 || !read_more(static_cast<int>(left))) return false;
    }
  }

  /// Tells whether the service printed something that nobody took.
  bool more() {
    while (read_more(0)) {
    }
    return !lines_.empty();
  }

 private:
  bool read_more(int ms) {
    pollfd in{STDIN_FILENO, POLLIN, 0};
    char buffer[4096];
    if (poll(&in, 1, ms) <= 0) return false;
    const ssize_t size = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (size <= 0) return false;
    rest_.append(buffer, static_cast<std::size_t>(size));
    for (std::size_t end = 0; (end = rest_.find('\n')) != std::string::npos; rest_.erase(0, end + 1)) {
      lines_.push_back(rest_.substr(0, end));
    }
    return true;
  }

  std::string rest_;
  std::vector<std::string> lines_;
};

std::string content_of(const char* name) {
  std::ostringstream content;
  content << std::ifstream(name).rdbuf();
  return content.str();
}

/// What should arrive at the service: a line that it prints, or the whole content of a file.
struct Arrival {
  std::string text;
  const char* file = nullptr;
};

class Play {
 public:
  explicit Play(int port) : client_("127.0.0.1", port) {
    client_.set_tcp_nodelay(true);
    client_.set_keep_alive(true);
    std::printf("%-18s %-34s %-24s %7s  %s\n", "sent as", "event", "answer, says the test kit", "ms", "arrived");
  }

  /// Sends a push, and prints a line on it.
  void send(const char* how, const char* what, const SignedPush& push, const std::vector<Arrival>& arrivals,
            bool genuine = true) {
    const auto start = Clock::now();
    const httplib::Result result = client_.Post("/callback?" + push.query, push.body, "application/json");
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();

    bool good = ms < kDeadlineMs;
    std::string answer = "none";
    if (result) {
      const auto judgement = platform_.judge(result->status, result->body);
      good = good && judgement.accepted == genuine && (genuine || result->status == 403);
      answer = std::to_string(result->status) +
               (judgement.accepted ? " accepted" : " refused, " + std::string(judgement.cause));
    } else {
      good = false;
    }
    std::string arrived;
    for (const Arrival& arrival : arrivals) {
      const bool came =
          arrival.file == nullptr ? printed_.take(arrival.text) : content_of(arrival.file) == arrival.text;
      good = good && came;
      arrived += (arrived.empty() ? "" : "; ") + std::string(came ? "" : "MISSING ") +
                 arrival.text.substr(0, arrival.text.find('\n')) +
                 (arrival.file == nullptr ? "" : " > " + std::string(arrival.file));
    }
    if (printed_.more()) {
      good = false;
      arrived += " and MORE than that";
    }
    std::printf("%-18s %-34s %-25s %7.2f  %s%s\n", how, what, answer.c_str(), ms,
                arrived.empty() ? "-" : arrived.c_str(), good ? "" : "  <- WRONG");
    ++(good ? good_ : wrong_);
  }

  const dingcb::testkit::Platform& platform() const { return platform_; }

  bool finish() const {
    std::printf("\n%d pushes as expected, %d not\n", good_, wrong_);
    return wrong_ == 0;
  }

 private:
  dingcb::testkit::Platform platform_{kCredential};
  httplib::Client client_;
  Printed printed_;
  int good_ = 0;
  int wrong_ = 0;
};

dingcb::PushRow row(std::int64_t biz_type, std::string biz_data) {
  dingcb::PushRow row;
  row.id = biz_type;
  row.corp_id = "ding1";
  row.biz_id = "object";
  row.biz_type = biz_type;
  row.biz_data = std::move(biz_data);
  row.subscribe_id = "suite_0";
  return row;
}

bool play(int port) {
  using namespace dingcb::events;
  Play play(port);
  const auto& dingtalk = play.platform();
  dingcb::EventHeader header;
  header.corp_id = "ding1";

  play.send("URL check", "check_url", dingtalk.push(R"({"EventType":"check_url"})"), {});

  UserAddOrg joined;
  joined.user_id = {"张三", "李四"};
  play.send("HTTP", "user_add_org, Chinese", dingtalk.push(joined, header),
            {{"employee 张三 in ding1"}, {"employee 李四 in ding1"}});
  BpmsInstanceChange approval;
  approval.process_instance_id = "a1";
  approval.title = "王五提交的报销 𠮷 🎉";
  approval.type = BpmsInstanceChange::Type::finish;
  approval.result = BpmsInstanceChange::Result::agree;
  play.send("HTTP", "bpms_instance_change, emoji", dingtalk.push(approval, header),
            {{"approval a1 is to be stored"}, {"a1 王五提交的报销 𠮷 🎉\n", "approvals.txt"}});
  ChatUpdateTitle title;
  title.chat_id = "chat1";
  title.title = "🍜 午饭";
  play.send("HTTP", "chat_update_title, emoji", dingtalk.push(title, header), {{"event chat_update_title"}});

  play.send(
      "HTTP, legacy keys", "user_leave_org",
      dingtalk.push(R"({"EventType":"user_leave_org","TimeStamp":"1700000000000","UserId":["赵六"],"CorpId":"ding1"})"),
      {{"event user_leave_org"}});
  play.send(
      "HTTP, legacy keys", "org_admin_add",
      dingtalk.push(R"({"CorpId":"ding1","EventType":"org_admin_add","UserId":["u1"],"TimeStamp":"1700000000000"})"),
      {{"event org_admin_add"}});

  play.send("SyncHTTP, high", "suite_ticket, 2 other rows",
            dingtalk.push_rows({row(2, R"({"syncAction":"suite_ticket","suiteTicket":"票 🎫"})"),
                                row(13, R"({"syncAction":"user_modify_org","userid":"u2","name":"钱七 😀"})"),
                                row(4, R"({"syncAction":"org_suite_auth","permanent_code":"p1"})")}),
            {{"票 🎫", "suite_ticket.txt"}, {"event user_modify_org"}, {"event org_suite_auth"}});
  play.send("SyncHTTP, medium", "org_dept_create, org_dept_modify",
            dingtalk.push_rows({row(14, R"({"syncAction":"org_dept_create","id":"7","name":"研发部 🚀"})"),
                                row(14, R"({"syncAction":"org_dept_modify","id":"8","name":"市场部"})")},
                               false),
            {{"event org_dept_create"}, {"event org_dept_modify"}});

  // One character differs from what was signed.
  SignedPush forged = dingtalk.push(joined, header);
  char& byte = forged.body[forged.body.find(R"(encrypt":")") + 20];
  byte = byte == 'A' ? 'B' : 'A';
  play.send("forged", "user_add_org", forged, {}, false);
  return play.finish();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return play(argc > 1 ? std::atoi(argv[1]) : 8080) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
