// The smallest whole service that stores first, answers at once, and processes later: an HTTP server, one SQLite file,
// and a worker in the same process.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/inbox/sqlite.hpp>

#include <chrono>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "httplib_server.hpp"

using namespace std::chrono_literals;

namespace {

// Handlers run at least once: twice where the process dies between the end of one and the commit of its verdict. Here
// that is a second line in a file; a database has a unique index on the dedup_key.
void add_employees(const dingcb::events::UserAddOrg& event, const dingcb::Context& context) {
  std::ofstream file("employees.txt", std::ios::app);
  for (const std::string& id : event.user_id) file << id << ' ' << context.event().header().dedup_key << '\n';
  if (!file.flush()) throw std::runtime_error("employees.txt cannot be written");  // so that it is tried again
  for (const std::string& id : event.user_id) service::log("employee " + id);
}

void print_dead_letters(dingcb::Inbox& inbox) {
  const auto letters = inbox.dead_letters({});
  if (!letters) return service::log("dead letters cannot be read: " + letters.error().message.str());
  for (const dingcb::DeadLetter& letter : *letters) {
    service::log("dead letter " + letter.id + " " + letter.event.type + ": " + letter.why);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;  // before the inbox, which starts threads
  const auto inbox = dingcb::open_sqlite_inbox("inbox.db");
  if (!inbox) {
    std::cerr << inbox.error().message << '\n';
    return 1;
  }
  print_dead_letters(**inbox);

  const dingcb::Dispatcher dispatcher = dingcb::Dispatcher::Builder{}.on(add_employees).build().value();
  dingcb::CallbackOptions options = service::make_options();
  options.inbox = *inbox;
  const dingcb::CallbackHandler handler(service::make_encryptor(), dispatcher, std::move(options));

  service::HttplibServer server;
  server.Post("/callback", [&](const httplib::Request& request, httplib::Response& response) {
    dingcb::Response answer = handler.handle(dingcb::Request::from_target(request.target, request.body));
    response.status = answer.status;
    response.set_content(std::move(answer.body), std::string(answer.content_type));
  });
  const int port = server.listen_on(service::port(argc, argv));
  if (port < 0) {
    std::cerr << "cannot listen\n";
    return 1;
  }

  dingcb::WorkerOptions work;
  work.lease = 5s;  // what a process that died had claimed comes again after this time
  work.on_error = [](const dingcb::Error& error, const dingcb::ClaimedEvent* event) {
    std::cerr << (event == nullptr ? "inbox" : event->event.type) + ": " + error.message.str() + '\n';
  };
  dingcb::Worker worker(*inbox, dispatcher, std::move(work));
  std::thread loop([&] { server.listen_after_bind(); });
  service::announce(port);
  stop.wait();
  server.stop();  // takes no more; what waits for the inbox is still answered
  loop.join();
  worker.stop();  // waits for the handlers that run; the rest stays in the inbox
}
