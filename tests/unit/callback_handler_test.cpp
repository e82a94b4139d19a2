#include <dingcb/callback_handler.hpp>

#include <dingcb/events/callback_check.hpp>
#include <dingcb/events/chat.hpp>
#include <dingcb/events/contact.hpp>

#include "support/callback.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using callback::answer_of;
using callback::Http;
using callback::kApp;
using callback::push;
using callback::push_of;
using callback::push_rows;
using callback::row;
using dingcb::Ack;
using dingcb::CallbackHandler;
using dingcb::CallbackStats;
using dingcb::Context;
using dingcb::Deferred;
using dingcb::Dispatcher;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Error;
using dingcb::Event;
using dingcb::Outcome;
using dingcb::Request;
using dingcb::Response;
using dingcb::events::ChatQuit;
using dingcb::events::UserAddOrg;
using dingcb::events::UserLeaveOrg;
using injected::FakeClock;
using namespace std::chrono_literals;

// A handler whose hooks write down what they are told.
struct Service {
  explicit Service(Dispatcher::Builder& builder, CallbackHandler::Options options = callback::unhurried())
      : handler(Encryptor::create(kApp).value(), builder.build().value(), with_hooks(std::move(options))) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  CallbackHandler::Options with_hooks(CallbackHandler::Options options) {
    options.on_error = [this](const Request& request, const Error& error) {
      errors.push_back(error.code);
      messages.push_back(error.message.str());
      requests.emplace_back(request.body);
    };
    options.on_unhandled = [this](const Event& event) { unhandled.emplace_back(event.type()); };
    options.on_outcome = [this](const Outcome& outcome) {
      outcomes.push_back(outcome);
      labels.emplace_back(outcome.label);
    };
    return options;
  }

  Response post(const Http& http) const { return handler.handle(http.request()); }
  std::string answer(const Http& http) const { return answer_of(post(http)); }
  std::string answer(std::string_view query, std::string_view body) const {
    return answer_of(handler.handle(Request{query, body}));
  }

  std::vector<Errc> errors;
  std::vector<std::string> messages;
  std::vector<std::string> requests;
  std::vector<std::string> unhandled;
  std::vector<Outcome> outcomes;
  std::vector<std::string> labels;
  CallbackHandler handler;
};

// Answers of the form with a completion.
struct Inbox {
  CallbackHandler::Completion completion() {
    return [this](const Response& response) { answers.push_back(answer_of(response)); };
  }
  std::vector<std::string> answers;
};

// Keeps each event's verdict for later.
struct Later {
  auto handler() {
    return [this](const UserAddOrg&, Context& context) { verdicts.push_back(context.defer()); };
  }
  std::deque<Deferred> verdicts;
};

// A service that defers its verdicts on UserAddOrg, by a clock that stands still.
struct Deferring {
  void post(const Http& http) { service.handler.handle(http.request(), inbox.completion()); }

  std::shared_ptr<FakeClock> clock = std::make_shared<FakeClock>();
  Later later;
  Inbox inbox;
  Dispatcher::Builder builder;
  Service service{builder.on(later.handler()).on([](const ChatQuit&, Context& context) { context.defer(); }), [this] {
                    CallbackHandler::Options options;
                    options.clock = clock;
                    return options;
                  }()};
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

constexpr const char* kAdded = R"({"EventType":"user_add_org","CorpId":"ding1","userId":["u1"]})";
constexpr const char* kRefused4xx = "refused";
constexpr const char* kRefused5xx = "try again";

}  // namespace

TEST_CASE("CallbackHandler answers a push with an encrypted success, done or dropped, handled or not") {
  Dispatcher::Builder builder;
  std::string seen;
  builder.on([&](const UserAddOrg& event) { seen = event.user_id.at(0); }).on([](const ChatQuit&) {
    return Ack::drop("no");
  });
  const Service service(builder);
  CHECK(service.answer(push(kAdded)) == "success");
  CHECK(seen == "u1");
  CHECK(service.answer(push_of("chat_quit")) == "success");
  CHECK(service.answer(push_of("chat_add_member")) == "success");
  CHECK(service.answer(push_of("invented_tomorrow")) == "success");
  CHECK((service.unhandled == std::vector<std::string>{"chat_add_member", "invented_tomorrow"}));
  CHECK(service.errors.empty());
}

TEST_CASE("CallbackHandler asks DingTalk to repeat what a handler retries, or throws at") {
  Dispatcher::Builder builder;
  builder.on([](const UserAddOrg&) { return Ack::retry(5s, "busy"); }).on([](const ChatQuit&) {
    throw std::runtime_error("no database");
  });
  const Service service(builder);
  CHECK(service.answer(push(kAdded)) == "503 try again");
  CHECK(service.errors.empty());
  CHECK(service.answer(push_of("chat_quit")) == "503 try again");
  CHECK((service.errors == std::vector<Errc>{Errc::handler_failed}));
  CHECK(service.messages.back() == "the handler of \"chat_quit\" threw: no database");
}

TEST_CASE("CallbackHandler answers the URL checks by itself, before any handler") {
  Dispatcher::Builder builder;
  int called = 0;
  builder.on([&](const dingcb::events::CheckUrl&) { ++called; })
      .on_type("check_create_suite_url", [&](const Event&) { ++called; })
      .otherwise([&](const Event&) { ++called; })
      .observe([&](const Event&, const Ack&) { ++called; })
      .use([&](Context&, const dingcb::Next& next) {
        ++called;
        return next();
      });
  Service service(builder);
  for (const char* check : {R"({"EventType":"check_url"})",
                            R"({"EventType":"check_create_suite_url","Random":"brdkKLMW","TestSuiteKey":"suite4x"})",
                            R"({"EventType":"check_update_suite_url","Random":"x","TestSuiteKey":"suite1"})"}) {
    INFO(check);
    CHECK(service.answer(push(check)) == "success");
  }
  CHECK(called == 0);
  CHECK(service.handler.stats().checks == 3);
  CHECK(service.handler.stats().events == 0);
  CHECK(service.outcomes.back().events == 0);
  CHECK(service.unhandled.empty());
  // Not the row of a batch that calls itself so.
  CHECK(service.answer(push_rows(row("check_url", "1", 4711))) == "success");
  CHECK(called > 0);
}

TEST_CASE("CallbackHandler echoes Random where it is told to") {
  Dispatcher::Builder builder;
  CallbackHandler::Options options;
  options.echo_random = true;
  const Service service(builder, options);
  CHECK(service.answer(push(R"({"EventType":"check_create_suite_url","Random":"brdkKLMW"})")) == "brdkKLMW");
  CHECK(service.answer(push(R"({"EventType":"check_update_suite_url","Random":"x"})")) == "x");
  CHECK(service.answer(push(R"({"EventType":"check_update_suite_url"})")) == "success");
  CHECK(service.answer(push(R"({"EventType":"check_update_suite_url","Random":""})")) == "success");
  CHECK(service.answer(push(R"({"EventType":"check_url","Random":"brdkKLMW"})")) == "success");
  CHECK(service.answer(push(R"({"EventType":"user_add_org","Random":"brdkKLMW"})")) == "success");
}

TEST_CASE("A SyncHTTP batch has a verdict for each row and one reply") {
  Dispatcher::Builder builder;
  std::vector<std::string> seen;
  builder.on([&](const UserAddOrg&, Context& context) { seen.push_back(context.event().header().biz_id); })
      .on([](const UserLeaveOrg&) { return Ack::drop(); })
      .on_type("user_modify_org",
               [](const Event& event) { return event.header().biz_id == "bad" ? Ack::retry() : Ack::done(); });
  const Service service(builder);
  const std::string good = row("user_add_org", "u1", 13) + "," + row("user_leave_org", "u2", 13) + "," +
                           row("user_modify_org", "u3", 13) + "," + row("unheard_of", "u4", 9999) + ",17," +
                           row("user_add_org", "u5", 13);
  CHECK(service.answer(push_rows(good)) == "success");
  CHECK((seen == std::vector<std::string>{"u1", "u5"}));
  CallbackStats stats = service.handler.stats();
  CHECK(stats.events == 6);
  CHECK(stats.done == 5);
  CHECK(stats.dropped == 1);
  CHECK(stats.unknown == 2);
  CHECK(stats.unhandled == 2);
  CHECK(service.outcomes.back().events == 6);

  // One retry repeats the batch; its siblings have been handled all the same.
  CHECK(service.answer(push_rows(row("user_modify_org", "bad", 13) + "," + good)) == "503 try again");
  stats = service.handler.stats();
  CHECK(stats.events == 13);
  CHECK(stats.retried == 1);
  CHECK(seen.size() == 4);

  CHECK(service.answer(push_rows("")) == "success");
  CHECK(service.handler.stats().events == 13);
}

TEST_CASE("A body that does not fit is reported, and dropped unless otherwise() takes it") {
  const Http misfit = push(R"({"EventType":"user_add_org","userId":[{"no":"text"}]})");
  Dispatcher::Builder builder;
  builder.on([](const UserAddOrg&) {});
  const Service service(builder);
  CHECK(service.answer(misfit) == "success");
  CHECK((service.errors == std::vector<Errc>{Errc::field_unfit}));
  CHECK(service.handler.stats().unfit == 1);
  CHECK(service.handler.stats().dropped == 1);
  CHECK(service.unhandled.empty());

  Dispatcher::Builder with_otherwise;
  with_otherwise.on([](const UserAddOrg&) {}).otherwise([](const Event&) { return Ack::retry(); });
  const Service other(with_otherwise);
  CHECK(other.answer(misfit) == "503 try again");
  CHECK((other.errors == std::vector<Errc>{Errc::field_unfit}));
}

TEST_CASE("A body that does not fit and what is thrown over it are both counted, and reported at once") {
  const Http misfit = push(R"({"EventType":"user_add_org","userId":[{"no":"text"}]})");
  const auto check = [&misfit](Dispatcher::Builder& builder, const char* answer, Errc reported) {
    builder.on([](const UserAddOrg&) {});
    const Service service(builder);
    CHECK(service.answer(misfit) == answer);
    CHECK((service.errors == std::vector<Errc>{reported}));
    CHECK(service.handler.stats().unfit == 1);
    CHECK(service.handler.stats().failed == 1);
  };
  Dispatcher::Builder otherwise;
  otherwise.otherwise([](const Event&) { throw std::runtime_error("boom"); });
  check(otherwise, "503 try again", Errc::handler_failed);
  Dispatcher::Builder observer;
  observer.observe([](const Event&, const Ack&) { throw std::runtime_error("boom"); });
  check(observer, "success", Errc::field_unfit);
}

TEST_CASE("The statuses of refusals tell nothing but who has to act, and their bodies nothing at all") {
  Dispatcher::Builder builder;
  CallbackHandler::Options options;
  options.max_body_size = 5000;
  const Service service(builder, options);
  const platform::Sealed sealed = callback::seal(kAdded);
  const auto altered = [&sealed](auto change) {
    platform::Sealed copy = sealed;
    change(copy);
    return callback::http(copy);
  };
  dingcb::Credential other_owner = kApp;
  other_owner.owner_keys = {"somebodyelse"};
  dingcb::Credential other_key = kApp;
  other_key.aes_key[3] = 'x';
  const struct {
    Errc code;
    int status;
    Http http;
  } cases[] = {
      {Errc::signature_mismatch, 403, altered([](auto& push) { push.signature[0] ^= 1; })},
      {Errc::signature_mismatch, 403, altered([](auto& push) { push.nonce += 'x'; })},
      {Errc::signature_mismatch, 403, altered([](auto& push) { push.encrypt[9] ^= 1; })},
      {Errc::signature_mismatch, 403, altered([](auto& push) { push.signature.clear(); })},
      {Errc::timestamp_missing, 400, altered([](auto& push) { push.timestamp.clear(); })},
      {Errc::nonce_missing, 400, altered([](auto& push) { push.nonce.clear(); })},
      {Errc::owner_mismatch, 403, push(kAdded, other_owner)},
      {Errc::request_malformed, 400, {"", ""}},
      {Errc::request_malformed, 400, {"signature=a&timestamp=1&nonce=2", "not json"}},
      {Errc::timestamp_missing, 400, {"", R"({"encrypt":"AAAA"})"}},
      {Errc::input_too_large, 413, {"signature=a&timestamp=1&nonce=2", std::string(5001, ' ')}},
      {Errc::ciphertext_empty, 400, callback::http(platform::signed_push(kApp, ""))},
      {Errc::base64_malformed, 400, callback::http(platform::signed_push(kApp, "A*=="))},
      {Errc::ciphertext_not_block_multiple, 400, callback::http(platform::signed_push(kApp, "AAAA"))},
      // Genuine, so that the sender shall keep its copy.
      {Errc::json_malformed, 500, push("nonsense")},
      {Errc::not_utf8, 500, push("{\"EventType\":\"\xFF\"}")},
      {Errc::json_too_deep, 500, push("{\"EventType\":" + std::string(100, '[') + std::string(100, ']') + "}")},
      {Errc::envelope_malformed, 500, push("[]")},
      {Errc::envelope_malformed, 500, push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH"})")},
      {Errc::event_type_missing, 500, push("{}")},
  };
  for (const auto& refused : cases) {
    INFO(dingcb::make_error_code(refused.code).message());
    const std::uint64_t before = service.handler.refused(refused.code);
    const Response response = service.post(refused.http);
    CHECK(response.status == refused.status);
    CHECK(response.body == (refused.status < 500 ? kRefused4xx : kRefused5xx));
    CHECK(response.content_type == "text/plain");
    CHECK(service.errors.back() == refused.code);
    CHECK(service.requests.back() == refused.http.body);
    CHECK(service.handler.refused(refused.code) == before + 1);
    CHECK(service.outcomes.back().error == refused.code);
    CHECK(service.outcomes.back().status == refused.status);
    CHECK_FALSE(service.outcomes.back().late);
  }
  const Response wrong_key = service.post(push(kAdded, other_key));  // which check it fails depends on the key
  CHECK(wrong_key.status == 403);
  const CallbackStats stats = service.handler.stats();
  CHECK(stats.received == 21);
  CHECK(stats.refused == 15);
  CHECK(stats.broken == 6);
  CHECK(stats.events == 0);
  CHECK(service.handler.refused(static_cast<Errc>(-1)) == 0);
  CHECK(service.handler.refused(static_cast<Errc>(1000)) == 0);
}

// NOLINTBEGIN(performance-inefficient-string-concatenation): they are read more often than run
TEST_CASE("CallbackHandler reads the query whatever its spelling, order and neighbours") {
  Dispatcher::Builder builder;
  const Service service(builder);
  const platform::Sealed sealed =
      platform::seal(kApp, kApp.owner_keys[0], "1700000000000", "a+b/c=d&e%fg", R"({"EventType":"check_url"})");
  const std::string& signature = sealed.signature;
  const std::string body = callback::http(sealed).body;
  const std::string nonce = "a%2Bb%2fc%3Dd%26e%25f%67";
  for (const std::string& query : {
           "signature=" + signature + "&timestamp=1700000000000&nonce=" + nonce,
           "msg_signature=" + signature + "&timeStamp=1700000000000&nonce=" + nonce,
           "nonce=" + nonce + "&msg_signature=" + signature + "&timestamp=1700000000000",
           "?signature=" + signature + "&timestamp=1700000000000&nonce=" + nonce,
           "signature=" + signature + "&msg_signature=" + signature +
               "&timestamp=1700000000000&timeStamp=17&nonce=" + nonce,
           // A `+` stays one, and `=` needs no escape in a value; nor does a `%` that stands for nothing.
           "signature=" + signature + "&timestamp=1700000000000&nonce=a+b%2Fc=d%26e%fg",
           "app=%E4%BD%A0%zz&&=&x&signature=" + signature + "&timestamp=1700000000000&nonce=" + nonce + "&nonce=2&",
           "signature=&signature=" + signature + "&timestamp=1700000000000&nonce=&nonce=" + nonce,
           "long=" + std::string(100000, '%') + "&signature=" + signature + "&timestamp=%31700000000000&nonce=" + nonce,
       }) {
    INFO(query.substr(0, 300));
    CHECK(service.answer(query, body) == "success");
  }
  for (const std::string& query : {
           "Signature=" + signature + "&timestamp=1700000000000&nonce=" + nonce,
           "signature=" + signature + "&timestamp=1700000000000&nonce=a b%2fc%3Dd%26e%25fg",
           "signature=" + signature + "&timestamp=1700000000000",
           "signature=" + signature + ";timestamp=1700000000000;nonce=" + nonce,
           "/callback?signature=" + signature + "&timestamp=1700000000000&nonce=" + nonce,
           std::string("?"),
       }) {
    INFO(query);
    const int status = service.handler.handle(Request{query, body}).status;
    CHECK((status == 400 || status == 403));
  }
  CHECK(service.answer("signature=" + signature + "&timestamp=1&nonce=%41" + std::string(600, 'x'), body) ==
        "400 refused");
  CHECK(service.errors.back() == Errc::request_malformed);
}

// NOLINTEND(performance-inefficient-string-concatenation)

TEST_CASE("Percent signs that are cut short, or stand for nothing, stay as they are") {
  Dispatcher::Builder builder;
  const Service service(builder);
  for (const std::string nonce : {"%", "a%", "a%4", "%zz", "%4z", "%%41", "100%"}) {
    INFO(nonce);
    const platform::Sealed sealed =
        platform::seal(kApp, kApp.owner_keys[0], "1", replaced(nonce, "%41", "A"), R"({"EventType":"check_url"})");
    CHECK(service.answer("signature=" + sealed.signature + "&timestamp=1&nonce=" + nonce,
                         callback::http(sealed).body) == "success");
  }
}

TEST_CASE("Request::decoded takes values that a server has decoded, and decodes them no further") {
  Dispatcher::Builder builder;
  const Service service(builder);
  const platform::Sealed sealed =
      platform::seal(kApp, kApp.owner_keys[0], "1700000000000", "a%41+b", R"({"EventType":"check_url"})");
  const std::string body = callback::http(sealed).body;
  const Request request = Request::decoded(sealed.signature, sealed.timestamp, sealed.nonce, body);
  CHECK(answer_of(service.handler.handle(request)) == "success");
  const std::string long_nonce = std::string(600, '%');
  const platform::Sealed other =
      platform::seal(kApp, kApp.owner_keys[0], "1700000000000", long_nonce, R"({"EventType":"check_url"})");
  const std::string other_body = callback::http(other).body;
  CHECK(answer_of(service.handler.handle(
            Request::decoded(other.signature, other.timestamp, other.nonce, other_body))) == "success");
}

TEST_CASE("CallbackHandler takes the body as any JSON writer may write it") {
  Dispatcher::Builder builder;
  const Service service(builder);
  platform::Sealed sealed;
  for (int nonce = 0; sealed.encrypt.find('/') == std::string::npos || sealed.encrypt.find('+') == std::string::npos;
       ++nonce) {  // until it has both of the characters that some writers escape
    sealed = platform::seal(kApp, kApp.owner_keys[0], "1700000000000", "nOnce123", R"({"EventType":"check_url"})", 32,
                            "prefix" + std::to_string(1000000000 + nonce));
  }
  const std::string query = callback::http(sealed).query;
  const std::string text = sealed.encrypt;
  for (const std::string& body : {
           "{\"encrypt\":\"" + text + "\"}",
           " {\r\n\t\"encrypt\" : \"" + text + "\"\n} \n",
           "\xEF\xBB\xBF{\"encrypt\":\"" + text + "\"}",
           "{\"msg\":\"x\",\"encrypt\":\"" + text + "\",\"n\":-1.5e3,\"t\":true,\"z\":null}",
           "{\"a\":{\"encrypt\":\"no\",\"b\":[1,{\"c\":\"]}\"},\"\\\"\"]},\"encrypt\":\"" + text +
               "\",\"e\":[],\"o\":{}}",
           "{\"encrypt\":\"" + replaced(text, "/", "\\/") + "\"}",
           "{\"encrypt\":\"" + replaced(replaced(text, "+", "\\u002b"), "/", "\\u002F") + "\"}",
           "{\"encrypt\":\"no\",\"encrypt\":\"" + text + "\"}",
           "{\"\\u0065ncrypt\":7,\"\\\\\":\"\\\\\",\"encrypt\":\"" + text + "\"}",
           "{\"x\":\"" + std::string(100000, 'x') + "\",\"encrypt\":\"" + text + "\"}",
       }) {
    INFO(body.substr(0, 300));
    CHECK(service.answer(query, body) == "success");
  }
  // Line breaks inside the text are part of what was signed.
  const std::string broken = text.substr(0, 76) + "\r\n" + text.substr(76);
  const platform::Sealed lines = platform::signed_push(kApp, broken);
  CHECK(service.answer(callback::http(lines).query,
                       "{\"encrypt\":\"" + replaced(replaced(broken, "\r", "\\r"), "\n", "\\n") + "\"}") == "success");
}

TEST_CASE("CallbackHandler refuses bodies without a text `encrypt`") {
  Dispatcher::Builder builder;
  const Service service(builder);
  const platform::Sealed sealed = callback::seal(R"({"EventType":"check_url"})");
  const std::string query = callback::http(sealed).query;
  const std::string good = "\"encrypt\":\"" + sealed.encrypt + "\"";
  for (const std::string& body : {
           std::string(),
           std::string(" "),
           std::string("{"),
           std::string("{}"),
           std::string("null"),
           std::string("[]"),
           std::string("\"encrypt\""),
           "[{" + good + "}]",
           "{\"a\":{" + good + "}}",
           "{" + good,
           "{" + good + "}}",
           "{" + good + "} x",
           "{" + good + ",}",
           "{," + good + "}",
           good,
           sealed.encrypt,
           std::string("{\"encrypt\":5}"),
           std::string("{\"encrypt\":null}"),
           std::string("{\"encrypt\":[\"a\"]}"),
           std::string("{\"encrypt\":}"),
           std::string("{\"encrypt\":\"abc"),
           std::string("{\"encrypt\":\"abc\\"),
           std::string("{\"encrypt\":\"abc\\\"}"),
           std::string("{\"encrypt\":\"\\u00e4\"}"),
           std::string("{\"encrypt\":\"\\u00\"}"),
           std::string("{\"encrypt\":\"\\u00-1\"}"),
           std::string("{\"encrypt\":\"\\x\"}"),
           std::string("{\"encrypt\" \"abc\"}"),
           "{" + good + ",\"encrypt\":7}",
           "{" + good + ",\"x\"}",
           "{" + good + ",\"x\":[}",
           "{" + good + ",\"x\":[\"}",
           "{" + good + ",\"x\":{\"y\":1}",
           "{\"Encrypt\":\"" + sealed.encrypt + "\"}",
           "encrypt=" + sealed.encrypt,
       }) {
    INFO(body);
    CHECK(service.answer(query, body) == "400 refused");
    CHECK(service.errors.back() == Errc::request_malformed);
  }
}

TEST_CASE("A stranger's body costs no more than a pass over it") {
  Dispatcher::Builder builder;
  const Service service(builder);
  const std::size_t size = std::size_t{4} << 20;
  std::string escapes;
  while (escapes.size() < size) escapes += "\\\"";
  for (const std::string& body :
       {"{\"a\":" + std::string(size, '['), "{\"a\":" + std::string(size, '[') + std::string(size, ']') + "}",
        "{\"encrypt\":\"" + escapes + "\"}", "{\"encrypt\":\"" + escapes, "{\"a\":[" + escapes + "]}",
        std::string(size, '{'), std::string(size, '"')}) {
    CHECK(service.handler.handle(Request{"signature=a&timestamp=1&nonce=2", body}).status / 100 == 4);
  }
}

TEST_CASE("max_body_size is the size of the largest body that is read") {
  const Http http = push(kAdded);
  Dispatcher::Builder builder;
  CallbackHandler::Options options;
  options.max_body_size = http.body.size();
  CHECK(Service(builder, options).answer(http) == "success");
  --options.max_body_size;
  const Service smaller(builder, options);
  CHECK(smaller.answer(http) == "413 refused");
  CHECK((smaller.errors == std::vector<Errc>{Errc::input_too_large}));
}

TEST_CASE("CallbackHandler lets only the given senders in, before it reads anything") {
  Dispatcher::Builder builder;
  CallbackHandler::Options options;
  options.senders = dingcb::AddressRanges::parse({"203.119.0.0/16", "2001:db8::/32"}).value();
  const Service service(builder, options);
  const Http http = push(kAdded);
  const auto status = [&](std::string_view sender) {
    Request request = http.request();
    request.sender = sender;
    return service.handler.handle(request).status;
  };
  for (const char* sender : {"203.119.0.0", "203.119.255.255", "::ffff:203.119.1.1", "2001:db8::7"}) {
    CHECK(status(sender) == 200);
  }
  for (const char* sender : {"203.118.255.255", "203.120.0.0", "2001:db9::", "", "garbage", "203.119.0.1:80"}) {
    CHECK(status(sender) == 403);
    CHECK(service.errors.back() == Errc::sender_refused);
  }
  CHECK(service.handler.refused(Errc::sender_refused) == 6);
}

TEST_CASE("The reply is sealed with the owner key and credential of the push") {
  dingcb::Credential two = kApp;
  two.owner_keys.emplace_back("dingcorp0001");
  dingcb::Credential second = kApp;
  second.token = "anotherToken";
  second.aes_key[0] = 'Z';
  second.label = "second app, whose label is no short text";
  Dispatcher::Builder builder;
  std::vector<std::string> labels;
  CallbackHandler::Options options;
  options.on_outcome = [&](const Outcome& outcome) { labels.emplace_back(outcome.label); };
  const CallbackHandler handler(Encryptor::create({two, second}).value(), builder.build().value(), options);
  dingcb::Credential corp = kApp;
  corp.owner_keys = {"dingcorp0001"};
  CHECK(answer_of(handler.handle(push(kAdded, kApp).request()), kApp) == "success");
  CHECK(answer_of(handler.handle(push(kAdded, corp).request()), corp) == "success");
  CHECK(answer_of(handler.handle(push(kAdded, second).request()), second) == "success");
  CHECK((labels == std::vector<std::string>{"shop", "shop", second.label}));
}

TEST_CASE("Hooks and completions that throw change nothing") {
  Dispatcher::Builder builder;
  builder.on([](const ChatQuit&) { throw std::runtime_error("handler"); });
  CallbackHandler::Options options = callback::unhurried();
  int told = 0;
  options.on_error = [&](const Request&, const Error&) { throw ++told; };
  options.on_unhandled = [&](const Event&) { throw ++told; };
  options.on_outcome = [&](const Outcome&) { throw ++told; };
  const CallbackHandler handler(Encryptor::create(kApp).value(), builder.build().value(), options);
  CHECK(answer_of(handler.handle(push(kAdded).request())) == "success");
  CHECK(answer_of(handler.handle(push_of("chat_quit").request())) == "503 try again");
  CHECK(handler.handle(Request{}).status == 400);
  int answered = 0;
  handler.handle(push(kAdded).request(), [&](const Response&) { throw ++answered; });
  handler.handle(Request{}, [&](const Response&) { throw ++answered; });
  handler.handle(Request{}, {});
  CHECK(answered == 2);
  CHECK(told == 12);
}

TEST_CASE("The form with a completion answers at once where nothing is deferred") {
  Dispatcher::Builder builder;
  builder.on([](const ChatQuit&) { return Ack::retry(); });
  const Service service(builder);
  Inbox inbox;
  service.handler.handle(push(kAdded).request(), inbox.completion());
  service.handler.handle(push_of("chat_quit").request(), inbox.completion());
  service.handler.handle(push_of("check_url").request(), inbox.completion());
  service.handler.handle(Request{}, inbox.completion());
  CHECK((inbox.answers == std::vector<std::string>{"success", "503 try again", "success", "400 refused"}));
  CHECK(service.handler.expire() == 0);
  CHECK(service.outcomes.size() == 4);
}

TEST_CASE("The form with a completion answers with the last deferred verdict, once") {
  Deferring deferring;
  auto& [clock, later, inbox, builder, service] = deferring;
  deferring.post(push(kAdded));
  CHECK(inbox.answers.empty());
  CHECK(service.handler.expire() == 1);
  CHECK(later.verdicts[0].settle(Ack::done()));
  CHECK((inbox.answers == std::vector<std::string>{"success"}));
  CHECK_FALSE(later.verdicts[0].settle(Ack::retry()));
  CHECK(service.handler.expire() == 0);
  CHECK(inbox.answers.size() == 1);

  // Three rows, of which one is not deferred; the last verdict answers, whichever it is.
  const std::string rows =
      row("user_add_org", "a", 13) + "," + row("user_leave_org", "b", 13) + "," + row("user_add_org", "c", 13);
  deferring.post(push_rows(rows));
  CHECK(later.verdicts[2].settle(Ack::retry()));
  CHECK(inbox.answers.size() == 1);
  CHECK(later.verdicts[1].settle(Ack::done()));
  CHECK(inbox.answers.back() == "503 try again");
  const CallbackStats stats = service.handler.stats();
  CHECK(stats.events == 4);
  CHECK(stats.done == 3);
  CHECK(stats.retried == 1);
  CHECK(service.outcomes.back().events == 3);
  CHECK(service.labels.back() == "shop");
  CHECK(service.errors.empty());
}

TEST_CASE("A verdict that is settled before the handler returns answers inside the call") {
  Dispatcher::Builder builder;
  builder.on([](const UserAddOrg&, Context& context) { context.defer().settle(Ack::done()); });
  const Service service(builder);
  Inbox inbox;
  service.handler.handle(push(kAdded).request(), inbox.completion());
  CHECK((inbox.answers == std::vector<std::string>{"success"}));
  CHECK(service.answer(push(kAdded)) == "success");
  CHECK(service.handler.expire() == 0);
}

TEST_CASE("A verdict that is forgotten is a retry, and reported") {
  Deferring deferring;
  auto& [clock, later, inbox, builder, service] = deferring;
  deferring.post(push(kAdded));
  const Deferred copy = later.verdicts[0];
  later.verdicts.clear();
  CHECK(inbox.answers.empty());
  deferring.post(push_of("chat_quit"));
  CHECK((inbox.answers == std::vector<std::string>{"503 try again"}));
  CHECK(service.answer(push_of("chat_quit")) == "503 try again");
  CHECK((service.errors == std::vector<Errc>{Errc::handler_failed, Errc::handler_failed}));
  CHECK(service.messages.back() == "the handler deferred its verdict and never gave it");
  CHECK(service.handler.stats().failed == 2);
  CHECK(copy.settle(Ack::done()));
  CHECK(inbox.answers.back() == "success");
}

TEST_CASE("expire() answers what is overdue, and what is settled later counts no more") {
  Deferring deferring;
  auto& [clock, later, inbox, builder, service] = deferring;
  const Http rows = push_rows(row("user_add_org", "a", 13) + "," + row("user_add_org", "b", 13));
  deferring.post(push(kAdded));  // until 2500
  deferring.post(rows);          // until 1200
  deferring.post(push(kAdded));
  CHECK(later.verdicts[1].settle(Ack::done()));
  clock->now += 1199;
  CHECK(service.handler.expire() == 3);
  CHECK(inbox.answers.empty());
  clock->now += 1;
  CHECK(service.handler.expire() == 2);
  CHECK((inbox.answers == std::vector<std::string>{"503 try again"}));
  CHECK(later.verdicts[2].settled());
  CHECK_FALSE(later.verdicts[2].settle(Ack::done()));
  CHECK(service.outcomes.back().late);
  CHECK(service.outcomes.back().micros == 1200000);
  CHECK((service.errors == std::vector<Errc>{Errc::answer_late}));
  clock->now += 1000;
  CHECK(later.verdicts[3].settle(Ack::done()));
  CHECK(inbox.answers.back() == "success");
  CHECK_FALSE(service.outcomes.back().late);
  clock->now += 100000;
  CHECK(service.handler.expire() == 0);
  CHECK(inbox.answers.back() == "503 try again");
  CHECK(service.handler.expire() == 0);
  CHECK(inbox.answers.size() == 3);
  const CallbackStats stats = service.handler.stats();
  CHECK(stats.late == 2);
  CHECK(stats.done == 2);
  CHECK(stats.retried == 2);
}

TEST_CASE("A verdict after the deadline that expire() has not seen counts, and is late") {
  Deferring deferring;
  auto& [clock, later, inbox, builder, service] = deferring;
  deferring.post(push(kAdded));
  clock->now += 3000;
  CHECK(later.verdicts[0].settle(Ack::done()));
  CHECK((inbox.answers == std::vector<std::string>{"success"}));
  CHECK(service.handler.stats().late == 1);
}

TEST_CASE("A slow handler is late by the deadline of its push mode, and still answered") {
  const auto clock = std::make_shared<FakeClock>();
  CallbackHandler::Options options;
  options.clock = clock;
  options.http_deadline = 2500ms;
  int taken = 0;
  Dispatcher::Builder builder;
  std::vector<std::int64_t> left;
  builder.otherwise([&](const Event&, Context& context) {
    left.push_back(context.remaining().count());
    clock->now += taken;
  });
  const Service service(builder, options);
  const Http rows = push_rows(row("a", "a", 9999));
  const auto late = [&](const Http& http, int duration) {
    taken = duration;
    CHECK(service.answer(http) == "success");
    return service.outcomes.back().late;
  };
  CHECK_FALSE(late(push(kAdded), 2499));
  CHECK(late(push(kAdded), 2500));
  CHECK_FALSE(late(rows, 1199));
  CHECK(late(rows, 1200));
  CHECK((left == std::vector<std::int64_t>{2500, 2500, 1200, 1200}));
  CHECK(service.handler.stats().late == 2);
  CHECK((service.errors == std::vector<Errc>{Errc::answer_late, Errc::answer_late}));
  CHECK(service.outcomes.back().micros == 1200000);
}

TEST_CASE("The direct form waits for deferred verdicts, at most until the deadline") {
  std::vector<std::thread> threads;
  Later later;
  Dispatcher::Builder builder;
  builder.on(later.handler()).on([&](const ChatQuit&, Context& context) {
    threads.emplace_back([deferred = context.defer()] { deferred.settle(Ack::drop()); });
  });
  CallbackHandler::Options options = callback::unhurried();
  const Service patient(builder, options);
  CHECK(patient.answer(push_of("chat_quit")) == "success");
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(patient.outcomes.back().late);

  Dispatcher::Builder other;
  other.on(later.handler());
  options.http_deadline = 1ms;
  const Service impatient(other, options);
  CHECK(impatient.answer(push(kAdded)) == "503 try again");
  CHECK(impatient.outcomes.back().late);
  CHECK_FALSE(later.verdicts.back().settle(Ack::done()));
  CHECK(impatient.handler.stats().retried == 1);
}

TEST_CASE("Deadlines of any length are fine") {
  for (const dingcb::Milliseconds deadline :
       {dingcb::Milliseconds(INT64_MAX), dingcb::Milliseconds(INT64_MIN), dingcb::Milliseconds(0)}) {
    Dispatcher::Builder builder;
    CallbackHandler::Options options;
    options.http_deadline = deadline;
    builder.on([](const UserAddOrg&, Context& context) { context.defer().settle(Ack::done()); });
    const Service service(builder, options);
    CHECK(service.answer(push(kAdded)) == "success");
    CHECK(service.outcomes.back().late == (deadline.count() <= 0));
  }
}

TEST_CASE("A request outlives its CallbackHandler, and lets go of its completion when it is answered") {
  Later later;
  const auto held = std::make_shared<std::string>();
  {
    Dispatcher::Builder builder;
    builder.on(later.handler());
    const CallbackHandler handler(Encryptor::create(kApp).value(), builder.build().value());
    handler.handle(push(kAdded).request(), [held](const Response& response) { *held = answer_of(response); });
    CHECK(held.use_count() > 1);
  }
  CHECK(later.verdicts[0].settle(Ack::done()));
  CHECK(*held == "success");
  CHECK(held.use_count() == 1);
}

TEST_CASE("A completion may drop the verdict that calls it, and the last CallbackHandler") {
  for (const bool expires : {false, true}) {
    const auto clock = std::make_shared<FakeClock>();
    CallbackHandler::Options options;
    options.clock = clock;
    auto later = std::make_unique<Later>();
    Dispatcher::Builder builder;
    builder.on(later->handler());
    auto handler = std::make_unique<CallbackHandler>(Encryptor::create(kApp).value(), builder.build().value(), options);
    int answers = 0;
    handler->handle(push(kAdded).request(), [&](const Response& response) {
      answers += response.status == (expires ? 503 : 200) ? 1 : 0;
      later.reset();
      handler.reset();
    });
    clock->now += 2500;
    if (expires) {
      CHECK(handler->expire() == 0);
    } else {
      CHECK(later->verdicts.front().settle(Ack::done()));
    }
    CHECK(answers == 1);
  }
}

TEST_CASE("Handlers, hooks and completions may handle further requests") {
  const Http inner = push_of("chat_quit");
  const CallbackHandler* self = nullptr;
  std::vector<std::string> answers;
  int depth = 0;
  const auto again = [&] {
    if (depth != 0) return;
    ++depth;
    answers.push_back(answer_of(self->handle(inner.request())));
    self->handle(inner.request(), [&](const Response& response) { answers.push_back(answer_of(response)); });
    self->expire();
    --depth;
  };
  Dispatcher::Builder builder;
  builder.on([&](const UserAddOrg&) { again(); })
      .on_type("again", [](const Event&) { return Ack::retry(); })
      .otherwise([](const Event&, Context& context) { context.defer().settle(Ack::done()); })
      .observe([&](const Event&, const Ack&) { again(); });
  CallbackHandler::Options options = callback::unhurried();
  options.on_error = [&](const Request&, const Error&) { again(); };
  options.on_outcome = [&](const Outcome&) { again(); };
  options.on_unhandled = [&](const Event&) { again(); };
  const CallbackHandler handler(Encryptor::create(kApp).value(), builder.build().value(), options);
  self = &handler;
  CHECK(answer_of(handler.handle(push(kAdded).request())) == "success");
  CHECK(answer_of(handler.handle(push_of("again").request())) == "503 try again");
  CHECK(answer_of(handler.handle(push_of("unheard_of").request())) == "success");
  CHECK(handler.handle(Request{}).status == 400);
  handler.handle(push(kAdded).request(), [&](const Response& response) {
    CHECK(answer_of(response) == "success");
    again();
  });
  CHECK(answers.size() == 28);
  CHECK(std::count(answers.begin(), answers.end(), "success") == 28);
  CHECK(handler.stats().received == 5 + 28);
  CHECK(handler.in_flight() == 0);
}

TEST_CASE("Waiting requests may be answered in any order") {
  Later later;
  Dispatcher::Builder builder;
  builder.on(later.handler());
  const Service service(builder);
  std::vector<int> answered(20);
  for (int& count : answered) {
    service.handler.handle(push(kAdded).request(), [&count](const Response&) { ++count; });
  }
  for (std::size_t i = 0; i < answered.size(); ++i) {
    const std::size_t which = i * 7 % answered.size();
    CHECK(later.verdicts[which].settle(Ack::done()));
    CHECK(answered[which] == 1);
    CHECK(service.handler.expire() == answered.size() - i - 1);
  }
  CHECK(std::all_of(answered.begin(), answered.end(), [](int count) { return count == 1; }));
}

TEST_CASE("in_flight() counts the calls that run, in whatever thread") {
  std::atomic<bool> goes_on{false};
  std::atomic<int> running{0};
  Dispatcher::Builder builder;
  builder.on([&](const UserAddOrg&) {
    ++running;
    while (!goes_on) std::this_thread::sleep_for(1ms);
  });
  const CallbackHandler handler(Encryptor::create(kApp).value(), builder.build().value());
  CHECK(handler.in_flight() == 0);
  const Http http = push(kAdded);
  std::thread direct([&] { handler.handle(http.request()); });
  std::thread completing([&] { handler.handle(http.request(), [](const Response&) {}); });
  while (running != 2) std::this_thread::sleep_for(1ms);
  CHECK(handler.in_flight() == 2);
  goes_on = true;
  direct.join();
  completing.join();
  CHECK(handler.in_flight() == 0);
  handler.handle(Request{});  // refused
  handler.handle(Request{}, [](const Response&) {});
  CHECK(handler.in_flight() == 0);
}

TEST_CASE("in_flight() counts a deferred answer until its completion returns, from the moment of defer()") {
  Later later;
  std::size_t after_defer = 0;
  std::size_t in_completion = 0;
  const CallbackHandler* self = nullptr;
  Dispatcher::Builder builder;
  builder.on([&](const UserAddOrg&, Context& context) {
    later.verdicts.push_back(context.defer());
    after_defer = self->in_flight();
  });
  CallbackHandler::Options options;
  const auto clock = std::make_shared<FakeClock>();
  options.clock = clock;
  const CallbackHandler handler(Encryptor::create(kApp).value(), builder.build().value(), options);
  self = &handler;
  const auto post = [&] {
    handler.handle(push(kAdded).request(), [&](const Response&) { in_completion = handler.in_flight(); });
  };
  post();
  CHECK(after_defer == 1);
  CHECK(handler.in_flight() == 1);
  post();
  CHECK(handler.in_flight() == 2);
  std::thread([&] { later.verdicts[1].settle(Ack::done()); }).join();
  CHECK(in_completion == 2);
  CHECK(handler.in_flight() == 1);
  clock->now += 2500;
  CHECK(handler.expire() == 0);
  CHECK(in_completion == 1);
  CHECK(handler.in_flight() == 0);
}

TEST_CASE("in_flight() counts a request once, also where its deferred verdict comes before the handler returns") {
  Dispatcher::Builder builder;
  builder.on([](const UserAddOrg&, Context& context) { context.defer().settle(Ack::done()); });
  const CallbackHandler handler(Encryptor::create(kApp).value(), builder.build().value());
  std::size_t in_completion = 0;
  handler.handle(push(kAdded).request(), [&](const Response&) { in_completion = handler.in_flight(); });
  CHECK(in_completion == 1);
  CHECK(handler.in_flight() == 0);
}

TEST_CASE("An answer that OpenSSL refuses is a 500") {
  dingcb::EncryptorOptions encryptor_options;
  encryptor_options.random = std::make_shared<injected::NoRandom>();
  Dispatcher::Builder builder;
  std::vector<std::string> bodies;
  CallbackHandler::Options options;
  options.on_error = [&](const Request& request, const Error& error) {
    CHECK(error.code == Errc::random_failed);
    bodies.emplace_back(request.body);
  };
  const CallbackHandler handler(Encryptor::create(kApp, encryptor_options).value(), builder.build().value(), options);
  const Http http = push(kAdded);
  CHECK(answer_of(handler.handle(http.request())) == "500 try again");
  CHECK((bodies == std::vector<std::string>{http.body}));
  CHECK(handler.stats().broken == 1);
  CHECK(handler.refused(Errc::random_failed) == 1);
}

TEST_CASE("handler_for() gives a line to paste") {
  const auto line = [](const std::string& type) {
    return dingcb::handler_for(dingcb::parse_push("{\"EventType\":\"" + type + "\"}").value().front());
  };
  CHECK(line("user_add_org") ==
        ".on([](const dingcb::events::UserAddOrg& event) {})  // #include <dingcb/events/contact.hpp>");
  CHECK(line("invented_tomorrow") == ".on_type(\"invented_tomorrow\", [](const dingcb::Event& event) {})");
  CHECK(line("\\\"q\\\\\\u00017\\n\xE4\xBD\xA0") ==
        ".on_type(\"\\042q\\134\\0017\\012\xE4\xBD\xA0\", [](const dingcb::Event& event) {})");
  const auto rows = dingcb::parse_push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[7]})").value();
  CHECK(dingcb::handler_for(rows.front()) == ".otherwise([](const dingcb::Event& event) {})");
}

TEST_CASE("Request::from_target takes what follows the question mark") {
  CHECK(Request::from_target("/callback?signature=a&nonce=b?c", "body").query == "?signature=a&nonce=b?c");
  CHECK(Request::from_target("/callback?signature=a", "body").body == "body");
  CHECK(Request::from_target("/callback", "body").query.empty());
  const CallbackHandler handler(Encryptor::create(kApp).value(), Dispatcher::Builder{}.build().value());
  const Http push = callback::push_of("user_add_org");
  CHECK(handler.handle(Request::from_target("/callback?" + push.query, push.body)).status == 200);
  CHECK(handler.handle(Request::from_target("/callback", push.body)).status == 400);
}

TEST_CASE("CallbackHandler::diagnose says why a captured request is refused") {
  const CallbackHandler right(Encryptor::create(kApp).value(), Dispatcher::Builder{}.build().value());
  dingcb::Credential other = kApp;
  other.token = "anotherToken";
  const CallbackHandler wrong(Encryptor::create(other).value(), Dispatcher::Builder{}.build().value());
  const Http push = callback::push_of("user_add_org");
  CHECK(right.diagnose(push.request()).cause == "none");
  CHECK(wrong.diagnose(push.request()).suspect == dingcb::Suspect::token);
  CHECK(right.diagnose({push.query, "encrypt=abc"}).cause == "encrypt_missing");
  CHECK(right.diagnose({"", push.body}).cause == "signature_missing");
  CHECK(right.stats().received == 0);
}
