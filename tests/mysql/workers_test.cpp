// Three processes handle the events of one inbox over MySQL; then one of them is killed (`kill -9`) with some in its
// hands. No event is ever with two of them, nor are two of one key, and the others finish what the killed one held.
#include "mysql/roles.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <vector>

namespace {

using namespace std::chrono_literals;

int run() {
  support::MariaDb server;
  const roles::Place place(server);
  crash::Stage stage;
  crash::Judge& judge = stage.judge;
  const std::int64_t receiver = place.receive(stage);
  std::vector<std::int64_t> workers;
  while (workers.size() < 3) workers.push_back(place.work(stage, 20ms));
  stage.listen(2000);
  while (judge.left_by(workers[1]) < 2 && stage.listen(1)) continue;
  stage.kill(workers[1]);
  const std::size_t held = judge.left_by(workers[1]);
  const auto killed = std::chrono::steady_clock::now();
  stage.listen(500);
  stage.kill(receiver);
  place.wait_until_empty(stage);
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - killed).count();
  judge.finish();
  if (held == 0) judge.complain("the process that was killed had nothing in its hands");
  for (const std::int64_t worker : workers) {
    if (judge.done_by(worker) == 0) judge.complain("a process had nothing to do");
    std::printf("%sdone by process %lld: %llu", worker == workers[0] ? "" : ", ", static_cast<long long>(worker),
                static_cast<unsigned long long>(judge.done_by(worker)));
  }
  std::printf("\nthe second was killed with %zu in its hands; %lld ms later nothing was pending\n", held,
              static_cast<long long>(took));
  judge.report();
  return judge.passed() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  return roles::is_role(argc, argv) ? roles::play(argc, argv) : run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
