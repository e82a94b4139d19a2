// What is left of an inbox over MySQL after `kill -9`: a process receives pushes, three others handle them, and again
// and again one of them, or the server, is killed at some moment of its work. Each tells the parent what it does.
//
// crash_test [rounds] [seed]
#include <dingcb/callback_handler.hpp>
#include <dingcb/inbox/mysql.hpp>
#include <dingcb/testkit.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/mariadb.hpp"

namespace {

constexpr int kSenders = 4;
constexpr int kKeysOfSender = 8;
constexpr int kWorkers = 3;
constexpr std::int64_t kPerLife = 1000000;  // more than a sender sends before its process is killed

/// Tells the parent. A line is written as one piece, or not at all.
void tell(int pipe, char what, std::string_view id) {
  const std::string line = what + std::to_string(getpid()) + ' ' + std::string(id) + '\n';
  if (write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
}

std::shared_ptr<dingcb::Inbox> open(const dingcb::MysqlInboxOptions& options) {
  for (;;) {  // the server may be down at the moment
    auto inbox = dingcb::open_mysql_inbox(options);
    if (inbox) return *inbox;
    std::this_thread::yield();
  }
}

[[noreturn]] void receive(const dingcb::MysqlInboxOptions& options, std::int64_t life, int pipe) {
  const dingcb::Credential app{
      "tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "shop"};
  const auto encryptor = dingcb::Encryptor::create(app);
  const auto dispatcher = dingcb::Dispatcher::Builder{}.build();
  if (!encryptor || !dispatcher) _exit(4);
  dingcb::CallbackOptions callback;
  callback.inbox = open(options);
  const dingcb::CallbackHandler handler(*encryptor, *dispatcher, callback);
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      const dingcb::testkit::Platform platform(app);
      for (std::int64_t i = 0; i < kPerLife; ++i) {
        const std::string key = std::to_string(sender) + '-' + std::to_string(i % kKeysOfSender);
        std::string id = key;
        id.append(".").append(std::to_string(life * kPerLife + i));
        const auto push = platform.push(R"({"EventType":"user_add_org","CorpId":"ding1","eventId":")" + id +
                                        R"(","userId":["u)" + key + "\"]}");
        // As DingTalk does: again until it is answered, and some of them once more.
        int answered = 0;
        while (answered < (i % 5 == 0 ? 2 : 1)) {
          const dingcb::Response response = handler.handle({push.query, push.body});
          if (response.status == 200 && ++answered == 1) tell(pipe, 'A', id);
        }
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  _exit(5);
}

[[noreturn]] void work(const dingcb::MysqlInboxOptions& options, int pipe) {
  std::atomic<unsigned> calls{0};
  dingcb::Dispatcher::Builder builder;
  builder.on_type("user_add_org", [&](const dingcb::Event& event) {
    tell(pipe, 'B', event.header().id);
    const bool again = ++calls % 10 == 0;
    tell(pipe, 'E', event.header().id);
    return again ? dingcb::Ack::retry(dingcb::Milliseconds(1)) : dingcb::Ack::done();
  });
  const auto dispatcher = builder.build();
  if (!dispatcher) _exit(4);
  dingcb::WorkerOptions settings;
  settings.lease = dingcb::Milliseconds(3000);
  settings.max_attempts = 1000000;
  settings.poll = dingcb::Milliseconds(20);
  settings.on_settled = [&](const dingcb::ClaimedEvent& claimed, const dingcb::Settlement& settlement) {
    if (settlement.fate == dingcb::Fate::done) tell(pipe, 'S', claimed.event.dedup_key);
  };
  const dingcb::Worker worker(open(options), *dispatcher, settings);
  for (;;) pause();
}

/// Listens, and complains of what must not be.
class Judge {
 public:
  void hear(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::size_t dot = line.rfind('.');
    const pid_t pid = std::stoi(line.substr(1, space - 1));
    const std::string key = line.substr(space + 1, dot - space - 1);
    const Push push{key, std::stoll(line.substr(dot + 1))};
    switch (line[0]) {
      case 'A': answered.insert(push); break;
      case 'S': settled.insert(push); break;
      case 'E': busy_.erase(key); break;
      case 'B': {
        ++calls;
        const auto other = busy_.find(key);
        if (other != busy_.end() && dead.count(other->second) == 0) complain("was handled beside one of its key", push);
        busy_[key] = pid;
        if (settled.count(push) != 0) complain("was handled again after it was settled", push);
        std::int64_t& newest = newest_[key];
        if (push.second < newest) complain("was handled after a later one of its key", push);
        newest = push.second;
        handled.insert(push);
        break;
      }
      default: break;
    }
  }

  void finish() {
    for (const Push& push : answered) {
      if (handled.count(push) == 0) complain("was answered and never handled", push);
    }
  }

  using Push = std::pair<std::string, std::int64_t>;
  std::set<Push> answered, handled, settled;
  std::set<pid_t> dead;
  std::uint64_t calls = 0;
  int faults = 0;

 private:
  void complain(const char* what, const Push& push) {
    if (++faults <= 20) {
      std::fprintf(stderr, "push %s.%lld %s\n", push.first.c_str(), static_cast<long long>(push.second), what);
    }
  }
  std::map<std::string, std::int64_t> newest_;
  std::map<std::string, pid_t> busy_;
};

class Theatre {
 public:
  explicit Theatre(support::MariaDb& server) : server_(server) {
    options_.server.port = server.port();
    options_.server.user = "root";
    options_.server.database = server.fresh_database();
    const auto made = dingcb::setup_mysql_inbox(options_);
    if (!made) throw std::runtime_error(made.error().message.str());
    if (pipe(ends_) != 0) throw std::runtime_error("no pipe");
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    children_.assign(1 + kWorkers, -1);
    for (std::size_t i = 0; i < children_.size(); ++i) begin(i);
  }
  Theatre(const Theatre&) = delete;
  Theatre& operator=(const Theatre&) = delete;
  ~Theatre() {
    for (std::size_t i = 0; i < children_.size(); ++i) end(i);
  }

  /// Listens until so many lines were heard.
  void listen(std::uint64_t lines) {
    const std::uint64_t until = heard_ + lines;
    while (heard_ < until) {
      pollfd ready{ends_[0], POLLIN, 0};
      poll(&ready, 1, 1000);
      drain();
    }
  }

  /// Kills the receiver (0), a worker, or the server (after the last of them), and starts it again.
  void kill_one(std::size_t which) {
    if (which == children_.size()) {
      server_.kill();
      drain();
      server_.start();
    } else {
      end(which);
      begin(which);
    }
  }

  /// Lets the workers finish what is there.
  void finish() {
    end(0);
    const auto inbox = open(options_);
    for (;;) {
      drain();
      const auto stats = inbox->stats();
      if (stats && stats->pending == 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    for (std::size_t i = 0; i < children_.size(); ++i) end(i);
    drain();
    judge.finish();
  }

  std::size_t size() const noexcept { return children_.size(); }
  Judge judge;

 private:
  void begin(std::size_t which) {
    const std::int64_t life = lives_++;
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("no process");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(6);
      if (which == 0) receive(options_, life, ends_[1]);
      work(options_, ends_[1]);
    }
    children_[which] = child;
  }

  void end(std::size_t which) {
    if (children_[which] < 0) return;
    ::kill(children_[which], SIGKILL);
    int status = 0;
    waitpid(children_[which], &status, 0);
    if (!WIFSIGNALED(status)) {
      std::fprintf(stderr, "a process ended by itself, status %d\n", status);
      ++judge.faults;
    }
    judge.dead.insert(children_[which]);
    children_[which] = -1;
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

  support::MariaDb& server_;
  dingcb::MysqlInboxOptions options_;
  std::vector<pid_t> children_;
  std::int64_t lives_ = 0;
  std::uint64_t heard_ = 0;
  std::string line_;
  int ends_[2] = {-1, -1};
};

}  // namespace

int main(int argc, char** argv) try {
  const int rounds = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 5;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  support::MariaDb server;
  int servers = 0;
  Theatre theatre(server);
  for (int round = 0; round < rounds; ++round) {
    theatre.listen(1 + random() % 600);
    const std::size_t which = random() % (theatre.size() + 1);
    servers += which == theatre.size() ? 1 : 0;
    theatre.kill_one(which);
  }
  theatre.finish();
  const Judge& judge = theatre.judge;
  std::printf(
      "%d rounds, in %d of which the server was killed: %zu pushes answered, %zu events handled in %llu calls, %zu "
      "settled, %d faults\n",
      rounds, servers, judge.answered.size(), judge.handled.size(), static_cast<unsigned long long>(judge.calls),
      judge.settled.size(), judge.faults);
  return judge.faults == 0 && !judge.answered.empty() ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
