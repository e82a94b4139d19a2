// Processes that are killed, and what holds all the same. A test program runs itself again in some role, receiver or
// worker; each tells in a pipe what it does, and the Judge in the process that survives compares it with what an inbox
// promises.
#pragma once

#include <dingcb/callback_handler.hpp>
#include <dingcb/inbox.hpp>
#include <dingcb/testkit.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace crash {

using namespace std::chrono_literals;

constexpr int kSenders = 4;
constexpr std::int64_t kKeysOfSender = 8;
constexpr auto kPatience = 120s;

/// A push: the how-manieth of its sender it is. Those of one key have to be handled in the order of their numbers.
struct Push {
  std::string key;
  std::int64_t number = 0;

  static Push of(int sender, std::int64_t number) {
    return {std::to_string(sender) + '-' + std::to_string(number % kKeysOfSender), number};
  }
  static Push of(const std::string& id) {
    const std::size_t dot = id.find('.');
    return {id.substr(0, dot), std::stoll(id.substr(dot + 1))};
  }
  std::string id() const { return key + '.' + std::to_string(number); }
  int sender() const { return std::stoi(key); }
  std::string text() const {
    return R"({"EventType":"user_add_org","CorpId":"ding1","eventId":")" + id() + R"(","userId":["u)" + key + "\"]}";
  }
  friend bool operator<(const Push& a, const Push& b) noexcept {
    return a.key != b.key ? a.key < b.key : a.number < b.number;
  }
};

enum class What : char {
  sends = 'T',     // for the first time in this process
  answered = 'A',  // with success
  repeats = 'P',   // though it was answered with success
  begins = 'B',    // to handle it
  done = 'D',      // says the handler
  again = 'R',     // says the handler
  settled = 'S',   // as done
  lost = 'L',      // the claim
  failed = 'F',    // the inbox, when the worker called it
};

// --- the processes that are killed ---

/// Tells the parent. A line is written as one piece, or not at all.
class Teller {
 public:
  Teller(std::string life, int pipe) noexcept : life_(std::move(life)), pipe_(pipe) {}
  /// Takes the last two arguments of a program that Stage has begun.
  Teller(int argc, char** argv) : Teller(argv[argc - 2], static_cast<int>(std::strtol(argv[argc - 1], nullptr, 10))) {}

  /// @param about id of a push, or a message.
  void operator()(What what, const std::string& about) const {
    std::string line(1, static_cast<char>(what));
    line.append(life_).append(1, ' ').append(about).append(1, '\n');
    if (write(pipe_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
  }
  std::int64_t life() const { return std::stoll(life_); }

 private:
  std::string life_;
  int pipe_;
};

/// Sends pushes through a callback, as DingTalk does: again until one is answered, and some of them once more, at once
/// or after a while. Each sender waits for its answer, and begins with what the killed process sent last.
/// @param from the numbers to begin with, as `5,0,7,2`.
[[noreturn]] inline void receive(const std::shared_ptr<dingcb::Inbox>& inbox, const std::string& from,
                                 const Teller& tell) {
  const dingcb::Credential app{
      "tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "shop"};
  const auto encryptor = dingcb::Encryptor::create(app);
  const auto dispatcher = dingcb::Dispatcher::Builder{}.build();
  if (!encryptor || !dispatcher) _exit(4);
  dingcb::CallbackOptions options;
  options.inbox = inbox;
  const dingcb::CallbackHandler handler(*encryptor, *dispatcher, options);
  std::vector<std::thread> senders;
  const char* number = from.c_str();
  for (int sender = 0; sender < kSenders; ++sender) {
    char* end = nullptr;
    const std::int64_t first = std::strtoll(number, &end, 10);
    number = end + 1;
    senders.emplace_back([&app, &handler, &tell, sender, first] {
      const dingcb::testkit::Platform platform(app);
      const auto send = [&](const Push& push) {
        for (;; std::this_thread::sleep_for(1ms)) {
          const auto sealed = platform.push(push.text());
          const dingcb::Response response = handler.handle({sealed.query, sealed.body});
          if (response.status == 200 && platform.accepts(response.body)) return;
        }
      };
      const auto repeat = [&](const Push& push) {
        send(push);
        tell(What::repeats, push.id());
      };
      for (std::int64_t i = first;; ++i) {
        const Push push = Push::of(sender, i);
        tell(What::sends, push.id());
        send(push);
        tell(What::answered, push.id());
        if (i % 5 == 0) repeat(push);
        if (i % 7 == 0 && i > 30) repeat(Push::of(sender, i - 30));
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  _exit(4);
}

/// Handlers that take up to seven times `unit`, and want a tenth of the events again.
inline dingcb::Dispatcher handlers(const Teller& tell, std::chrono::microseconds unit = 150us) {
  const auto calls = std::make_shared<std::atomic<unsigned>>(0);
  dingcb::Dispatcher::Builder builder;
  builder.on_type("user_add_org", [&tell, unit, calls](const dingcb::Event& event) {
    const std::string id = event.header().id;
    const unsigned call = ++*calls;
    tell(What::begins, id);
    std::this_thread::sleep_for(call % 8 * unit);
    const bool again = call % 10 == 0;
    tell(again ? What::again : What::done, id);
    return again ? dingcb::Ack::retry(dingcb::Milliseconds(1)) : dingcb::Ack::done();
  });
  return builder.build().value();
}

inline dingcb::WorkerOptions worker_options(const Teller& tell, dingcb::Milliseconds lease) {
  dingcb::WorkerOptions options;
  options.lease = lease;
  options.max_attempts = 1000000;
  options.poll = dingcb::Milliseconds(20);
  options.on_settled = [&tell](const dingcb::ClaimedEvent& claimed, const dingcb::Settlement& settlement) {
    if (settlement.fate == dingcb::Fate::done) tell(What::settled, claimed.event.dedup_key);
  };
  options.on_error = [&tell](const dingcb::Error& error, const dingcb::ClaimedEvent* claimed) {
    if (error.code == dingcb::Errc::lease_lost) return tell(What::lost, claimed->event.dedup_key);
    tell(What::failed, error.message.str());
  };
  return options;
}

// --- the process that looks on ---

/// Hears what all processes do, in the order in which they do it, and complains of what must not be.
class Judge {
 public:
  void hear(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::int64_t life = std::stoll(line.substr(1, space - 1));
    const auto what = static_cast<What>(line[0]);
    ++counts_[what];
    if (what == What::failed) {
      failure_ = line.substr(space + 1);
      return;
    }
    hear(what, life, Push::of(line.substr(space + 1)));
  }

  /// Says that a process was killed, and that all it said has been heard.
  void died(std::int64_t life) { dead_.insert(life); }

  /// Says that all is over, and nothing pending.
  void finish() {
    for (const Push& push : answered_) {
      if (done_.count(push) == 0) complain("was answered and never done", push);
    }
  }

  void complain(const std::string& what) {
    if (++faults_ <= 20) static_cast<void>(std::fprintf(stderr, "%s\n", what.c_str()));
  }

  /// Where the next receiver begins; see receive().
  std::string from() const {
    std::string text;
    for (int sender = 0; sender < kSenders; ++sender) {
      const auto last = last_.find(sender);
      text += std::to_string(last == last_.end() ? 0 : last->second) + ',';
    }
    return text;
  }

  std::uint64_t count(What what) const {
    const auto found = counts_.find(what);
    return found == counts_.end() ? 0 : found->second;
  }
  int faults() const noexcept { return faults_; }
  /// What the inbox last failed with.
  const std::string& failure() const noexcept { return failure_; }
  std::uint64_t done_by(std::int64_t life) const {
    const auto found = done_by_.find(life);
    return found == done_by_.end() ? 0 : found->second;
  }
  /// How many events the process was busy with when it was killed.
  std::size_t left_by(std::int64_t life) const {
    return static_cast<std::size_t>(
        std::count_if(busy_.begin(), busy_.end(), [&](const auto& each) { return each.second == life; }));
  }

  void report() const {
    std::printf(
        "%zu processes killed; %zu pushes answered, %llu of them repeated; %zu events done in %llu calls, %llu of them "
        "of what was done already and not settled; %zu settled, %llu claims lost, %llu failures of the inbox, %d "
        "faults\n",
        dead_.size(), answered_.size(), number(What::repeats), done_.size(), number(What::begins),
        static_cast<unsigned long long>(doubled_), settled_.size(), number(What::lost), number(What::failed), faults_);
  }

  /// Whether there is something to be judged, and no fault in it.
  bool passed() const noexcept { return faults_ == 0 && !answered_.empty() && !settled_.empty(); }

 private:
  unsigned long long number(What what) const { return count(what); }

  void hear(What what, std::int64_t life, const Push& push) {
    switch (what) {
      case What::sends:
        sent_.insert(push);
        last_[push.sender()] = push.number;
        break;
      case What::answered: answered_.insert(push); break;
      case What::begins: begin(life, push); break;
      case What::done:
        done_[push] = life;
        ++done_by_[life];
        busy_.erase(push.key);
        break;
      case What::again: busy_.erase(push.key); break;
      case What::lost: lost_.insert({life, push}); break;
      case What::settled: {
        const auto done = done_.find(push);
        if (done == done_.end() || done->second != life) complain("was settled by who had not done it", push);
        settled_.insert(push);
        break;
      }
      default: break;
    }
  }

  void begin(std::int64_t life, const Push& push) {
    if (sent_.count(push) == 0) complain("was handled and never sent", push);
    if (settled_.count(push) != 0) complain("was handled again after it was settled", push);
    if (const auto done = done_.find(push); done != done_.end()) {
      ++doubled_;
      if (done->second == life && lost_.count({life, push}) == 0) complain("was done twice by one process", push);
    }
    const auto other = busy_.find(push.key);
    if (other != busy_.end() && dead_.count(other->second) == 0) complain("was handled beside one of its key", push);
    busy_[push.key] = life;
    std::int64_t& newest = newest_[push.key];
    if (push.number < newest) complain("was handled after a later one of its key", push);
    newest = push.number;
  }

  void complain(const char* what, const Push& push) { complain("push " + push.id() + ' ' + what); }

  std::map<What, std::uint64_t> counts_;
  std::set<Push> sent_, answered_, settled_;
  std::map<Push, std::int64_t> done_;  // by whom
  std::map<std::int64_t, std::uint64_t> done_by_;
  std::set<std::pair<std::int64_t, Push>> lost_;
  std::set<std::int64_t> dead_;
  std::map<int, std::int64_t> last_;            // of a sender
  std::map<std::string, std::int64_t> newest_;  // of a key
  std::map<std::string, std::int64_t> busy_;    // with a key, who
  std::string failure_;
  std::uint64_t doubled_ = 0;
  int faults_ = 0;
};

/// The processes. None of them outlives it, nor the process that made it.
class Stage {
 public:
  Stage() {
    if (pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage() {
    while (!processes_.empty()) kill(processes_.begin()->first);
    close(ends_[0]);
    close(ends_[1]);
  }

  /// Runs this program again: with `role`, and behind it what Teller takes.
  /// @return its number, which no other one ever has.
  std::int64_t begin(std::vector<std::string> role) {
    const std::int64_t life = ++lives_;
    role.insert(role.begin(), "/proc/self/exe");
    role.push_back(std::to_string(life));
    role.push_back(std::to_string(ends_[1]));
    std::vector<char*> argv;
    for (std::string& word : role) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("no process");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(127);
      fcntl(ends_[1], F_SETFD, 0);
      execv(argv[0], argv.data());
      _exit(127);
    }
    processes_[life] = child;
    return life;
  }

  void kill(std::int64_t life) {
    ::kill(processes_[life], SIGKILL);
    const int status = wait(life);
    judge.died(life);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
      judge.complain("process " + std::to_string(life) + " ended by itself, status " + std::to_string(status));
    }
  }

  /// Waits for the end of a process, and hears all it said.
  /// @return its status, as waitpid() gives it.
  int wait(std::int64_t life) {
    int status = 0;
    while (waitpid(processes_[life], &status, WNOHANG) == 0) listen_for(5ms);  // it may wait for room in the pipe
    processes_.erase(life);
    drain();
    return status;
  }

  /// Listens until so many lines were heard; for a while longer if they do not come.
  /// @return whether they came.
  bool listen(std::uint64_t lines) {
    const std::uint64_t until = heard_ + lines;
    auto last = std::chrono::steady_clock::now();
    while (heard_ < until) {
      const std::uint64_t before = heard_;
      listen_for(100ms);
      const auto now = std::chrono::steady_clock::now();
      if (heard_ != before) last = now;
      if (now - last < kPatience) continue;
      judge.complain("all processes are silent");
      return false;
    }
    return true;
  }

  void listen_for(std::chrono::milliseconds time) {
    pollfd ready{ends_[0], POLLIN, 0};
    poll(&ready, 1, static_cast<int>(time.count()));
    drain();
  }

  void drain() {
    char bytes[65536];
    for (ssize_t size = 0; (size = read(ends_[0], bytes, sizeof bytes)) > 0;) {
      for (ssize_t i = 0; i < size; ++i) {
        if (bytes[i] != '\n') {
          line_ += bytes[i];
          continue;
        }
        judge.hear(line_);
        line_.clear();
        ++heard_;
      }
    }
  }

  Judge judge;

 private:
  std::map<std::int64_t, pid_t> processes_;
  std::int64_t lives_ = 0;
  std::uint64_t heard_ = 0;
  std::string line_;
  int ends_[2] = {-1, -1};
};

}  // namespace crash
