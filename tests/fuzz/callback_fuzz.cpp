// CallbackHandler with any query and body, and with any plaintext in a push that is sealed as it should be. What it
// answers, reports and counts is compared with a straightforward reading of both and with a model of its handlers.
//
// The input is a plaintext, unless it begins with `q`: then a query up to the first line break, and a body; or with
// `d`: values that a server has decoded (signature, timestamp and nonce in a line each), and a body. In these two the
// bytes 1 to 4 stand for signature, timestamp, nonce and `encrypt` of a genuine push, 5 for the signature of an empty
// one.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/chat.hpp>
#include <dingcb/events/contact.hpp>

#include "fuzz/event_checks.hpp"
#include "support/callback.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using callback::kApp;
using checks::require;
using dingcb::Ack;
using dingcb::CallbackHandler;
using dingcb::CallbackStats;
using dingcb::Context;
using dingcb::Dispatcher;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Error;
using dingcb::Event;
using dingcb::Json;
using dingcb::Kind;
using dingcb::Outcome;
using dingcb::Request;
using dingcb::Response;
using dingcb::events::BpmsInstanceChange;
using dingcb::events::ChatQuit;
using dingcb::events::UserAddOrg;
using dingcb::events::UserLeaveOrg;

// What a service of two of them does. The second one takes all other events, too, and echoes Random.
struct Service {
  explicit Service(bool second) : takes_all(second), handler(make()) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  CallbackHandler make() {
    Dispatcher::Builder builder;
    builder.on([](const UserAddOrg&) {})
        .on([](const BpmsInstanceChange& approval, Context& context) {
          require(context.remaining().count() > 0);
          return approval.process_instance_id.empty() ? Ack::retry() : Ack::done();
        })
        .on([](const UserLeaveOrg& left) {
          if (left.user_id.empty()) throw std::runtime_error("nobody left");
          return Ack::drop();
        })
        .on([](const ChatQuit& quit, Context& context) {
          const auto verdict = context.defer();
          if (!quit.chat_id.empty()) verdict.settle(Ack::done());
        })
        .on([](const checks::Own&) {})
        .observe([this](const Event&, const Ack&) { ++observed; });
    if (takes_all) builder.otherwise([](const Event&) { return Ack::done(); });

    CallbackHandler::Options options;
    options.echo_random = takes_all;
    options.clock = std::make_shared<injected::FakeClock>();
    options.on_error = [this](const Request&, const Error& error) { errors.push_back(error); };
    options.on_unhandled = [this](const Event& event) {
      ++unhandled;
      require(!dingcb::handler_for(event).empty());
    };
    options.on_outcome = [this](const Outcome& outcome) {
      outcomes.push_back(outcome);
      label = outcome.label;
    };
    return CallbackHandler(Encryptor::create(kApp).value(), builder.build().value(), options);
  }

  void forget() {
    observed = unhandled = 0;
    errors.clear();
    outcomes.clear();
  }

  const bool takes_all;
  std::size_t observed = 0;
  std::size_t unhandled = 0;
  std::vector<Error> errors;
  std::vector<Outcome> outcomes;
  std::string label;  // of the last one
  const CallbackHandler handler;
};

// What has to come of a request; `error` is only known where `exact` is set.
struct Expected {
  bool exact = true;
  Errc error{};
  int status = 200;
  std::string answer = "success";
  CallbackStats counted;
};

Expected refused(Errc error) {
  Expected expected;
  expected.error = error;
  return expected;
}

bool is_url_check(Kind kind) {
  return kind == Kind::check_url || kind == Kind::check_create_suite_url || kind == Kind::check_update_suite_url;
}

void expect(const Event& event, bool takes_all, Expected& expected) {
  CallbackStats& counted = expected.counted;
  ++counted.events;
  if (event.kind() == Kind::unknown) ++counted.unknown;
  const auto retry = [&expected] {
    ++expected.counted.retried;
    expected.status = 503;
  };
  const auto unfit = [&counted, takes_all] {
    ++counted.unfit;
    ++(takes_all ? counted.done : counted.dropped);
  };
  if (event.kind() == Kind::user_add_org) {
    event.get_if<UserAddOrg>() != nullptr ? void(++counted.done) : unfit();
  } else if (event.kind() == Kind::bpms_instance_change) {
    const auto* const approval = event.get_if<BpmsInstanceChange>();
    if (approval == nullptr) return unfit();
    approval->process_instance_id.empty() ? retry() : void(++counted.done);
  } else if (event.kind() == Kind::user_leave_org) {
    const auto* const left = event.get_if<UserLeaveOrg>();
    if (left == nullptr) return unfit();
    if (!left->user_id.empty()) return void(++counted.dropped);
    ++counted.failed;
    retry();
  } else if (event.kind() == Kind::chat_quit) {
    const auto* const quit = event.get_if<ChatQuit>();
    if (quit == nullptr) return unfit();
    if (!quit->chat_id.empty()) return void(++counted.done);
    ++counted.failed;
    retry();
  } else if (event.type() == "own_event") {
    event.get_if<checks::Own>() != nullptr ? void(++counted.done) : unfit();
  } else {
    ++counted.unhandled;
    ++counted.done;
  }
}

Expected expect(const std::string& plaintext, bool takes_all) {
  const auto events = dingcb::parse_push(plaintext);
  if (!events) return refused(events.error().code);
  Expected expected;
  const Event* const first = events->size() == 1 ? &events->front() : nullptr;
  if (first != nullptr && is_url_check(first->kind()) && first->header().source == dingcb::Source::http) {
    ++expected.counted.checks;
    const std::string_view random = first->json()["Random"].as_text();
    if (takes_all && first->kind() != Kind::check_url && !random.empty()) expected.answer = random;
    return expected;
  }
  for (const Event& event : *events) expect(event, takes_all, expected);
  return expected;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    static constexpr std::string_view kHex = "0123456789abcdef0123456789ABCDEF";
    const std::size_t high = i + 2 < text.size() ? kHex.find(text[i + 1]) : std::string_view::npos;
    const std::size_t low = i + 2 < text.size() ? kHex.find(text[i + 2]) : std::string_view::npos;
    if (text[i] == '%' && high != std::string_view::npos && low != std::string_view::npos) {
      decoded += static_cast<char>(high % 16 * 16 + low % 16);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

// The value of the first parameter of one of these names that has one. Too long ones make `fits` false.
std::string parameter(std::string_view query, std::initializer_list<std::string_view> names, bool& fits) {
  std::string value;
  if (!query.empty() && query.front() == '?') query.remove_prefix(1);
  while (!query.empty() && value.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    if (std::find(names.begin(), names.end(), pair.substr(0, equals)) == names.end()) continue;
    const std::string_view encoded = pair.substr(equals + 1);
    if (encoded.size() > 512 && encoded.find('%') != std::string_view::npos) fits = false;
    value = percent_decoded(encoded);
  }
  return value;
}

struct Parameters {
  std::string signature;
  std::string timestamp;
  std::string nonce;
  bool fits = true;
};

Parameters parameters_of(const Request& request) {
  Parameters found;
  if (request.query.empty()) {
    found.signature = request.signature;
    found.timestamp = request.timestamp;
    found.nonce = request.nonce;
    return found;
  }
  const std::string other = parameter(request.query, {"msg_signature"}, found.fits);
  found.signature = parameter(request.query, {"signature"}, found.fits);
  if (found.signature.empty()) found.signature = other;
  found.timestamp = parameter(request.query, {"timestamp", "timeStamp"}, found.fits);
  found.nonce = parameter(request.query, {"nonce"}, found.fits);
  return found;
}

// A body that is JSON says what has to come of it. Any other may be refused, or read where `encrypt` is found all the
// same; so may one whose letters of "encrypt" are written as escapes, and one with text that is no base64.
Expected expect(const Request& request, bool takes_all) {
  Expected expected;
  expected.exact = false;
  const auto document = dingcb::detail::JsonDocument::parse(std::string(request.body));
  if (!document) return expected;
  if (request.body.find("\\u00") != std::string_view::npos) {
    for (const char* digits : {"65", "6e", "6E", "63", "72", "79", "70", "74"}) {
      if (request.body.find(std::string("\\u00") + digits) != std::string_view::npos) return expected;
    }
  }
  const Json encrypt = (*document)->root()["encrypt"];
  const std::string text(encrypt.as_text());
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    return expected;
  }
  const Parameters found = parameters_of(request);
  if (!found.fits || !encrypt.is_string()) return refused(Errc::request_malformed);
  if (found.timestamp.empty()) return refused(Errc::timestamp_missing);
  if (found.nonce.empty()) return refused(Errc::nonce_missing);
  const platform::Verdict opened =
      platform::open(kApp, dingcb::Push{found.signature, found.timestamp, found.nonce, text});
  return opened.failure == Errc{} ? expect(opened.message, takes_all) : refused(opened.failure);
}

int status_of(Errc error) {
  switch (error) {
    case Errc::signature_mismatch:
    case Errc::padding:
    case Errc::too_short:
    case Errc::length_field:
    case Errc::owner_mismatch: return 403;
    case Errc::request_malformed:
    case Errc::timestamp_missing:
    case Errc::nonce_missing:
    case Errc::ciphertext_empty:
    case Errc::base64_malformed:
    case Errc::ciphertext_not_block_multiple: return 400;
    case Errc::not_utf8:
    case Errc::json_malformed:
    case Errc::json_too_deep:
    case Errc::envelope_malformed:
    case Errc::event_type_missing: return 500;
    default: std::abort();  // none of the bytes of a request lead here
  }
}

void check(const Service& service, const CallbackStats& before, const Response& response, Expected expected,
           std::string_view input) {
  require(service.outcomes.size() == 1 && service.handler.in_flight() == 0);
  const Outcome& outcome = service.outcomes[0];
  require(outcome.status == response.status && !outcome.late);
  if (!expected.exact) {
    expected.error = outcome.error;
    expected.status = response.status;
  }
  if (expected.error != Errc{}) expected.status = status_of(expected.error);
  require(outcome.error == expected.error && response.status == expected.status);
  require(service.label == (expected.status == 400 || expected.status == 403 ? "" : kApp.label));

  if (response.status == 200) {
    const std::string answer = callback::answer_of(response);
    require(expected.exact ? answer == expected.answer : answer == "success");
  } else {
    require(response.content_type == "text/plain");
    require(response.body == (response.status < 500 ? "refused" : "try again"));
  }

  const CallbackStats after = service.handler.stats();
  const bool is_refused = expected.error != Errc{};
  require(after.received - before.received == 1 && after.late == 0);
  require(after.refused - before.refused == (is_refused && response.status < 500 ? 1 : 0));
  require(after.broken - before.broken == (is_refused && response.status >= 500 ? 1 : 0));
  require(after.events - before.events == outcome.events && service.observed == outcome.events);
  require(after.done + after.retried + after.dropped == after.events);
  require(after.unhandled - before.unhandled == service.unhandled);
  const std::size_t reported = after.unfit - before.unfit + after.failed - before.failed + (is_refused ? 1 : 0);
  require(service.errors.size() == reported);
  if (is_refused) {
    require(outcome.events == 0 && service.errors[0].code == outcome.error);
    checks::check_message(service.errors[0].message, input);
  }
  if (!expected.exact) return;
  const CallbackStats& counted = expected.counted;
  require(after.checks - before.checks == counted.checks && after.events - before.events == counted.events);
  require(after.done - before.done == counted.done && after.retried - before.retried == counted.retried);
  require(after.dropped - before.dropped == counted.dropped && after.unknown - before.unknown == counted.unknown);
  require(after.unhandled - before.unhandled == counted.unhandled && after.unfit - before.unfit == counted.unfit);
  require(after.failed - before.failed == counted.failed);
}

// Hands the request to one service in the direct form, and to the other with a completion.
template <class Expect>
void handle(const Request& request, std::string_view input, Expect expect_of) {
  static Service direct(false);
  static Service completing(true);
  static std::vector<Response> responses;

  direct.forget();
  CallbackStats before = direct.handler.stats();
  const std::uint64_t refusals = direct.handler.refused(Errc::request_malformed);
  const Response response = direct.handler.handle(request);
  check(direct, before, response, expect_of(false), input);
  const bool malformed = direct.outcomes[0].error == Errc::request_malformed;
  require(direct.handler.refused(Errc::request_malformed) - refusals == (malformed ? 1 : 0));

  completing.forget();
  responses.clear();
  before = completing.handler.stats();
  completing.handler.handle(request, [](Response told) { responses.push_back(std::move(told)); });
  require(responses.size() == 1);  // no verdict is left to give
  check(completing, before, responses[0], expect_of(true), input);
  require(completing.outcomes[0].error == direct.outcomes[0].error);
}

// What the input may use of a genuine push.
const std::array<std::string, 5>& genuine() {
  static const platform::Sealed sealed =
      callback::seal(R"({"EventType":"user_add_org","CorpId":"ding1","userId":["u1"]})");
  static const std::array<std::string, 5> parts{
      sealed.signature, sealed.timestamp, sealed.nonce, sealed.encrypt,
      platform::signed_push(kApp, "", sealed.timestamp, sealed.nonce).signature};
  return parts;
}

std::string filled(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c >= 1 && c <= 5) {
      result += genuine()[static_cast<std::size_t>(c - 1)];
    } else {
      result += c;
    }
  }
  return result;
}

std::string take_line(std::string_view& rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  return filled(line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto by_request = [](const Request& request) {
    return [&request](bool takes_all) { return expect(request, takes_all); };
  };
  if (data[0] == 'q') {
    const std::string query = take_line(rest);
    const std::string body = filled(rest);
    const Request request{query, body};
    handle(request, query + '\n' + body, by_request(request));
  } else if (data[0] == 'd') {
    const std::string signature = take_line(rest);
    const std::string timestamp = take_line(rest);
    const std::string nonce = take_line(rest);
    const std::string body = filled(rest);
    const Request request = Request::decoded(signature, timestamp, nonce, body);
    handle(request, signature + '\n' + timestamp + '\n' + nonce + '\n' + body, by_request(request));
  } else {
    const std::string plaintext(reinterpret_cast<const char*>(data), size);
    const callback::Http http = callback::push(plaintext);
    handle(http.request(), plaintext, [&plaintext](bool takes_all) { return expect(plaintext, takes_all); });
  }
  return 0;
}
