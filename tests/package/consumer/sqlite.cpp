// A callback that stores what comes, as a user of dingcb writes it.
#include <dingcb/dingcb.hpp>
#include <dingcb/inbox/sqlite.hpp>

#include <cstdio>
#include <string>

int main(int, char** argv) {
  const std::string file = std::string(argv[0]) + ".db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove((file + suffix).c_str());
  const auto inbox = dingcb::open_sqlite_inbox(file);
  if (!inbox) {
    std::puts(inbox.error().message.c_str());
    return 1;
  }
  const auto events = dingcb::parse_push(R"({"EventType":"check_create_suite_url","Random":"LPIdSnlF"})");
  if (!events || (*inbox)->put({dingcb::StoredEvent::of(events->front())})->stored != 1) return 2;
  const auto handlers = dingcb::Dispatcher::Builder{}
                            .otherwise([](const dingcb::Event& event) { std::puts(event.raw().data()); })
                            .build();
  dingcb::Worker worker(*inbox, handlers.value());
  return worker.drain(dingcb::Milliseconds(60000)) ? 0 : 3;
}
