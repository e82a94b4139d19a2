// What is left of an inbox over MySQL after `kill -9`: a process receives pushes, three others handle them, and again
// and again one of them, or the server, is killed at some moment of its work; see ../support/crash.hpp for what must
// hold.
//
// crash_test [rounds] [seed]
#include "mysql/roles.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kWorkers = 3;

int run(int rounds, std::uint64_t seed) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  static_cast<void>(std::fflush(stdout));  // or processes that are forked may print it again
  std::mt19937_64 random(seed);
  support::MariaDb server;
  const roles::Place place(server);
  const auto begin = std::chrono::steady_clock::now();
  crash::Stage stage;
  crash::Judge& judge = stage.judge;
  int servers = 0;
  std::vector<std::int64_t> processes{place.receive(stage)};
  while (processes.size() <= kWorkers) processes.push_back(place.work(stage));
  for (int round = 0; round < rounds && judge.faults() == 0; ++round) {
    stage.listen(1 + random() % 1500);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    // The server and the receiver first, so that a short run has them, too.
    const std::size_t any = random() % (processes.size() + 1);
    const std::size_t which = round == 0 ? processes.size() : round == 1 ? 0 : any;
    if (which == processes.size()) {
      ++servers;
      server.kill();
      server.start();
    } else {
      stage.kill(processes[which]);
      processes[which] = which == 0 ? place.receive(stage) : place.work(stage);
    }
  }
  stage.kill(processes[0]);
  place.wait_until_empty(stage);
  judge.finish();
  std::printf("%d rounds in %lld s, the server killed %d times, ", rounds,
              static_cast<long long>(
                  std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count()),
              servers);
  judge.report();
  return judge.passed() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (roles::is_role(argc, argv)) return roles::play(argc, argv);
  return run(argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 5,
             argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
