// The life of a suite, played without a network: the test kit is DingTalk, by HTTP push at first, by SyncHTTP later,
// and the service ends and starts again in between. suite.hpp has what the service does.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/callback_check.hpp>
#include <dingcb/inbox/sqlite.hpp>
#include <dingcb/testkit.hpp>

#include <exception>
#include <filesystem>
#include <iostream>
#include <set>

#include "suite.hpp"

namespace {

using namespace dingcb::events;

constexpr const char* kSuiteKey = "suite4xxxxxxxxxxxxxxx";
constexpr const char* kSuiteId = "253000001";
constexpr const char* kFile = "isv.db";

dingcb::Credential credential() { return {"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {kSuiteKey}}; }

/// Takes the place of DingTalk's server API: it calls nobody, but logs what it is asked for.
class FakeApiThatOnlyLogs final : public isv::ServerApi {
 public:
  std::string valid_ticket;
  std::vector<std::int64_t> scope{1};
  std::string fails_once;

  std::optional<std::string> permanent_code(const std::string& ticket, const std::string& auth_code) override {
    call("get_permanent_code", ticket);
    if (!spent_.insert(auth_code).second) return std::nullopt;
    return "permanent code for " + auth_code;
  }
  void activate(const std::string& ticket, const std::string& corp_id, const std::string&) override {
    call("activate_suite for " + corp_id, ticket);
  }
  std::vector<std::int64_t> departments(const std::string& ticket, const std::string& corp_id) override {
    call("the scope of " + corp_id, ticket);
    return scope;
  }

 private:
  void call(const std::string& what, const std::string& ticket) {
    if (ticket != valid_ticket) throw std::runtime_error("the server API refuses the ticket");
    std::cout << "    the service asks the server API: " << what << '\n';
    if (what != fails_once) return;
    fails_once.clear();
    throw std::runtime_error("the server API does not answer");
  }

  std::set<std::string> spent_;
};

/// What runs in one process: a callback that stores and, once work() was called, a worker that handles.
class Service {
 public:
  Service(isv::Organisations& organisations, isv::ServerApi& api)
      : inbox_(dingcb::open_sqlite_inbox(kFile).value()),
        dispatcher_(isv::make_dispatcher(organisations, api, [this] { return ticket(); })),
        callback_(dingcb::Encryptor::create(credential()).value(), dispatcher_, options()) {}

  std::string ticket() const { return isv::newest_ticket(*inbox_, {kSuiteKey, kSuiteId}); }
  dingcb::Response handle(const dingcb::Request& request) const { return callback_.handle(request); }

  void work() {
    dingcb::WorkerOptions options;
    options.on_error = [](const dingcb::Error& error, const dingcb::ClaimedEvent*) {
      std::cout << "    not yet: " << error.message << '\n';
    };
    worker_.emplace(inbox_, dispatcher_, std::move(options));
  }
  /// Lets the worker handle everything; it rests otherwise, so that what is printed has an order.
  void finish() {
    if (!worker_) return;
    worker_->resume();
    if (!worker_->drain(dingcb::Milliseconds(60000))) throw std::runtime_error("the worker hangs");
    worker_->pause();
  }

 private:
  dingcb::CallbackOptions options() const {
    dingcb::CallbackOptions options;
    options.inbox = inbox_;
    return options;
  }

  std::shared_ptr<dingcb::Inbox> inbox_;
  dingcb::Dispatcher dispatcher_;
  dingcb::CallbackHandler callback_;
  std::optional<dingcb::Worker> worker_;  // goes first
};

class Play {
 public:
  void start() {
    service_.reset();
    service_.emplace(organisations_, api_);
  }
  void work() {
    service_->work();
    service_->finish();
  }
  FakeApiThatOnlyLogs& api() { return api_; }

  void say(const char* text) const { std::cout << text << '\n'; }

  /// Pushes an event by HTTP that happened in this second of the play.
  template <class E>
  void push(const E& event, const std::string& corp_id, std::int64_t second) {
    dingcb::EventHeader header;
    header.corp_id = corp_id;
    header.born_ms = 1700000000000 + second * 1000;
    send("HTTP", dingcb::EventTraits<E>::type, corp_id, platform_.push(event, header));
  }
  /// The same as a row by SyncHTTP.
  template <class E>
  void push_row(const E& event, const std::string& corp_id, std::int64_t second) {
    dingcb::EventHeader header;
    header.corp_id = corp_id;
    header.biz_id = kSuiteId;
    header.subscribe_id = header.biz_id + "_0";
    header.gmt_modified_ms = 1700000000000 + second * 1000;
    send("SyncHTTP", dingcb::EventTraits<E>::type, corp_id,
         platform_.push_rows({dingcb::testkit::row_of(event, header)}));
  }

  SuiteTicket next_ticket() {
    SuiteTicket event;
    event.suite_key = kSuiteKey;
    event.suite_ticket = api_.valid_ticket = "ticket " + std::to_string(++tickets_);
    return event;
  }
  void show_ticket() const {
    std::cout << "    the newest ticket is " << (service_->ticket() == api_.valid_ticket ? "there" : "MISSING") << '\n';
  }
  void show(const std::string& corp_id) const {
    const isv::Organisation organisation = organisations_.find(corp_id);
    std::cout << "    " << corp_id << " is " << (organisation.open ? "open" : "closed");
    for (const std::int64_t id : organisation.departments) std::cout << ", department " << id;
    std::cout << (organisation.permanent_code.empty() ? "\n" : ", has a permanent code\n");
  }

 private:
  void send(const char* how, std::string_view type, const std::string& corp_id,
            const dingcb::testkit::SignedPush& push) {
    const dingcb::Response response = service_->handle(push.request());
    const auto judgement = platform_.judge(response.status, response.body);
    std::cout << "  DingTalk, by " << how << ": " << type << (corp_id.empty() ? "" : " of ") << corp_id << " -> "
              << (judgement.accepted ? "accepted" : judgement.problem) << '\n';
    service_->finish();
  }

  const dingcb::testkit::Platform platform_{credential()};
  isv::Organisations organisations_;
  FakeApiThatOnlyLogs api_;
  std::optional<Service> service_;
  int tickets_ = 0;
};

void by_http(Play& play) {
  play.say("The URL is saved in the developer console.");
  play.push(CheckCreateSuiteUrl{"brdkKLMW"}, "", 0);

  play.say("Tickets come before any handler runs.");
  const SuiteTicket first = play.next_ticket();
  play.push(first, "", 1);
  play.push(play.next_ticket(), "", 2);
  play.push(first, "", 1);  // repeated, because DingTalk did not get the answer
  play.show_ticket();

  play.say("An organisation authorises the suite. The process ends before anybody handled that, and starts again.");
  const TmpAuthCode code{"code of ding1", "ding1", kSuiteKey};
  play.push(code, "ding1", 3);
  play.show("ding1");
  play.start();
  play.show_ticket();
  play.api().fails_once = "activate_suite for ding1";
  play.work();
  play.push(code, "ding1", 3);  // repeated: it is known, also by the new process
  play.show("ding1");

  play.say("It changes what the suite may read, and relieves it. A push from before comes late, and changes nothing.");
  play.api().scope = {1, 2};
  play.push(ChangeAuth{kSuiteKey, "ding1"}, "ding1", 4);
  play.show("ding1");
  play.push(SuiteRelieve{kSuiteKey, "ding1"}, "ding1", 6);
  play.push(TmpAuthCode{"another code of ding1", "ding1", kSuiteKey}, "ding1", 5);
  play.show("ding1");
}

/// Of org_suite_auth and org_suite_change, which are the same.
template <class E>
E authorisation(std::initializer_list<std::int64_t> departments) {
  E event;
  event.auth_scope.emplace().auth_org_scopes.emplace().authed_dept_ids = departments;
  return event;
}

void by_sync_http(Play& play) {
  play.say("The suite moves to SyncHTTP: another URL, and rows that name it by its id.");
  play.push(CheckUpdateSuiteUrl{"brdkKLMW", kSuiteKey}, "", 7);
  play.push_row(play.next_ticket(), "ding0", 8);
  play.show_ticket();

  play.say("One organisation authorises, changes and relieves it; of another, only the change is heard.");
  const auto authorised = authorisation<OrgSuiteAuth>({1});
  play.push_row(authorised, "ding2", 9);
  play.show("ding2");
  play.push_row(authorisation<OrgSuiteChange>({1, 5}), "ding2", 10);
  play.push_row(authorised, "ding2", 9);  // repeated
  play.show("ding2");
  play.push_row(OrgSuiteRelieve{}, "ding2", 11);
  play.show("ding2");
  play.push_row(authorisation<OrgSuiteChange>({7}), "ding3", 12);
  play.show("ding3");
}

}  // namespace

int main() {
  try {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(kFile + std::string(suffix));
    Play play;
    play.start();
    by_http(play);
    by_sync_http(play);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
