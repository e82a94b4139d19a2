// What is left of an inbox over SQLite after `kill -9`: a process receives pushes and handles them, and is killed at
// some moment of its work, again and again over the same file; see ../support/crash.hpp for what must hold.
//
// crash_test <file> [rounds] [seed]
#include <dingcb/inbox/sqlite.hpp>

#include "support/crash.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>

namespace {

using namespace std::chrono_literals;

/// Runs an hour ahead of that of the process before, so that what a killed one held is free at once, while no lease
/// that is in use can ever end, however slow the machine is.
class ClockOfLife final : public dingcb::Clock {
 public:
  explicit ClockOfLife(std::int64_t life) noexcept : ahead_ms_(life * 3600 * 1000) {}
  std::int64_t unix_ms() const noexcept override {
    return ahead_ms_ +
           std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
               .count();
  }

 private:
  const std::int64_t ahead_ms_;
};

/// @param from empty: handles what is left, and ends.
int live(const std::string& path, const std::string& from, const crash::Teller& tell) {
  dingcb::SqliteInboxOptions storage;
  storage.clock = std::make_shared<ClockOfLife>(tell.life());
  const auto inbox = dingcb::open_sqlite_inbox(path, storage);
  if (!inbox) {
    std::fprintf(stderr, "%s\n", inbox.error().message.c_str());
    return 4;
  }
  dingcb::Worker worker(*inbox, crash::handlers(tell), crash::worker_options(tell, std::chrono::minutes(10)));
  if (!from.empty()) crash::receive(*inbox, from, tell);
  const bool drained = worker.drain(crash::kPatience);
  worker.stop();
  const auto stats = (*inbox)->stats();
  return drained && stats && stats->pending == 0 && stats->dead == 0 ? 0 : 5;
}

int run(const std::string& path, int rounds, std::uint64_t seed) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  static_cast<void>(std::fflush(stdout));  // or processes that are forked may print it again
  std::mt19937_64 random(seed);
  const auto begin = std::chrono::steady_clock::now();
  crash::Stage stage;
  crash::Judge& judge = stage.judge;
  for (int round = 0; round < rounds && judge.faults() == 0; ++round) {
    const std::int64_t life = stage.begin({"live", path, judge.from()});
    stage.listen(1 + random() % 1500);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    stage.kill(life);
  }
  if (stage.wait(stage.begin({"live", path, ""})) != 0) judge.complain("the last process left something behind");
  if (judge.count(crash::What::failed) != 0) judge.complain("the inbox failed: " + judge.failure());
  judge.finish();
  std::printf("%d rounds in %lld s: ", rounds,
              static_cast<long long>(
                  std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count()));
  judge.report();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    if (judge.passed()) std::remove((path + suffix).c_str());
  }
  return judge.passed() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 6 && std::string_view(argv[1]) == "live") return live(argv[2], argv[3], crash::Teller(argc, argv));
  if (argc < 2) return 2;
  return run(argv[1], argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 5,
             argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device{}());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
