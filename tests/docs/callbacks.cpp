// Code that the documents quote about dispatch and callbacks, and checks that it does what they say.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/app_lifecycle.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/registration.hpp>
#include <dingcb/testkit.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using dingcb::testkit::Platform;
using dingcb::testkit::SignedPush;
using namespace dingcb::events;
using namespace std::chrono_literals;

namespace {

void check(bool true_here, const char* what) {
  if (true_here) return;
  std::cerr << "not as documented: " << what << '\n';
  std::exit(1);
}

dingcb::Credential settings() {
  return {"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "my app"};
}

constexpr const char* kAdded = R"({"EventType":"user_add_org","CorpId":"ding9f50","userId":["015227"]})";
constexpr const char* kLeft = R"({"EventType":"user_leave_org","CorpId":"ding9f50","userId":["015227"]})";
constexpr const char* kApproved =
    R"({"EventType":"bpms_instance_change","CorpId":"ding9f50","processInstanceId":"ad25","type":"finish"})";
constexpr const char* kTicket = R"({"EventType":"suite_ticket","SuiteTicket":"t1","SuiteKey":"suite4xxxxxxxxxxxxxxx"})";
constexpr const char* kCheck = R"({"EventType":"check_url"})";

dingcb::CallbackHandler handler_of(dingcb::Dispatcher::Builder& builder, dingcb::CallbackOptions options = {}) {
  return {dingcb::Encryptor::create(settings()).value(), builder.build().value(), std::move(options)};
}

dingcb::Response post(const dingcb::CallbackHandler& handler, std::string_view plaintext) {
  return handler.handle(Platform(settings()).push(plaintext).request());
}

class FakeClock final : public dingcb::Clock {
 public:
  std::int64_t unix_ms() const noexcept override { return now; }
  std::int64_t now = 1700000000000;
};

// A database that fails when it is told to.
struct Database {
  bool store(std::string_view id) {
    if (!up) return false;
    ids.emplace_back(id);
    return true;
  }
  bool up = true;
  std::vector<std::string> ids;
};

void handles() {
  Database database;
  std::ostringstream log;
  // [handlers]
  dingcb::Dispatcher::Builder builder;
  builder.on([&](const UserAddOrg& added) { log << added.user_id.size() << " joined\n"; })
      .on([&](const BpmsInstanceChange& approval, dingcb::Context& context) -> dingcb::Ack {
        if (approval.process_instance_id.empty()) return dingcb::Ack::drop("an approval without an id");
        if (!database.store(context.event().header().dedup_key)) return dingcb::Ack::retry(30s, "no database");
        return dingcb::Ack::done();
      })
      .on_type("invented_tomorrow", [&](const dingcb::Event& event) { log << event.json()["what"].as_text() << '\n'; })
      .otherwise([&](const dingcb::Event& other) { log << other.type() << " is not for us\n"; });
  dingcb::Result<dingcb::Dispatcher> dispatcher = builder.build();
  // [/handlers]
  check(bool(dispatcher), "the builder");
  check(dispatcher->subscribed_types() ==
            std::vector<std::string>{"bpms_instance_change", "invented_tomorrow", "user_add_org"},
        "subscribed_types");
  const dingcb::CallbackHandler handler(dingcb::Encryptor::create(settings()).value(), *dispatcher);
  check(post(handler, kAdded).status == 200 && log.str() == "1 joined\n", "on");
  check(post(handler, R"({"EventType":"invented_tomorrow","what":"news"})").status == 200, "on_type");
  check(post(handler, kLeft).status == 200, "otherwise");
  check(log.str() == "1 joined\nnews\nuser_leave_org is not for us\n", "who was called");
  check(post(handler, kApproved).status == 200 && database.ids.size() == 1, "done is 200");
  check(post(handler, R"({"EventType":"bpms_instance_change"})").status == 200, "drop is 200");
  database.up = false;
  const dingcb::Response again = post(handler, kApproved);
  check(again.status == 503 && again.body == "try again", "retry is 503");
  check(post(handler, R"({"EventType":"user_add_org","userId":7,"x":{}})").status == 200, "a misfit is 200");
}

void finds_mistakes() {
  std::function<void(const UserAddOrg&)> forgotten;
  const auto built = dingcb::Dispatcher::Builder{}
                         .on([](const UserLeaveOrg&) {})
                         .on([](const UserLeaveOrg&) { return dingcb::Ack::drop(); })
                         .on(forgotten)
                         .build();
  check(!built && built.error().code == dingcb::Errc::duplicate_handler, "two handlers for one event");
  check(built.error().message == "two handlers for user_leave_org; an empty handler for \"user_add_org\"",
        "all mistakes at once");
}

void wraps_and_observes() {
  std::ostringstream log;
  bool open = true;
  dingcb::Dispatcher::Builder builder;
  builder.on([](const UserAddOrg&) {});
  builder.on([](const UserLeaveOrg&) { throw std::runtime_error("no such table"); });
  // [middleware]
  builder
      .use([&](dingcb::Context& context, const dingcb::Next& next) {
        if (context.remaining() < 200ms) return dingcb::Ack::retry({}, "too late to begin");
        return open ? next() : dingcb::Ack::retry({}, "closed for maintenance");
      })
      .observe([&](const dingcb::Event& event, const dingcb::Ack& ack) {
        log << event.type() << (ack.verdict() == dingcb::Verdict::retry ? " failed: " : " ") << ack.why() << '\n';
      });
  // [/middleware]
  const dingcb::CallbackHandler handler = handler_of(builder);
  check(post(handler, kAdded).status == 200, "next");
  check(post(handler, kLeft).status == 503, "a handler that throws");
  open = false;
  check(post(handler, kAdded).status == 503, "a middleware's own verdict");
  check(log.str() ==
            "user_add_org \n"
            "user_leave_org failed: the handler of \"user_leave_org\" threw: no such table\n"
            "user_add_org failed: closed for maintenance\n",
        "observers");
}

// A queue and the thread that works it off.
class Queue {
 public:
  ~Queue() {
    push(std::nullopt);
    thread_.join();
  }
  void push(std::optional<dingcb::Deferred> verdict) {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(verdict));
    changed_.notify_one();
  }

 private:
  std::optional<dingcb::Deferred> pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    std::optional<dingcb::Deferred> first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  }
  static bool store(const dingcb::Event& event) { return event.get_if<BpmsInstanceChange>() != nullptr; }
  void run() {
    // [settle]
    while (const std::optional<dingcb::Deferred> verdict = pop()) {
      if (verdict->settled()) continue;  // the deadline was first: DingTalk was asked to repeat the event
      verdict->settle(store(verdict->event()) ? dingcb::Ack::done() : dingcb::Ack::retry());
    }
    // [/settle]
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::optional<dingcb::Deferred>> waiting_;
  std::thread thread_{[this] { run(); }};
};

void defers() {
  Queue queue;
  dingcb::Dispatcher::Builder builder;
  // [defer]
  builder.on([&queue](const BpmsInstanceChange&, dingcb::Context& context) { queue.push(context.defer()); });
  // [/defer]
  dingcb::CallbackOptions options;
  options.http_deadline = 1h;  // a slow machine is no reason to fail
  const dingcb::CallbackHandler handler = handler_of(builder, options);
  check(post(handler, kApproved).status == 200, "the direct form waits");

  const SignedPush push = Platform(settings()).push(kApproved);
  const dingcb::Request request = push.request();
  std::mutex mutex;
  std::condition_variable sent;
  int status = 0;
  const auto send = [&](const dingcb::Response& response) {
    const std::lock_guard<std::mutex> lock(mutex);
    status = response.status;
    sent.notify_one();
  };
  // [completion]
  handler.handle(request, [send](const dingcb::Response& response) { send(response); });  // does not wait for verdicts
  // [/completion]
  std::unique_lock<std::mutex> lock(mutex);
  sent.wait(lock, [&] { return status != 0; });
  check(status == 200, "the completion is told");
}

void expires_and_drains() {
  const auto clock = std::make_shared<FakeClock>();
  std::vector<dingcb::Deferred> kept;
  dingcb::Dispatcher::Builder builder;
  builder.on([&kept](const UserAddOrg&, dingcb::Context& context) { kept.push_back(context.defer()); });
  dingcb::CallbackOptions options;
  options.clock = clock;
  const dingcb::CallbackHandler handler = handler_of(builder, options);
  std::vector<int> statuses;
  const SignedPush push = Platform(settings()).push(kAdded);
  handler.handle(push.request(), [&](const dingcb::Response& response) { statuses.push_back(response.status); });
  clock->now += 2499;
  check(handler.expire() == 1 && handler.in_flight() == 1 && statuses.empty(), "it still waits");
  const auto wait_a_little = [&clock] { clock->now += 50; };
  // [drain]
  // The server takes no more requests. Those that are under way end with their verdicts, or with their deadlines.
  while (handler.in_flight() != 0) {
    handler.expire();
    wait_a_little();
  }
  // [/drain]
  check(statuses == std::vector<int>{503}, "an overdue verdict is 503, once");
  check(!kept[0].settle(dingcb::Ack::done()) && handler.stats().late == 1, "a verdict that is too late");

  // What is forgotten comes again at once.
  handler.handle(push.request(), [&](const dingcb::Response& response) { statuses.push_back(response.status); });
  kept.clear();
  check(statuses.size() == 2 && statuses[1] == 503 && handler.stats().failed == 1, "a forgotten verdict");
}

// Request, error and outcome as lines of a log.
void tells_the_host() {
  std::ostringstream log;
  // [options]
  dingcb::CallbackOptions options;
  options.max_body_size = std::size_t{1} << 20;
  options.http_deadline = 2s;  // below DingTalk's, for the way through your proxy
  options.on_error = [&](const dingcb::Request& request, const dingcb::Error& error) {
    log << request.body.size() << " bytes: " << error.message << '\n';
    if (error.diagnosis != nullptr) log << error.diagnosis->zh << '\n';  // or en
  };
  options.on_unhandled = [&](const dingcb::Event& event) { log << dingcb::handler_for(event) << '\n'; };
  options.on_outcome = [&](const dingcb::Outcome& outcome) {
    log << outcome.status << ' ' << outcome.events << " events, " << outcome.label << '\n';
  };
  // [/options]
  dingcb::Dispatcher::Builder builder;
  const dingcb::CallbackHandler handler = handler_of(builder, options);
  post(handler, kLeft);
  check(log.str() ==
            ".on([](const dingcb::events::UserLeaveOrg& event) {})  // #include <dingcb/events/contact.hpp>\n"
            "200 1 events, my app\n",
        "the line to paste");
  log.str({});
  check(handler.handle({"", std::string((std::size_t{1} << 20) + 1, ' ')}).status == 413, "max_body_size");
  check(log.str() == "1048577 bytes: the body is larger than max_body_size\n413 0 events, \n", "what is logged");
  log.str({});
  dingcb::testkit::PlatformOptions other;
  other.owner_key = "ding0123456789abcdef";
  check(handler.handle(Platform(settings(), other).push(kCheck).request()).status == 403, "another owner key");
  check(log.str().find("消息封装的是 CorpId") != std::string::npos, "a diagnosis comes with the error");
}

void checks_senders() {
  dingcb::CallbackOptions options;
  // [senders]
  options.senders = dingcb::AddressRanges::dingtalk();
  // or your own list: dingcb::AddressRanges::parse({"203.119.0.0/16", "2001:db8::/32"})
  // [/senders]
  dingcb::Dispatcher::Builder builder;
  const dingcb::CallbackHandler handler = handler_of(builder, options);
  const SignedPush push = Platform(settings()).push(kCheck);
  std::string address = "203.119.1.2";
  // [sender]
  dingcb::Request request{push.query, push.body};
  request.sender = address;  // of the client; behind a proxy the one that the proxy reports
  const dingcb::Response response = handler.handle(request);
  // [/sender]
  check(response.status == 200, "a sender in the ranges");
  request.sender = "192.0.2.1";
  check(handler.handle(request).status == 403, "a sender outside");
  check(handler.handle(push.request()).status == 403, "no sender");
  check(handler.refused(dingcb::Errc::sender_refused) == 2, "sender_refused");
}

// [metrics]
std::string metrics(const dingcb::CallbackHandler& handler) {
  const dingcb::CallbackStats stats = handler.stats();
  std::ostringstream text;
  const auto events = [&text](const char* verdict, std::uint64_t count) {
    text << "dingtalk_events_total{verdict=\"" << verdict << "\"} " << count << '\n';
  };
  text << "# TYPE dingtalk_requests_total counter\n"
       << "dingtalk_requests_total " << stats.received << '\n'
       << "# TYPE dingtalk_refused_total counter\n"
       << "dingtalk_refused_total " << stats.refused << '\n'
       << "# TYPE dingtalk_bad_signature_total counter\n"
       << "dingtalk_bad_signature_total " << handler.refused(dingcb::Errc::signature_mismatch) << '\n'
       << "# TYPE dingtalk_late_total counter\n"
       << "dingtalk_late_total " << stats.late << '\n'
       << "# TYPE dingtalk_events_total counter\n";
  events("done", stats.done);
  events("retry", stats.retried);
  events("drop", stats.dropped);
  text << "# TYPE dingtalk_in_flight gauge\n"
       << "dingtalk_in_flight " << handler.in_flight() << '\n';
  return text.str();
}
// [/metrics]

void measures() {
  dingcb::Dispatcher::Builder builder;
  builder.on([](const UserLeaveOrg&) { return dingcb::Ack::retry(); });
  const dingcb::CallbackHandler handler = handler_of(builder);
  post(handler, kAdded);
  post(handler, kLeft);
  handler.handle({"signature=x&timestamp=1&nonce=2", R"({"encrypt":"AAAA"})"});
  check(metrics(handler) ==
            "# TYPE dingtalk_requests_total counter\n"
            "dingtalk_requests_total 3\n"
            "# TYPE dingtalk_refused_total counter\n"
            "dingtalk_refused_total 1\n"
            "# TYPE dingtalk_bad_signature_total counter\n"
            "dingtalk_bad_signature_total 1\n"
            "# TYPE dingtalk_late_total counter\n"
            "dingtalk_late_total 0\n"
            "# TYPE dingtalk_events_total counter\n"
            "dingtalk_events_total{verdict=\"done\"} 1\n"
            "dingtalk_events_total{verdict=\"retry\"} 1\n"
            "dingtalk_events_total{verdict=\"drop\"} 0\n"
            "# TYPE dingtalk_in_flight gauge\n"
            "dingtalk_in_flight 0\n",
        "metrics");
}

void answers_batches() {
  std::vector<std::string> seen;
  dingcb::Dispatcher::Builder builder;
  // [batch]
  builder.on([&](const UserLeaveOrg&, dingcb::Context& context) {
    const dingcb::EventHeader& row = context.event().header();
    if (row.biz_id == "broken") return dingcb::Ack::drop("nobody knows this employee");  // not a reason for all again
    seen.push_back(row.dedup_key);
    return dingcb::Ack::done();
  });
  // [/batch]
  builder.on([](const UserAddOrg&) { return dingcb::Ack::retry(); });
  const dingcb::CallbackHandler handler = handler_of(builder);
  const Platform platform(settings());
  std::vector<dingcb::PushRow> rows(3);
  for (dingcb::PushRow& row : rows) {
    row.corp_id = "ding9f50";
    row.biz_type = 13;
    row.biz_id = row.id == 0 ? "broken" : "015227";
    row.biz_data = R"({"syncAction":"user_leave_org"})";
  }
  rows[1].biz_id = "015227";
  rows[2].biz_id = "015228";
  check(handler.handle(platform.push_rows(rows).request()).status == 200, "a dropped row is acknowledged");
  check(handler.stats().events == 3 && handler.stats().dropped == 1 && seen.size() == 2, "a verdict for each row");
  rows[0].biz_data = R"({"syncAction":"user_add_org"})";
  check(handler.handle(platform.push_rows(rows).request()).status == 503, "one retry repeats the batch");
  check(seen.size() == 4 && seen[0] == seen[2], "the siblings come again, with the same key");
}

void checks_urls() {
  dingcb::Dispatcher::Builder builder;
  builder.otherwise([](const dingcb::Event&) { return dingcb::Ack::retry(); });
  const Platform platform(settings());
  for (const bool echo : {false, true}) {
    dingcb::CallbackOptions options;
    options.echo_random = echo;
    dingcb::Dispatcher::Builder same;
    same.otherwise([](const dingcb::Event&) { return dingcb::Ack::retry(); });
    const dingcb::CallbackHandler handler = handler_of(same, options);
    const dingcb::Response response = post(handler, R"({"EventType":"check_create_suite_url","Random":"brdkKLMW"})");
    check(platform.judge(response.status, response.body).plaintext == (echo ? "brdkKLMW" : "success"), "echo_random");
    check(handler.stats().checks == 1 && handler.stats().events == 0, "URL checks are no events");
  }
}

void serves_several_apps() {
  const dingcb::Credential shop = settings();
  const dingcb::Credential bank{
      "654321", "1234567890123456789012345678901234567890123", {"dingbankappkey0001", "ding9f50"}, "bank"};
  std::vector<std::string> labels;
  // [several]
  dingcb::Encryptor encryptor = dingcb::Encryptor::create({shop, bank}).value();  // throws where settings are wrong
  dingcb::CallbackOptions options;
  options.on_outcome = [&](const dingcb::Outcome& outcome) { labels.emplace_back(outcome.label); };
  const dingcb::CallbackHandler handler(encryptor, dingcb::Dispatcher::Builder{}.build().value(), options);
  // [/several]
  const SignedPush from_bank = Platform(bank).push(kTicket);
  check(Platform(bank).accepts(handler.handle(from_bank.request()).body), "sealed with the keys of its app");
  check(Platform(shop).accepts(post(handler, kTicket).body), "the other app");
  check(labels == std::vector<std::string>{"bank", "my app"}, "labels");
  // [swap]
  const dingcb::Result<void> swapped = encryptor.replace({shop});  // the handler has a copy, which sees it at once
  // [/swap]
  check(swapped && handler.handle(from_bank.request()).status == 403, "an app that is gone");
}

void dispatches_without_http() {
  std::vector<std::string> left;
  std::ostringstream log;
  const dingcb::Dispatcher dispatcher = dingcb::Dispatcher::Builder{}
                                            .on([&](const UserLeaveOrg& event) { left = event.user_id; })
                                            .on([](const UserAddOrg&) { throw std::runtime_error("no such table"); })
                                            .build()
                                            .value();
  const auto dispatch = [&](const dingcb::Event& event) {
    // [without_http]
    dingcb::Context context(event, 30s);  // how long a deferred verdict may take
    const dingcb::Ack ack = context.wait(dispatcher.dispatch(context));
    if (const dingcb::Error* error = context.error()) log << error->message << '\n';
    // [/without_http]
    return ack;
  };
  const auto frame = [](const std::string& type) {
    return dingcb::parse_stream(R"({"eventType":")" + type + R"(","eventId":"c7","data":{"userId":["015227"]}})")
        .value();
  };
  check(dispatch(frame("user_leave_org")).verdict() == dingcb::Verdict::done, "a Stream frame");
  check(left == std::vector<std::string>{"015227"} && log.str().empty(), "its handler");
  check(dispatch(frame("user_add_org")).verdict() == dingcb::Verdict::retry, "a handler that throws");
  check(log.str() == "the handler of \"user_add_org\" threw: no such table\n", "its error");
}

void registers() {
  const dingcb::Credential credential{
      "123456", "1234567890123456789012345678901234567890123", {"ding0123456789abcdef0123456789abcdef"}, "my app"};
  const dingcb::Dispatcher dispatcher =
      dingcb::Dispatcher::Builder{}.on([](const UserAddOrg&) {}).on([](const UserLeaveOrg&) {}).build().value();
  std::vector<std::string> sent;
  std::vector<std::string> answers{R"({"errcode":71006,"errmsg":"回调已经存在"})", R"({"errcode":0,"errmsg":"ok"})"};
  // Plays your HTTP client.
  const auto send = [&](const dingcb::ApiCall& call, const std::string& url) {
    sent.push_back(std::string(call.method) + ' ' + url + ' ' + call.body);
    return answers[sent.size() - 1];
  };
  const std::string access_token = "at";
  // [register]
  const auto registration =
      dingcb::Registration::of(credential, dispatcher.subscribed_types(), "https://example.com/callback");
  dingcb::ApiCall call = dingcb::register_call_back(registration).value();  // throws where it cannot be registered
  dingcb::Result<void> registered = dingcb::parse_api_answer(send(call, call.url(access_token)));
  if (!registered && registered.error().code == dingcb::Errc::callback_exists) {
    call = dingcb::update_call_back(registration).value();
    registered = dingcb::parse_api_answer(send(call, call.url(access_token)));
  }
  if (!registered) std::cerr << registered.error().message << '\n';  // the errcode, what it means and what to do
  // [/register]
  check(bool(registered) && sent.size() == 2, "register, then update");
  const std::string body =
      R"({"call_back_tag":["user_add_org","user_leave_org"],"token":"123456",)"
      R"("aes_key":"1234567890123456789012345678901234567890123","url":"https://example.com/callback"})";
  check(sent[0] == "POST https://oapi.dingtalk.com/call_back/register_call_back?access_token=at " + body, "register");
  check(sent[1] == "POST https://oapi.dingtalk.com/call_back/update_call_back?access_token=at " + body, "update");
  const std::string answer = R"({"errcode":0,"errmsg":"ok",)" + body.substr(1);
  // [get]
  const dingcb::ApiCall get = dingcb::get_call_back();  // GET, no body
  const dingcb::Result<dingcb::Registration> now_registered =
      dingcb::parse_call_back(answer);                        // url, types, token, ...
  const dingcb::ApiCall remove = dingcb::delete_call_back();  // GET, too; parse_api_answer() reads the answer
  // [/get]
  check(get.method == "GET" && get.body.empty() && remove.path == "/call_back/delete_call_back", "get and delete");
  check(now_registered && now_registered->types == registration.types, "get_call_back");
}

}  // namespace

int main() {
  handles();
  finds_mistakes();
  wraps_and_observes();
  defers();
  expires_and_drains();
  tells_the_host();
  checks_senders();
  measures();
  answers_batches();
  checks_urls();
  serves_several_apps();
  dispatches_without_http();
  registers();
  std::cout << "as documented\n";
}
