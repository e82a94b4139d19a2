// What is left after `kill -9`: a process receives pushes and handles them, and is killed at some moment of its work,
// again and again over the same file. It tells its parent, which survives, what it answered, handled and settled.
//
// crash_test <file> [rounds] [seed]
#include <dingcb/callback_handler.hpp>
#include <dingcb/inbox/sqlite.hpp>
#include <dingcb/testkit.hpp>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr int kSenders = 4;
constexpr std::int64_t kPerRound = 1000000;  // more than a sender sends in a round
constexpr auto kPatience = 120s;

/// One of the sender's pushes, by the number of which their order is known.
struct Push {
  int sender = 0;
  std::int64_t number = 0;
  friend bool operator<(const Push& a, const Push& b) noexcept {
    return a.sender != b.sender ? a.sender < b.sender : a.number < b.number;
  }
};

// --- the process that is killed ---

/// Tells the parent. A line is written as one piece, or not at all.
void tell(int pipe, char what, std::string_view id) {
  const std::string line = what + std::string(id) + '\n';
  if (write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
}

std::string id_of(const Push& push) { return std::to_string(push.sender) + '.' + std::to_string(push.number); }

/// Runs an hour ahead of that of the round before, so that what a killed process held is free at once, while no lease
/// that is in use can ever end, however slow the machine is.
class RoundClock final : public dingcb::Clock {
 public:
  explicit RoundClock(std::int64_t round) noexcept : ahead_ms_(round * 3600 * 1000) {}
  std::int64_t unix_ms() const noexcept override {
    return ahead_ms_ +
           std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
               .count();
  }

 private:
  const std::int64_t ahead_ms_;
};

[[noreturn]] void live(const std::string& path, std::int64_t round, bool last, int pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const dingcb::Credential app{
      "tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "shop"};
  dingcb::SqliteInboxOptions storage;
  storage.clock = std::make_shared<RoundClock>(round);
  const auto inbox = dingcb::open_sqlite_inbox(path, storage);
  const auto encryptor = dingcb::Encryptor::create(app);
  std::atomic<unsigned> calls{0};
  dingcb::Dispatcher::Builder builder;
  builder.on_type("user_add_org", [&](const dingcb::Event& event) {
    tell(pipe, 'H', event.header().id);
    return ++calls % 10 == 0 ? dingcb::Ack::retry(dingcb::Milliseconds(1)) : dingcb::Ack::done();
  });
  const auto dispatcher = builder.build();
  if (!inbox || !encryptor || !dispatcher) {
    std::fprintf(stderr, "%s\n", inbox ? "no encryptor or dispatcher" : inbox.error().message.c_str());
    _exit(4);
  }
  dingcb::CallbackOptions options;
  options.inbox = *inbox;
  const dingcb::CallbackHandler handler(*encryptor, *dispatcher, options);
  dingcb::WorkerOptions work;
  work.lease = std::chrono::minutes(10);
  work.max_attempts = 1000000;
  work.poll = dingcb::Milliseconds(20);
  work.on_settled = [&](const dingcb::ClaimedEvent& claimed, const dingcb::Settlement& settlement) {
    if (settlement.fate == dingcb::Fate::done) tell(pipe, 'S', claimed.event.dedup_key);
  };
  work.on_error = [&](const dingcb::Error& error, const dingcb::ClaimedEvent*) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    tell(pipe, 'E', "");
  };
  dingcb::Worker worker(*inbox, *dispatcher, work);
  if (last) {
    const bool drained = worker.drain(kPatience);
    worker.stop();
    const auto stats = (*inbox)->stats();
    _exit(drained && stats && stats->pending == 0 && stats->dead == 0 ? 0 : 5);
  }
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      const dingcb::testkit::Platform platform(app);
      for (std::int64_t i = 0; i < kPerRound; ++i) {
        const std::string id = id_of({sender, round * kPerRound + i});
        const auto push = platform.push(R"({"EventType":"user_add_org","CorpId":"ding1","eventId":")" + id +
                                        R"(","userId":["u)" + std::to_string(sender) + "\"]}");
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
  _exit(6);
}

// --- the process that looks on ---

class Judge {
 public:
  void hear(const std::string& line) {
    if (line[0] == 'E') return void(++errors);
    const std::size_t dot = line.find('.');
    const Push push{std::stoi(line.substr(1, dot - 1)), std::stoll(line.substr(dot + 1))};
    if (line[0] == 'A') answered.insert(push);
    if (line[0] == 'S') settled.insert(push);
    if (line[0] != 'H') return;
    ++calls;
    if (settled.count(push) != 0) complain("was handled again after it was settled", push);
    std::int64_t& newest = newest_[push.sender];
    if (push.number < newest) complain("was handled after a later one of its key", push);
    newest = push.number;
    handled.insert(push);
  }

  void finish() {
    for (const Push& push : answered) {
      if (handled.count(push) == 0) complain("was answered and never handled", push);
    }
  }

  std::set<Push> answered, handled, settled;
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
  int faults = 0;

 private:
  void complain(const char* what, const Push& push) {
    if (++faults <= 20) std::fprintf(stderr, "push %s %s\n", id_of(push).c_str(), what);
  }
  std::map<int, std::int64_t> newest_;
};

/// Runs a process until it has said `lines` lines, and kills it; 0: until it ends.
/// @return whether it ended as it should.
bool run_round(const std::string& path, std::int64_t round, std::uint64_t lines, Judge& judge) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    close(ends[0]);
    live(path, round, lines == 0, ends[1]);
  }
  close(ends[1]);
  std::string line;
  std::uint64_t heard = 0;
  char bytes[4096];
  for (ssize_t size = 0; (size = read(ends[0], bytes, sizeof bytes)) > 0;) {
    for (ssize_t i = 0; i < size; ++i) {
      if (bytes[i] != '\n') {
        line += bytes[i];
        continue;
      }
      judge.hear(line);
      line.clear();
      if (++heard == lines) kill(child, SIGKILL);
    }
  }
  close(ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child) return false;
  return lines == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : WIFSIGNALED(status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string path = argv[1];
  const auto rounds = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 5;
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device{}();
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  static_cast<void>(std::fflush(stdout));  // or each process would print it again
  std::mt19937_64 random(seed);
  Judge judge;
  bool well = true;
  for (int round = 0; round < rounds && well; ++round) well = run_round(path, round, 1 + random() % 600, judge);
  well = run_round(path, rounds, 0, judge) && well;
  judge.finish();
  std::printf("%d rounds: %zu pushes answered, %zu events handled in %llu calls, %zu settled, %llu errors, %d faults\n",
              rounds, judge.answered.size(), judge.handled.size(), static_cast<unsigned long long>(judge.calls),
              judge.settled.size(), static_cast<unsigned long long>(judge.errors), judge.faults);
  if (!well) std::fprintf(stderr, "a process ended otherwise than it should\n");
  const bool passed = well && judge.faults == 0 && !judge.answered.empty();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    if (passed) std::remove((path + suffix).c_str());
  }
  return passed ? 0 : 1;
}
