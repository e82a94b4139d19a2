// Code that docs/inbox.md quotes, and checks that it does what it says.
#include <dingcb/dingcb.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/inbox/sqlite.hpp>
#include <dingcb/testkit.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

using dingcb::events::UserAddOrg;
using namespace std::chrono_literals;

namespace {

void check(bool true_here, const char* what) {
  if (true_here) return;
  std::cerr << "not as documented: " << what << '\n';
  std::exit(1);
}

struct Database {
  bool up = true;
  int joined = 0;
  bool add(const UserAddOrg& added) {
    if (up) joined += static_cast<int>(added.user_id.size());
    return up;
  }
};

}  // namespace

int main() {  // NOLINT(bugprone-exception-escape): a failure of this test may end it
  for (const char* file : {"events.db", "events.db-wal", "events.db-shm"}) std::remove(file);
  const dingcb::Credential credential{
      "123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "my app"};
  const dingcb::Encryptor encryptor = dingcb::Encryptor::create(credential).value();
  const dingcb::testkit::Platform platform(credential);
  Database database;
  std::ostringstream log;

  // [store]
  std::shared_ptr<dingcb::Inbox> inbox = dingcb::open_sqlite_inbox("events.db").value();

  dingcb::Dispatcher dispatcher =
      dingcb::Dispatcher::Builder{}
          .on([&](const UserAddOrg& added) {
            return database.add(added) ? dingcb::Ack::done() : dingcb::Ack::retry({}, "no database");
          })
          .build()
          .value();

  dingcb::CallbackOptions options;
  options.inbox = inbox;
  dingcb::CallbackHandler handler(encryptor, dispatcher, options);  // stores, and answers

  dingcb::WorkerOptions work;
  work.max_attempts = 5;
  work.on_error = [&](const dingcb::Error& error, const dingcb::ClaimedEvent* event) {
    log << (event == nullptr ? "inbox" : event->event.type) << ": " << error.message << '\n';
  };
  dingcb::Worker worker(inbox, dispatcher, work);  // handles
  // [/store]

  const auto push = platform.push(R"({"EventType":"user_add_org","CorpId":"ding9f50","userId":["015227"]})");
  for (int i = 0; i < 2; ++i) check(platform.accepts(handler.handle(push.request()).body), "the answer");
  check(worker.drain(60s), "drain");
  check(database.joined == 1, "the repetition is dropped");

  const auto broken = platform.push(R"({"EventType":"user_add_org","CorpId":"ding9f50","userId":{"id":7}})");
  check(platform.accepts(handler.handle(broken.request()).body), "an answer before the body is looked at");
  check(worker.drain(60s), "drain");

  // [dead]
  const auto letters = inbox->dead_letters({}).value();  // without their bodies
  for (const dingcb::DeadLetter& letter : letters) log << letter.event.type << ": " << letter.why << '\n';
  if (!letters.empty()) inbox->requeue({letters.front().id}).value();
  // [/dead]
  check(letters.size() == 1, "a dead letter");
  check(log.str().find("user_add_org: ") != std::string::npos, "the reason");

  // [stop]
  worker.stop();          // waits for the handlers that run; the rest stays in the inbox
  options.inbox.reset();  // the last one who lets go of the inbox closes the file
  // [/stop]
  check(inbox->stats()->pending + inbox->stats()->dead == 1, "nothing is lost by stopping");

  // [ticket]
  const auto ticket = inbox->latest(dingcb::suite_ticket_key("suite4xxxxxxxxxxxxxxx"));
  if (ticket && *ticket) log << (*ticket)->event()->json()["SuiteTicket"].as_text().size() << '\n';
  // [/ticket]
  return 0;
}
