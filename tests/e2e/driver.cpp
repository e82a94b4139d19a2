// Plays DingTalk, over HTTP, against a server that runs on this machine: starts it, posts to it with libcurl, judges
// its answers with the test kit, stops it, and writes one line of the table.
//
//   dingcb_e2e NAME REPORT [--socket] -- PROGRAM ARGUMENT...
//
// With --socket, PROGRAM gets a socket that listens, as descriptor 3, and its port in the environment
// (DINGCB_E2E_PORT). PROGRAM is one of the examples: it says `listening on 127.0.0.1:PORT` and answers on /callback. It
// runs in an empty directory of its own, where this program looks for what it stored, and gets in its way.
// DINGCB_E2E_CHECK=late,stop in the environment leaves out all checks but those.
#include <dingcb/events/app_lifecycle.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include <curl/curl.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "server.hpp"

namespace {

using namespace e2e;

constexpr std::size_t kBurst = 200;

/// Many requests at once, each on its own connection, which stays open until this object goes.
class Burst {
 public:
  Burst() : multi_(curl_multi_init(), curl_multi_cleanup) {
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, 1000L);
  }
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;
  ~Burst() {
    for (const auto& call : calls_) curl_multi_remove_handle(multi_.get(), call->easy());
  }

  void add(const std::string& url, SignedPush push) {
    calls_.push_back(std::make_unique<Call>(url, std::move(push)));
    curl_multi_add_handle(multi_.get(), calls_.back()->easy());
  }

  std::vector<Answer> run() {
    int running = 1;
    while (running > 0) {
      curl_multi_perform(multi_.get(), &running);
      if (running > 0) curl_multi_poll(multi_.get(), nullptr, 0, 1000, nullptr);
    }
    std::vector<Answer> answers;
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_.get(), &left)) {
      Call* call = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
      answers.push_back(call->finish(message->data.result));
    }
    return answers;
  }

 private:
  std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> multi_;
  std::vector<std::unique_ptr<Call>> calls_;
};

// ---- The checks

/// Signs a push of Platform's anew, for a nonce that Platform would not choose, and gives the query with this spelling
/// of the nonce.
SignedPush with_nonce(SignedPush push, const std::string& nonce, const std::string& spelling) {
  const auto between = [](const std::string& text, std::string_view start, std::string_view end) {
    const std::size_t from = text.find(start) + start.size();
    return text.substr(from, text.find(end, from) - from);
  };
  const std::string timestamp = between(push.query, "timestamp=", "&");
  std::array<std::string, 4> parts{kCredential.token, timestamp, nonce, between(push.body, "\"encrypt\":\"", "\"")};
  std::sort(parts.begin(), parts.end());
  const std::string text = parts[0] + parts[1] + parts[2] + parts[3];
  std::array<unsigned char, 20> digest{};
  require(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1, "no SHA-1");
  push.query = "timestamp=" + timestamp + "&nonce=" + spelling + "&signature=";
  for (const unsigned char byte : digest) {
    push.query += "0123456789abcdef"[byte / 16];
    push.query += "0123456789abcdef"[byte % 16];
  }
  return push;
}

/// Percent-encodes every character of the values, needed or not.
std::string percent_encoded(const std::string& query) {
  std::string encoded;
  bool value = false;
  for (const char c : query) {
    if (c == '&' || (c == '=' && !value)) {
      value = c == '=';
      encoded += c;
    } else if (value) {
      encoded += '%';
      encoded += "0123456789ABCDEF"[static_cast<unsigned char>(c) / 16];
      encoded += "0123456789ABCDEF"[static_cast<unsigned char>(c) % 16];
    } else {
      encoded += c;
    }
  }
  return encoded;
}

dingcb::PushRow row(std::int64_t id, std::int64_t biz_type, std::string biz_data) {
  dingcb::PushRow row;
  row.id = id;
  row.corp_id = "ding1";
  row.biz_id = "object" + std::to_string(id);
  row.biz_type = biz_type;
  row.biz_data = std::move(biz_data);
  row.subscribe_id = "suite_0";
  return row;
}

dingcb::events::BpmsInstanceChange approval(const std::string& id, const std::string& title) {
  dingcb::events::BpmsInstanceChange event;
  event.process_instance_id = id;
  event.title = title;
  event.type = dingcb::events::BpmsInstanceChange::Type::finish;
  event.result = dingcb::events::BpmsInstanceChange::Result::agree;
  return event;
}

class Checks {
 public:
  Checks(Server& server, std::string directory, std::string url)
      : server_(server), directory_(std::move(directory)), url_(std::move(url)) {}

  void check_url() { accepted(R"({"EventType":"check_url"})"); }
  void check_create() { accepted(R"({"EventType":"check_create_suite_url","Random":"brdkKLMW"})"); }
  void check_update() { accepted(R"({"EventType":"check_update_suite_url","Random":"x","TestSuiteKey":"suite1"})"); }

  void http() {
    dingcb::events::UserAddOrg event;
    event.user_id = {"anna"};
    dingcb::EventHeader header;
    header.corp_id = "ding7";
    accepted(platform_.push(event, header));
    require(server_.wait_for_line("employee anna in ") == "ding7", "the event came with another corp_id");
  }
  void sync_high() {
    accepted(platform_.push_rows({row(1, 13, R"({"syncAction":"user_add_org","userid":"berta"})"),
                                  row(2, 2, R"({"syncAction":"suite_ticket","suiteTicket":"ticket of a row"})")}));
    server_.wait_for_line("employee berta in ding1");
    require(stored("suite_ticket.txt") == "ticket of a row", "the suite ticket was not stored");
  }
  void sync_medium() {
    accepted(platform_.push_rows({row(3, 14, R"({"syncAction":"org_dept_create","id":"7"})")}, false));
    server_.wait_for_line("event org_dept_create");
  }
  /// The answer comes after the event was stored, byte by byte.
  void chinese() {
    const std::string title = "张三提交的请假 𠮷 🎉 \"加急\" \\";
    accepted(platform_.push(approval("chinese", title)));
    require(stored("approvals.txt") == "chinese " + title + '\n', "another title was stored");
  }
  void batch() {
    std::vector<dingcb::PushRow> rows;
    const std::string name(500, 'n');
    for (int i = 0; i < 1200; ++i) {
      const std::string id = "batch" + std::to_string(i);
      rows.push_back(row(i, 13, R"({"syncAction":"user_add_org","userid":")" + id + R"(","name":")" + name + "\"}"));
    }
    const SignedPush push = platform_.push_rows(rows);
    require(push.body.size() > 1000 * 1000, "the batch is smaller than 1 MB");
    accepted(push);
    for (int i = 0; i < 1200; ++i) server_.wait_for_line("employee batch" + std::to_string(i) + " in");
  }
  void chunked() { accepted(Call(url_, platform_.push(R"({"EventType":"check_url"})"), Method::chunked).run()); }
  void percent() {
    SignedPush push = platform_.push(R"({"EventType":"check_url"})");
    push.query = percent_encoded(push.query);
    accepted(push);
  }
  void plus() {
    accepted(with_nonce(platform_.push(R"({"EventType":"check_url"})"), "a+b/c=", "a%2Bb%2Fc%3D"));
    accepted(with_nonce(platform_.push(R"({"EventType":"check_url"})"), "a+b", "a+b"));
  }
  void forged() {
    SignedPush push = platform_.push(R"({"EventType":"check_url"})");
    char& digit = push.query[std::strlen("signature=")];
    digit = digit == '0' ? '1' : '0';
    refused(push);
  }
  void owner() {
    dingcb::Credential other = kCredential;
    other.owner_keys = {"suite5xxxxxxxxxxxxxxx"};
    refused(Platform(other).push(R"({"EventType":"check_url"})"));
  }
  void empty() {
    SignedPush push = platform_.push(R"({"EventType":"check_url"})");
    push.body.clear();
    refused(push);
  }
  void get() {
    const Answer answer = Call(url_, platform_.push(R"({"EventType":"check_url"})"), Method::get).run();
    require(answer.status != 200, "the answer to GET has status 200");
    check_url();
  }
  /// Servers answer 413, or cut the connection.
  void oversize() {
    SignedPush push = platform_.push(std::string(4 * 1024 * 1024, 'x'));
    const Answer answer = Call(url_, push).run();
    require(answer.error != CURLE_OPERATION_TIMEDOUT, "the answer to a body over the limit takes too long");
    require(answer.status == 413 || (answer.status == 0 && answer.error != CURLE_OK),
            "the answer to a body over the limit has status " + std::to_string(answer.status));
    remark_ = answer.status == 413 ? "413" : "cut";
    check_url();
  }
  /// The ticket cannot be stored, so that its handler throws.
  void throws() {
    const std::string path = directory_ + "/suite_ticket.txt";
    unlink(path.c_str());
    require(mkdir(path.c_str(), 0700) == 0, "no directory");
    dingcb::events::SuiteTicket event;
    event.suite_ticket = "second";
    const Answer answer = Call(url_, platform_.push(event)).run();
    require(answer.status == 503, "a handler that throws gives status " + std::to_string(answer.status));
    require(rmdir(path.c_str()) == 0, "no directory to remove");
    accepted(platform_.push(event));
    require(stored("suite_ticket.txt") == "second", "the repeated ticket was not stored");
  }
  /// 200 connections at once; afterwards they stay open, idle, and a new one is served all the same.
  void burst() {
    Burst burst;
    for (std::size_t i = 0; i < kBurst; ++i) {
      dingcb::events::UserAddOrg event;
      event.user_id = {"burst" + std::to_string(i)};
      burst.add(url_, platform_.push(event));
    }
    const std::vector<Answer> answers = burst.run();
    require(answers.size() == kBurst, "answers are missing");
    long slowest = 0;
    for (const Answer& answer : answers) {
      accepted(answer);
      slowest = std::max(slowest, answer.ms);
    }
    for (std::size_t i = 0; i < kBurst; ++i) server_.wait_for_line("employee burst" + std::to_string(i) + " in");
    check_url();
    remark_ = std::to_string(slowest) + " ms";
  }
  /// The store hangs, so that verdicts are late: others are answered meanwhile, a client that goes away does no harm,
  /// and one that stays gets its 503.
  void late() {
    const Hang hang(directory_);
    require(Call(url_, platform_.push(approval("gone", "gone"))).run_for(200).error == CURLE_OPERATION_TIMEDOUT,
            "the answer came before the verdict");
    Answer answer;
    std::atomic<bool> answered{false};
    std::thread waiting([&] {
      answer = Call(url_, platform_.push(approval("late", "late"))).run();
      answered = true;
    });
    std::string problem;
    try {
      server_.wait_for_line("approval late");
      while (!answered) check_url();
    } catch (const Failure& failure) {
      problem = failure.what();
    }
    waiting.join();
    require(problem.empty(), "while a push waits: " + problem);
    require(answer.status == 503, "a late verdict gives status " + std::to_string(answer.status));
    require(answer.ms >= 2400 && answer.ms < 3500, "the answer came after " + std::to_string(answer.ms) + " ms");
    remark_ = std::to_string(answer.ms) + " ms";
  }
  /// What waits when SIGTERM comes still gets its answer.
  void stop() {
    Answer answer;
    {
      const Hang hang(directory_);
      std::thread waiting([&] { answer = Call(url_, platform_.push(approval("last", "last"))).run(); });
      std::string problem;
      try {
        server_.wait_for_line("approval last");
        server_.ask_to_stop();
      } catch (const Failure& failure) {
        problem = failure.what();
      }
      waiting.join();
      require(problem.empty(), problem);
    }
    server_.wait_for_end();
    require(answer.status == 503, "the push that waited was answered with status " + std::to_string(answer.status));
  }

  std::string take_remark() { return std::exchange(remark_, {}); }

 private:
  /// Makes approvals.txt a pipe that nobody reads, until this object goes.
  class Hang {
   public:
    explicit Hang(const std::string& directory) : path_(directory + "/approvals.txt") {
      unlink(path_.c_str());
      require(mkfifo(path_.c_str(), 0600) == 0, "no pipe");
    }
    Hang(const Hang&) = delete;
    Hang& operator=(const Hang&) = delete;
    ~Hang() {
      const int end = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
      // The writer is let go by the reader; then it has something to say.
      std::array<char, 100> text{};
      const auto limit = Clock::now() + seconds(5);
      while (read(end, text.data(), text.size()) <= 0 && Clock::now() < limit) {
        std::this_thread::sleep_for(milliseconds(1));
      }
      unlink(path_.c_str());
      close(end);
    }

   private:
    std::string path_;
  };

  std::string stored(const std::string& name) const {
    std::ifstream file(directory_ + '/' + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  void accepted(std::string_view plaintext) { accepted(platform_.push(plaintext)); }
  void accepted(const SignedPush& push) { accepted(Call(url_, push).run()); }
  void accepted(const Answer& answer) { require_accepted(platform_, answer); }
  void refused(const SignedPush& push) {
    const Answer answer = Call(url_, push).run();
    require(answer.error == CURLE_OK, curl_easy_strerror(answer.error));
    require(answer.status >= 400 && answer.status < 500, "the answer has status " + std::to_string(answer.status));
    require(!platform_.accepts(answer.body) && answer.body.find("success") == std::string::npos,
            "the refusal looks like success");
  }

  Server& server_;
  const std::string directory_;
  const std::string url_;
  const Platform platform_{kCredential};
  std::string remark_;
};

struct Check {
  const char* name;
  void (Checks::*run)();
};

constexpr Check kChecks[] = {
    {"check_url", &Checks::check_url}, {"create", &Checks::check_create}, {"update", &Checks::check_update},
    {"http", &Checks::http},           {"high", &Checks::sync_high},      {"medium", &Checks::sync_medium},
    {"chinese", &Checks::chinese},     {"1 MB", &Checks::batch},          {"chunked", &Checks::chunked},
    {"percent", &Checks::percent},     {"plus", &Checks::plus},           {"forged", &Checks::forged},
    {"owner", &Checks::owner},         {"empty", &Checks::empty},         {"GET", &Checks::get},
    {"oversize", &Checks::oversize},   {"throws", &Checks::throws},       {"burst", &Checks::burst},
    {"late", &Checks::late},           {"stop", &Checks::stop},
};

int run(const std::string& name, const std::string& report, bool needs_socket, const std::vector<char*>& command) {
  std::string directory = report + ".XXXXXX";
  require(mkdtemp(directory.data()) != nullptr, "no directory");
  std::ostringstream table;
  table << name;
  int failed = 0;
  {
    Server server(command, directory, needs_socket);
    const std::string port = server.wait_for_line("listening on 127.0.0.1:");
    Checks checks(server, directory, "http://127.0.0.1:" + port + "/callback");
    const char* const only = std::getenv("DINGCB_E2E_CHECK");
    for (const Check& check : kChecks) {
      if (only != nullptr && std::string_view(only).find(check.name) == std::string_view::npos) continue;
      std::string problem;
      try {
        (checks.*check.run)();
      } catch (const std::exception& error) {
        problem = error.what();
        ++failed;
      }
      const std::string remark = checks.take_remark();
      std::cout << (problem.empty() ? "ok      " : "FAILED  ") << check.name << "  " << problem << remark << std::endl;
      table << '\t' << check.name << '=' << (!problem.empty() ? "FAILED" : remark.empty() ? "ok" : remark);
    }
  }
  std::ofstream(report) << table.str() << '\n';
  std::filesystem::remove_all(directory);
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  char** const end = argv + argc;
  char** const separator = std::find_if(argv, end, [](const char* text) { return std::string_view(text) == "--"; });
  const bool needs_socket = separator == argv + 4 && std::string_view(argv[3]) == "--socket";
  if (!(separator == argv + 3 || needs_socket) || end - separator < 2) {
    std::cerr << "usage: dingcb_e2e NAME REPORT [--socket] -- PROGRAM ARGUMENT...\n";
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  try {
    return run(argv[1], argv[2], needs_socket, std::vector<char*>(separator + 1, end));
  } catch (const std::exception& error) {
    std::cerr << argv[1] << ": " << error.what() << '\n';
    return 1;
  }
}
