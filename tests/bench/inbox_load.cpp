// How many callbacks a second are answered durably, and how late: pushes that were sealed beforehand go through
// CallbackHandler into an inbox over SQLite, from as many connections at once as are asked for, without HTTP. Built as
// mysql_load, into one over MariaDB, of which it starts a server of its own; the file is ignored then.
//
// inbox_load <file> <connections> [pushes] [threads|loop] [worker|alone]
//   threads: a thread for each connection, which waits for its answer. loop: two threads serve all connections, by the
//   form with a completion.
//   worker: a Worker handles the events meanwhile. alone: they stay in the inbox.
// Prints a row of the table of inbox_load.sh.
#include <dingcb/callback_handler.hpp>
#include <dingcb/testkit.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if defined(DINGCB_LOAD_MYSQL)
#include <dingcb/inbox/mysql.hpp>
#include "support/mariadb.hpp"
#else
#include <dingcb/inbox/sqlite.hpp>
#endif

namespace {

using Clock = std::chrono::steady_clock;

#if defined(DINGCB_LOAD_MYSQL)
constexpr const char* kStore = "MariaDB";
#else
constexpr const char* kStore = "SQLite";
#endif

/// What is measured of a push.
struct Answer {
  Clock::time_point asked;
  Clock::time_point given;
  int status = 0;
};

double ms(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

#if defined(DINGCB_LOAD_MYSQL)
dingcb::Result<std::shared_ptr<dingcb::Inbox>> open_inbox(const std::string& /*path*/) {
  dingcb::MysqlInboxOptions options;
  options.server.port = support::mariadb().port();
  options.server.user = "root";
  options.server.database = support::mariadb().fresh_database();
  if (const auto made = dingcb::setup_mysql_inbox(options); !made) return made.error();
  return dingcb::open_mysql_inbox(options);
}
#else
dingcb::Result<std::shared_ptr<dingcb::Inbox>> open_inbox(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
  return dingcb::open_sqlite_inbox(path);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string path = argv[1];
  const auto connections = static_cast<std::size_t>(std::max(1L, std::strtol(argv[2], nullptr, 10)));
  const auto count = static_cast<std::size_t>(argc > 3 ? std::max(1L, std::strtol(argv[3], nullptr, 10)) : 20000);
  const bool loop = argc > 4 && std::string_view(argv[4]) == "loop";
  const bool work = argc > 5 && std::string_view(argv[5]) == "worker";
  const dingcb::Credential app{
      "tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "shop"};
  const dingcb::testkit::Platform platform(app);
  std::vector<dingcb::testkit::SignedPush> pushes;
  pushes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    pushes.push_back(platform.push(R"({"EventType":"user_add_org","CorpId":"ding1","eventId":"e)" + std::to_string(i) +
                                   R"(","userId":["u)" + std::to_string(i % 1000) + R"("],"pad":")" +
                                   std::string(500, 'x') + "\"}"));
  }

  const auto inbox = open_inbox(path);
  if (!inbox) {
    std::fprintf(stderr, "%s\n", inbox.error().message.c_str());
    return 1;
  }
  std::atomic<std::size_t> handled{0};
  const auto dispatcher =
      dingcb::Dispatcher::Builder{}.otherwise([&](const dingcb::Event&) { ++handled; }).build().value();
  dingcb::CallbackOptions options;
  options.inbox = *inbox;
  const dingcb::CallbackHandler handler(dingcb::Encryptor::create(app).value(), dispatcher, options);
  std::unique_ptr<dingcb::Worker> worker;
  if (work) worker = std::make_unique<dingcb::Worker>(*inbox, dispatcher);

  std::vector<Answer> answers(count);
  std::atomic<std::size_t> next{0};
  const auto begin = Clock::now();
  if (!loop) {
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < connections; ++t) {
      threads.emplace_back([&] {
        for (std::size_t i = next++; i < count; i = next++) {
          answers[i].asked = Clock::now();
          answers[i].status = handler.handle({pushes[i].query, pushes[i].body}).status;
          answers[i].given = Clock::now();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  } else {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t free = connections;
    const auto serve = [&] {
      for (;;) {
        {
          std::unique_lock<std::mutex> lock(mutex);
          changed.wait(lock, [&] { return free > 0; });
          --free;
        }
        const std::size_t i = next++;
        if (i >= count) break;
        answers[i].asked = Clock::now();
        handler.handle({pushes[i].query, pushes[i].body}, [&, i](const dingcb::Response& response) {
          answers[i].given = Clock::now();
          answers[i].status = response.status;
          const std::lock_guard<std::mutex> lock(mutex);
          ++free;
          changed.notify_one();
        });
      }
      const std::lock_guard<std::mutex> lock(mutex);
      ++free;
      changed.notify_all();
    };
    std::thread other(serve);
    serve();
    other.join();
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return free == connections; });
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();

  std::vector<double> took;
  std::size_t refused = 0;
  for (const Answer& answer : answers) {
    took.push_back(ms(answer.given - answer.asked));
    if (answer.status != 200) ++refused;
  }
  std::sort(took.begin(), took.end());
  const auto at = [&](double part) { return took[static_cast<std::size_t>(part * static_cast<double>(count - 1))]; };
  std::printf("| %s | %zu, %s | %s | %.0f | %.2f | %.2f | %.2f |", kStore, connections, loop ? "loop" : "threads",
              work ? "yes" : "no", static_cast<double>(count) / seconds, at(0.5), at(0.99), took.back());
  if (worker != nullptr) {
    worker->drain(dingcb::Milliseconds(60000));
    const double all = std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf(" %.0f", static_cast<double>(handled) / all);
  }
  std::printf(" |\n");
  if (refused != 0) std::fprintf(stderr, "%zu of them were refused\n", refused);
  worker.reset();
  return refused == 0 ? 0 : 1;
}
