#include <dingcb/inbox.hpp>

#include <dingcb/callback_handler.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include "support/callback.hpp"
#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/inbox_rules.hpp"
#include "support/injected.hpp"
#include "support/memory_inbox.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using dingcb::Ack;
using dingcb::ClaimedEvent;
using dingcb::Context;
using dingcb::Dispatcher;
using dingcb::Errc;
using dingcb::Error;
using dingcb::Event;
using dingcb::Fate;
using dingcb::Milliseconds;
using dingcb::Result;
using dingcb::Settlement;
using dingcb::Source;
using dingcb::StoredEvent;
using dingcb::Worker;
using dingcb::WorkerOptions;
using namespace std::chrono_literals;

constexpr auto kLong = 60s;  // what a test waits for in vain, at most

/// A clock of the inbox that runs, so that delays and leases end.
class RunningClock final : public dingcb::Clock {
 public:
  std::int64_t unix_ms() const noexcept override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

std::shared_ptr<memory::Inbox> make_inbox(std::size_t room = 1000) {
  return std::make_shared<memory::Inbox>(std::make_shared<RunningClock>(), room);
}

StoredEvent event(const std::string& id, const std::string& ordering_key = {}) {
  return inbox_rules::event(id, ordering_key);
}

void compare(const Event& one, const Event& two) {
  CHECK(one.kind() == two.kind());
  CHECK(one.raw() == two.raw());
  const dingcb::EventHeader& a = one.header();
  const dingcb::EventHeader& b = two.header();
  CHECK(a.id == b.id);
  CHECK(a.type == b.type);
  CHECK(a.corp_id == b.corp_id);
  CHECK(a.app_id == b.app_id);
  CHECK(a.born_ms == b.born_ms);
  CHECK(a.source == b.source);
  CHECK(a.subscribe_id == b.subscribe_id);
  CHECK(a.biz_id == b.biz_id);
  CHECK(a.biz_type == b.biz_type);
  CHECK(a.open_cursor == b.open_cursor);
  CHECK(a.gmt_modified_ms == b.gmt_modified_ms);
  CHECK(a.dedup_key == b.dedup_key);
  CHECK(a.ordering_key == b.ordering_key);
}

void check_round_trip(const Event& event) {
  const StoredEvent stored = StoredEvent::of(event);
  CHECK(stored.dedup_key == event.header().dedup_key);
  const Result<Event> again = stored.event();
  REQUIRE(again);
  compare(event, *again);
}

TEST_CASE("StoredEvent::event makes of every sample the event it was made of") {
  int checked = 0;
  for (const dingcb::testkit::Sample& sample : dingcb::testkit::samples()) {
    INFO(std::string(sample.name));
    if (sample.source == Source::stream) {
      if (const auto event = dingcb::parse_stream(std::string(sample.json))) check_round_trip(*event), ++checked;
    }
    const auto events = dingcb::parse_push(dingcb::testkit::plaintext_of(sample));
    REQUIRE(events);
    for (const Event& event : *events) check_round_trip(event), ++checked;
  }
  CHECK(checked > 300);
}

TEST_CASE("StoredEvent::event makes rows of tables and entries of the failed-push list again") {
  dingcb::PushRow row;
  row.subscribe_id = "s_0";
  row.corp_id = "ding1";
  row.biz_id = "you \"1\"";
  row.biz_type = 13;
  row.open_cursor = 17;
  row.gmt_modified_ms = 1700000000123;
  row.biz_data = R"({"syncAction":"user_add_org","userid":"u1", "name":"\u4f60 \"x\""})";
  check_round_trip(dingcb::parse_row(row).value());
  row.biz_data = "no json";
  check_round_trip(dingcb::parse_row(row).value());
  const auto list = dingcb::parse_failed_list(
      R"({"failed_list":[{"call_back_tag":"user_add_org","event_time":5,"user_add_org":{"userid":["z"],"corpid":"d"}}]})");
  REQUIRE(list);
  check_round_trip(list->events.at(0));
}

TEST_CASE("StoredEvent::event makes an event again whose text begins with a byte order mark") {
  const std::string mark = "\xEF\xBB\xBF";
  check_round_trip(dingcb::parse_push(mark + R"({"EventType":"user_add_org","CorpId":"ding1"})").value().at(0));
  check_round_trip(dingcb::parse_stream(mark + R"({"eventType":"user_add_org","data":{}})").value());
}

TEST_CASE("StoredEvent::of takes broken rows along") {
  for (const char* broken : {"17", "null", "\"text\"", "\"{\"", "[1,{}]", "{}", R"({"biz_data":"{"})"}) {
    INFO(broken);
    const auto events =
        dingcb::parse_push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)" + std::string(broken) + "]}");
    REQUIRE(events);
    const Result<Event> again = StoredEvent::of(events->at(0)).event();
    REQUIRE(again);
    CHECK(again->raw() == events->at(0).raw());
    CHECK(again->kind() == dingcb::Kind::unknown);
    CHECK(again->header().source == Source::sync_http);
  }
}

TEST_CASE("StoredEvent::of names the state that a suite ticket is the newest of") {
  const auto http =
      dingcb::parse_push(R"({"EventType":"suite_ticket","SuiteKey":"suite1","SuiteTicket":"t","TimeStamp":"9"})");
  CHECK(StoredEvent::of(http->at(0)).latest_key == dingcb::suite_ticket_key("suite1"));
  CHECK(StoredEvent::of(http->at(0)).born_ms == 9);
  const auto row = dingcb::parse_push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)" +
                                      callback::row("suite_ticket", "4711", 2) + "]}");
  CHECK(StoredEvent::of(row->at(0)).latest_key == "suite_ticket/4711");
  const auto other = dingcb::parse_push(R"({"EventType":"user_add_org"})");
  CHECK(StoredEvent::of(other->at(0)).latest_key.empty());
}

TEST_CASE("StoredEvent::event says when what is stored is no event") {
  StoredEvent stored = event("a");
  stored.body = "no json";
  CHECK(stored.event().error().code == Errc::json_malformed);
  stored.source = Source::sync_http;
  stored.body = "1,2";
  CHECK(stored.event().error().code == Errc::envelope_malformed);
}

TEST_CASE("The inbox of the tests obeys the rules") {
  inbox_rules::check_basics([](auto clock) { return std::make_shared<memory::Inbox>(clock); });
}

TEST_CASE("put_events does not double what a push brought with the same id") {
  const auto inbox = make_inbox();
  const auto push = dingcb::parse_push(R"({"EventType":"user_add_org","CorpId":"d","eventId":"e1","userId":["z"]})");
  CHECK(dingcb::put_events(*inbox, *push)->stored == 1);
  const auto list = dingcb::parse_failed_list(
      R"({"failed_list":[{"call_back_tag":"user_add_org","user_add_org":{"eventId":"e1","userid":["z"],"corpid":"d"}},)"
      R"({"call_back_tag":"user_add_org","user_add_org":{"eventId":"e2","userid":["y"],"corpid":"d"}}]})");
  const auto count = dingcb::put_events(*inbox, list->events);
  REQUIRE(count);
  CHECK(count->stored == 1);
  CHECK(count->duplicates == 1);
}

TEST_CASE("Inbox answers inbox_unsupported for what an implementation leaves out") {
  const auto inbox = make_inbox();
  CHECK(inbox->dead_letters({}).error().code == Errc::inbox_unsupported);
  CHECK(inbox->dead_letter("1").error().code == Errc::inbox_unsupported);
  CHECK(inbox->requeue({}).error().code == Errc::inbox_unsupported);
  CHECK(inbox->purge({}).error().code == Errc::inbox_unsupported);
  CHECK(inbox->clean({}).error().code == Errc::inbox_unsupported);
  CHECK(inbox->latest("x").error().code == Errc::inbox_unsupported);
}

/// What the hooks of a Worker are told.
class Told {
 public:
  void listen(WorkerOptions& options) {
    options.on_error = [this](const Error& error, const ClaimedEvent* claimed) {
      const std::lock_guard<std::mutex> lock(mutex_);
      errors_.emplace_back(error.code, claimed == nullptr ? "" : claimed->event.dedup_key);
      changed_.notify_all();
    };
    options.on_settled = [this](const ClaimedEvent& claimed, const Settlement& settlement) {
      const std::lock_guard<std::mutex> lock(mutex_);
      fates_[claimed.event.dedup_key].push_back(settlement.fate);
      whys_[claimed.event.dedup_key] = settlement.why;
      delays_.push_back(settlement.delay.count());
      changed_.notify_all();
    };
  }
  std::vector<Fate> fates(const std::string& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return fates_[key];
  }
  std::string why(const std::string& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return whys_[key];
  }
  std::vector<std::int64_t> delays() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return delays_;
  }
  std::vector<std::pair<Errc, std::string>> errors() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return errors_;
  }
  bool wait_for_error(Errc code) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, kLong, [&] {
      for (const auto& error : errors_) {
        if (error.first == code) return true;
      }
      return false;
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<Fate>> fates_;
  std::map<std::string, std::string> whys_;
  std::vector<std::int64_t> delays_;
  std::vector<std::pair<Errc, std::string>> errors_;
};

template <class F>
Dispatcher dispatcher(F handler) {
  Dispatcher::Builder builder;
  builder.on_type("user_add_org", std::move(handler));
  return builder.build().value();
}

TEST_CASE("Worker gives every event to its handler and settles it by the verdict") {
  const auto inbox = make_inbox();
  Told told;
  WorkerOptions options;
  options.poll = Milliseconds(std::int64_t{1} << 40);  // so that nothing is found by looking
  told.listen(options);
  std::atomic<int> retries{0};
  const auto handlers = dispatcher([&](const Event& event) -> Ack {
    const std::string& id = event.header().id;
    if (id == "drop") return Ack::drop("no use");
    if (id == "retry") return ++retries < 3 ? Ack::retry(Milliseconds(1), "not yet") : Ack::done();
    if (id == "throw" && ++retries < 0) return Ack::done();
    return Ack::done();
  });
  Worker worker(inbox, handlers, options);
  REQUIRE(inbox->put({event("done"), event("drop"), event("retry")}));
  CHECK(worker.drain(kLong));
  CHECK(told.fates("done") == std::vector<Fate>{Fate::done});
  CHECK(told.fates("drop") == std::vector<Fate>{Fate::bury});
  CHECK(told.why("drop") == "no use");
  CHECK(told.fates("retry") == std::vector<Fate>{Fate::delay, Fate::delay, Fate::done});
  const dingcb::WorkerStats stats = worker.stats();
  CHECK(stats.claimed == 5);
  CHECK(stats.done == 2);
  CHECK(stats.retried == 2);
  CHECK(stats.buried == 1);
  CHECK(stats.lost == 0);
  CHECK(inbox->stats()->dead == 1);
}

TEST_CASE("Worker buries what nobody can handle, and what fails too often") {
  const auto inbox = make_inbox();
  Told told;
  WorkerOptions options;
  options.max_attempts = 3;
  options.first_delay = Milliseconds(4);
  options.longest_delay = Milliseconds(6);
  told.listen(options);
  const auto handlers = dispatcher([](const Event&) { throw std::runtime_error("broken"); });
  StoredEvent malformed = event("malformed");
  malformed.body = "{";
  REQUIRE(inbox->put({event("throws"), malformed}));
  Worker worker(inbox, handlers, options);
  CHECK(worker.drain(kLong));
  CHECK(told.fates("throws") == std::vector<Fate>{Fate::delay, Fate::delay, Fate::bury});
  CHECK(told.why("throws").find("broken") != std::string::npos);
  CHECK(told.fates("malformed") == std::vector<Fate>{Fate::bury});
  int failed = 0;
  for (const auto& [code, key] : told.errors()) failed += code == Errc::handler_failed && key == "throws" ? 1 : 0;
  CHECK(failed == 3);
  for (const std::int64_t delay : told.delays()) CHECK((delay == 0 || (delay >= 2 && delay <= 6)));
}

TEST_CASE("Worker does not run an event again that ended the process in every attempt") {
  const auto clock = std::make_shared<injected::FakeClock>();
  const auto inbox = std::make_shared<memory::Inbox>(clock);
  REQUIRE(inbox->put({event("poison")}));
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(inbox->claim(1, Milliseconds(1000))->size() == 1);
    clock->now += 1000;
  }
  Told told;
  WorkerOptions options;
  options.max_attempts = 2;
  told.listen(options);
  std::atomic<int> handled{0};
  Worker worker(inbox, dispatcher([&](const Event&) { ++handled; }), options);
  CHECK(worker.drain(kLong));
  CHECK(handled == 0);
  CHECK(told.fates("poison") == std::vector<Fate>{Fate::bury});
}

TEST_CASE("Worker keeps the order of each key while other keys go on") {
  const auto inbox = make_inbox(100000);
  std::vector<StoredEvent> events;
  for (int i = 0; i < 300; ++i) {
    const std::string key = std::to_string(i % 7);
    events.push_back(event(key + ':' + std::to_string(i), key));
  }
  REQUIRE(inbox->put(events));
  std::mutex mutex;
  std::map<std::string, int> last;
  std::map<std::string, int> running;
  int wrong = 0;
  int handled = 0;
  std::map<std::string, int> attempts;
  const auto handlers = dispatcher([&](const Event& event) -> Ack {
    const std::string id = event.header().id;
    const std::string key = id.substr(0, id.find(':'));
    const int number = std::stoi(id.substr(id.find(':') + 1));
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (++running[key] > 1) ++wrong;
      const auto before = last.find(key);
      if (before != last.end() && before->second >= number) ++wrong;
    }
    std::this_thread::yield();
    const std::lock_guard<std::mutex> lock(mutex);
    --running[key];
    if (number % 11 == 0 && ++attempts[id] == 1) return Ack::retry(Milliseconds(1));
    last[key] = number;
    ++handled;
    return Ack::done();
  });
  Worker one(inbox, handlers);
  Worker two(inbox, handlers);
  CHECK(one.drain(kLong));
  two.stop();
  one.stop();
  CHECK(wrong == 0);
  CHECK(handled == 300);
}

TEST_CASE("Worker extends the leases of handlers that take their time") {
  const auto inbox = make_inbox();
  support::Gate gate;
  std::atomic<int> handled{0};
  WorkerOptions options;
  options.lease = Milliseconds(30);
  const auto handlers = dispatcher([&](const Event&) {
    ++handled;
    gate.pass();
  });
  Worker worker(inbox, handlers, options);
  REQUIRE(inbox->put({event("slow")}));
  REQUIRE(gate.wait_for(1));
  // Whoever looks for an event whose lease has ended finds none, for as long as ten leases.
  const RunningClock clock;
  const std::int64_t until = clock.unix_ms() + 300;
  std::size_t stolen = 0;
  while (clock.unix_ms() < until) {
    stolen += inbox->claim(1, Milliseconds(1)).value().size();
    std::this_thread::yield();
  }
  gate.open();
  worker.stop();
  // A machine that stalls for a whole lease loses it, and has to say so.
  CHECK(stolen == worker.stats().lost);
  CHECK(handled == 1);
}

TEST_CASE("Worker::stop waits for the handlers that run and gives back what was not begun") {
  const auto inbox = make_inbox();
  support::Gate gate;
  std::atomic<int> handled{0};
  WorkerOptions options;
  options.threads = 1;
  options.batch = 3;
  const auto handlers = dispatcher([&](const Event&) {
    gate.pass();
    ++handled;
  });
  Worker worker(inbox, handlers, options);
  REQUIRE(inbox->put({event("a"), event("b"), event("c")}));
  REQUIRE(gate.wait_for(1));
  std::thread stopper([&] { worker.stop(); });
  gate.open();
  stopper.join();
  CHECK(worker.stats().done == static_cast<std::uint64_t>(handled));
  CHECK(worker.stats().done + worker.stats().given_back == worker.stats().claimed);
  CHECK(inbox->stats()->pending == 3 - worker.stats().done);
  CHECK(inbox->stats()->claimed == 0);
  for (const ClaimedEvent& each : inbox->claim(3, Milliseconds(1)).value()) CHECK(each.attempt == 1);
}

TEST_CASE("Worker::pause claims no more until resume") {
  const auto inbox = make_inbox();
  std::atomic<int> handled{0};
  WorkerOptions options;
  options.poll = Milliseconds(1);
  Worker worker(inbox, dispatcher([&](const Event&) { ++handled; }), options);
  worker.pause();
  CHECK(worker.drain(kLong));  // nothing is pending
  REQUIRE(inbox->put({event("a")}));
  CHECK_FALSE(worker.drain(20ms));
  CHECK(handled == 0);
  worker.resume();
  CHECK(worker.drain(kLong));
  CHECK(handled == 1);
}

TEST_CASE("Worker waits for verdicts that are deferred, and retries those that do not come") {
  const auto inbox = make_inbox();
  Told told;
  WorkerOptions options;
  options.budget = Milliseconds(1);
  options.first_delay = Milliseconds(1);
  told.listen(options);
  std::vector<dingcb::Deferred> kept;
  std::atomic<int> calls{0};
  const auto handlers = dispatcher([&](const Event&, Context& context) {
    if (++calls == 1) {
      kept.push_back(context.defer());  // never settled
    } else {
      context.defer().settle(Ack::done());
    }
  });
  REQUIRE(inbox->put({event("a")}));
  Worker worker(inbox, handlers, options);
  CHECK(worker.drain(kLong));
  CHECK(told.fates("a") == std::vector<Fate>{Fate::delay, Fate::done});
}

/// An inbox that fails when it is told to.
class Failing final : public dingcb::Inbox {
 public:
  explicit Failing(std::shared_ptr<memory::Inbox> inbox) : inbox_(std::move(inbox)) {}
  std::atomic<int> failures{0};
  std::atomic<bool> throws{false};

  Result<dingcb::PutCount> put(const std::vector<StoredEvent>& events) override {
    if (fails()) return error();
    return inbox_->put(events);
  }
  Result<std::vector<ClaimedEvent>> claim(std::size_t limit, Milliseconds lease) override {
    if (fails()) return error();
    return inbox_->claim(limit, lease);
  }
  Result<std::vector<std::size_t>> settle(const std::vector<Settlement>& settlements) override {
    if (fails()) return error();
    return inbox_->settle(settlements);
  }
  Result<dingcb::InboxStats> stats() override { return inbox_->stats(); }

 private:
  bool fails() {
    if (failures <= 0) return false;
    --failures;
    if (throws) throw std::runtime_error("no connection");
    return true;
  }
  static Error error() { return {Errc::inbox_failed, dingcb::Message::literal("told to fail"), nullptr}; }

  const std::shared_ptr<memory::Inbox> inbox_;
};

TEST_CASE("Worker goes on when its inbox has failed") {
  const auto inbox = std::make_shared<Failing>(make_inbox());
  Told told;
  WorkerOptions options;
  options.poll = Milliseconds(10);
  told.listen(options);
  std::atomic<int> handled{0};
  const auto handlers = dispatcher([&](const Event&) {
    ++handled;
    inbox->failures = 2;  // so that the settlement fails twice
    inbox->throws = true;
  });
  inbox->failures = 1;
  Worker worker(inbox, handlers, options);
  CHECK(told.wait_for_error(Errc::inbox_failed));
  REQUIRE(inbox->put({event("a")}));
  CHECK(worker.drain(kLong));
  CHECK(handled == 1);
  CHECK(worker.stats().failed == 3);
  CHECK(worker.stats().done == 1);
}

TEST_CASE("Worker tells when it lost a claim before it could settle it") {
  const auto inbox = make_inbox();
  Told told;
  WorkerOptions options;
  told.listen(options);
  // Another worker is in possession of the event by the time that this handler is done.
  const auto handlers = dispatcher([&](const Event&) {
    inbox->settle({{"1", "1", Fate::delay, Milliseconds(1000000), {}}}).value();
  });
  REQUIRE(inbox->put({event("a")}));
  Worker worker(inbox, handlers, options);
  CHECK(told.wait_for_error(Errc::lease_lost));
  CHECK(worker.stats().lost == 1);
  CHECK(worker.stats().done == 0);
}

// --- CallbackHandler with an inbox ---

struct Site {
  explicit Site(std::shared_ptr<dingcb::Inbox> inbox, dingcb::CallbackOptions options = callback::unhurried()) {
    options.inbox = std::move(inbox);
    options.on_error = [this](const dingcb::Request&, const Error& error) {
      const std::lock_guard<std::mutex> lock(mutex);
      errors.push_back(error.code);
    };
    handler = std::make_unique<dingcb::CallbackHandler>(dingcb::Encryptor::create(callback::kApp).value(),
                                                        dispatcher([this](const Event&) { ++handled; }), options);
  }
  std::string answer(const callback::Http& http) const { return callback::answer_of(handler->handle(http.request())); }

  std::atomic<int> handled{0};
  std::mutex mutex;
  std::vector<Errc> errors;
  std::unique_ptr<dingcb::CallbackHandler> handler;
};

TEST_CASE("CallbackHandler stores events in its inbox and answers, without calling their handlers") {
  const auto inbox = make_inbox();
  const Site site(inbox);
  const callback::Http push = callback::push(R"({"EventType":"user_add_org","eventId":"e1"})");
  CHECK(site.answer(push) == "success");
  CHECK(site.answer(push) == "success");
  CHECK(site.answer(callback::push_rows(callback::row("user_add_org", "u1", 13) + ',' +
                                        callback::row("user_add_org", "u2", 13))) == "success");
  CHECK(site.handled == 0);
  CHECK(inbox->stats()->pending == 3);
  CHECK(site.handler->stats().stored == 3);
  CHECK(site.handler->stats().duplicates == 1);
  CHECK(site.handler->stats().events == 4);
  CHECK(site.handler->stats().done == 0);
}

TEST_CASE("CallbackHandler answers URL checks and refuses forgeries without its inbox") {
  const auto inbox = std::make_shared<Failing>(make_inbox());
  inbox->failures = 1000;
  const Site site(inbox);
  CHECK(site.answer(callback::push(R"({"EventType":"check_url"})")) == "success");
  callback::Http forged = callback::push_of("user_add_org");
  forged.query += 'x';
  CHECK(site.handler->handle(forged.request()).status != 200);
  CHECK(site.answer(callback::push_rows("")) == "success");  // no event in it
  CHECK(inbox->failures == 1000);
}

TEST_CASE("CallbackHandler refuses with 503 what its inbox does not take") {
  SECTION("because it is full") {
    const Site site(make_inbox(1));
    CHECK(site.answer(callback::push_of("user_add_org")) == "success");
    CHECK(site.answer(callback::push_of("user_leave_org")) == "503 try again");
    CHECK(site.errors == std::vector<Errc>{Errc::inbox_full});
    CHECK(site.handler->refused(Errc::inbox_full) == 1);
    CHECK(site.handler->stats().broken == 1);
  }
  SECTION("because it fails") {
    const auto inbox = std::make_shared<Failing>(make_inbox());
    inbox->failures = 1;
    const Site site(inbox);
    CHECK(site.answer(callback::push_of("user_add_org")) == "503 try again");
    CHECK(site.answer(callback::push_of("user_add_org")) == "success");
    CHECK(site.errors == std::vector<Errc>{Errc::inbox_failed});
  }
  SECTION("because it throws") {
    const auto inbox = std::make_shared<Failing>(make_inbox());
    inbox->failures = 1;
    inbox->throws = true;
    const Site site(inbox);
    CHECK(site.answer(callback::push_of("user_add_org")) == "503 try again");
    CHECK(site.errors == std::vector<Errc>{Errc::inbox_failed});
  }
}

/// An inbox whose commits come when they are told to.
class Slow final : public dingcb::Inbox {
 public:
  Result<dingcb::PutCount> put(const std::vector<StoredEvent>&) override { return dingcb::PutCount{}; }
  void put_later(std::vector<StoredEvent> events, PutDone done) override {
    const std::lock_guard<std::mutex> lock(mutex);
    waiting.emplace_back(events.size(), std::move(done));
  }
  Result<std::vector<ClaimedEvent>> claim(std::size_t, Milliseconds) override { return std::vector<ClaimedEvent>(); }
  Result<std::vector<std::size_t>> settle(const std::vector<Settlement>&) override {
    return std::vector<std::size_t>();
  }
  Result<dingcb::InboxStats> stats() override { return dingcb::InboxStats{}; }
  void commit() {
    std::vector<std::pair<std::size_t, PutDone>> all;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      all.swap(waiting);
    }
    for (const auto& [size, done] : all) {
      dingcb::PutCount count;
      count.stored = size;
      done(count);
    }
  }
  std::mutex mutex;
  std::vector<std::pair<std::size_t, PutDone>> waiting;
};

TEST_CASE("CallbackHandler answers after the commit, without a thread that waits for it") {
  const auto inbox = std::make_shared<Slow>();
  const Site site(inbox);
  std::vector<std::string> answers;
  for (int i = 0; i < 3; ++i) {
    const callback::Http push = callback::push_of("user_add_org");
    site.handler->handle(push.request(),
                         [&](const dingcb::Response& response) { answers.push_back(callback::answer_of(response)); });
  }
  CHECK(answers.empty());
  CHECK(site.handler->in_flight() == 3);
  inbox->commit();
  CHECK(answers == std::vector<std::string>(3, "success"));
  CHECK(site.handler->in_flight() == 0);
  CHECK(site.handler->stats().stored == 3);
}

TEST_CASE("CallbackHandler refuses before its deadline when the commit does not come") {
  const auto inbox = std::make_shared<Slow>();
  const auto clock = std::make_shared<injected::FakeClock>();
  dingcb::CallbackOptions options;
  options.clock = clock;
  const Site site(inbox, options);
  std::vector<std::string> answers;
  const callback::Http push = callback::push_of("user_add_org");
  site.handler->handle(push.request(),
                       [&](const dingcb::Response& response) { answers.push_back(callback::answer_of(response)); });
  clock->now += 2249;
  CHECK(site.handler->expire() == 1);
  clock->now += 1;
  CHECK(site.handler->expire() == 0);
  CHECK(answers == std::vector<std::string>{"503 try again"});
  CHECK(site.handler->stats().late == 0);
  CHECK(site.errors == std::vector<Errc>{Errc::inbox_failed});
  inbox->commit();  // the commit that came too late changes no answer
  CHECK(answers.size() == 1);
  CHECK(site.handler->stats().stored == 1);
}

TEST_CASE("CallbackHandler that waits in the thread of the request refuses in time, too") {
  const auto inbox = std::make_shared<Slow>();
  dingcb::CallbackOptions options;
  options.http_deadline = Milliseconds(20);
  const Site site(inbox, options);
  CHECK(site.answer(callback::push_of("user_add_org")) == "503 try again");
  inbox->commit();
}

}  // namespace
