// What dispatching and a callback allocate, and what a callback answers when it cannot.
#include <dingcb/callback_handler.hpp>

#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>

#include "failure/heap.hpp"
#include "support/callback.hpp"
#include "support/catch.hpp"
#include "support/memory_inbox.hpp"

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
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
using dingcb::Context;
using dingcb::Deferred;
using dingcb::Dispatcher;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Event;
using dingcb::events::BpmsInstanceChange;
using dingcb::events::UserAddOrg;
using dingcb::events::UserLeaveOrg;

constexpr const char* kAdded = R"({"EventType":"user_add_org","CorpId":"ding1","userId":["u1"]})";

Dispatcher three_handlers() {
  return Dispatcher::Builder{}
      .on([](const UserAddOrg&) {})
      .on([](const BpmsInstanceChange&, Context&) { return Ack::done(); })
      .on([](const UserLeaveOrg&) { return Ack::drop(); })
      .use([](Context&, const dingcb::Next& next) { return next(); })
      .observe([](const Event&, const Ack&) {})
      .build()
      .value();
}

// What one warm call allocates.
template <class Call>
heap::Counts counts_of(Call call) {
  for (int i = 0; i < 3; ++i) call();
  const heap::Watch watch;
  call();
  return watch.counts();
}

}  // namespace

TEST_CASE("Dispatching an event that is decoded allocates nothing") {
  const Dispatcher dispatcher = three_handlers();
  for (const char* type : {"user_add_org", "bpms_instance_change", "user_leave_org", "chat_quit", "new_tomorrow"}) {
    INFO(type);
    const Event event = dingcb::parse_push("{\"EventType\":\"" + std::string(type) + "\"}").value().front();
    const heap::Counts counts = counts_of([&] {
      Context context(event, std::chrono::seconds(1));
      dispatcher.dispatch(context);
    });
    CHECK(counts.news == 0);
    CHECK(counts.openssl == 0);
  }
}

TEST_CASE("A body that does not fit is not diagnosed twice, and its verdict copies no text") {
  const Dispatcher dispatcher = Dispatcher::Builder{}.on([](const UserAddOrg&) {}).build().value();
  const Event misfit = dingcb::parse_push(R"({"EventType":"user_add_org","userId":[{"no":"text"}]})").value().front();
  const heap::Counts counts = counts_of([&] {
    Context context(misfit, std::chrono::seconds(1));
    dispatcher.dispatch(context);
  });
  CHECK(counts.news == 0);
}

TEST_CASE("CallbackHandler allocates less than its parts do") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  const CallbackHandler handler(encryptor, three_handlers());
  const platform::Sealed sealed = callback::seal(kAdded);
  const Http http = callback::http(sealed);
  bool fine = true;
  const heap::Counts whole = counts_of([&] { fine = handler.handle(http.request()).status == 200 && fine; });
  const heap::Counts parts = counts_of([&] {
    auto opened = encryptor.decrypt(sealed.push());
    const auto events = dingcb::parse_push(std::move(opened->plaintext));
    fine = events->front().get_if<UserAddOrg>() != nullptr && fine;
    fine = !encryptor.encrypt_reply("success", *opened)->to_json().empty() && fine;
  });
  REQUIRE(fine);
  CHECK(whole.news + 4 <= parts.news);  // no Opened, and no four strings of a Reply
  CHECK(whole.openssl == parts.openssl);
}

TEST_CASE("Refusals allocate nothing but the digest state of OpenSSL") {
  const CallbackHandler handler(Encryptor::create(kApp).value(), three_handlers());
  Http forged = push(kAdded);
  forged.query[15] = forged.query[15] == '0' ? '1' : '0';
  int status = 0;
  heap::Counts counts = counts_of([&] { status = handler.handle(forged.request()).status; });
  CHECK(status == 403);
  CHECK(counts.news == 0);
  CHECK(counts.openssl == 1);
  const std::string hostile = "{\"a\":[" + std::string(100000, '[');
  counts = counts_of([&] { status = handler.handle({forged.query, hostile}).status; });
  CHECK(status == 400);
  CHECK(counts.news == 0);
  CHECK(counts.openssl == 0);
}

/// Has a request answered, in one of the two forms, whose `nth` allocation fails. @return whether there were so many.
bool answer_without(std::size_t nth, const CallbackHandler& handler, const Http& http, bool with_completion,
                    const CallbackHandler::Completion& completion) {
  const heap::Watch watch(nth, 0);
  if (with_completion) {
    handler.handle(http.request(), completion);
  } else {
    completion(handler.handle(http.request()));
  }
  return watch.counts().news >= nth;
}

TEST_CASE("Without memory each push is answered once, with a 5xx, and the next one is fine") {
  int handled = 0;
  std::vector<Deferred> kept;
  kept.reserve(16);
  const auto live = std::make_shared<int>(0);  // copies of it live in handlers, verdicts and completions
  const auto dispatcher = Dispatcher::Builder{}
                              .on([&handled](const UserAddOrg& event) {
                                ++handled;
                                if (event.user_id.empty()) throw std::runtime_error("a message that allocates, too");
                              })
                              .on_type("later",
                                       [&kept](const Event&, Context& context) {
                                         if (kept.size() < kept.capacity()) kept.push_back(context.defer());
                                       })
                              .build()
                              .value();
  const std::string rows = row("user_add_org", "u1", 13) + "," + row("later", "a", 9999) + "," +
                           row("later", "b", 9999) + "," + row("user_add_org", "u2", 13);
  const struct {
    Http http;
    std::string expected;
    bool deferred;
  } pushes[] = {
      {push(kAdded), "success", false},
      {push_of("user_add_org"), "503 try again", false},
      {push_of("check_url"), "success", false},
      {push(R"({"EventType":"user_add_org","userId":[{"no":"text"}]})"), "success", false},
      {push_of("later"), "success", true},
      {push_rows(rows), "success", true},
      {{push(kAdded).query, "{\"encrypt\":\"\\u0041" + std::string(100, 'A') + "\"}"}, "403 refused", false},
      {{"", "nonsense"}, "400 refused", false},
  };
  for (const auto& [http, expected, deferred] : pushes) {
    for (const bool with_completion : {false, true}) {
      if (deferred && !with_completion) continue;  // it would wait for this thread
      for (std::size_t nth = 1;; ++nth) {
        INFO(http.body.substr(0, 40) << (with_completion ? " completion" : " direct") << ", allocation " << nth);
        std::size_t reported = 0;
        CallbackHandler::Options options = callback::unhurried();
        options.on_error = [&reported](const dingcb::Request&, const dingcb::Error&) { ++reported; };
        const CallbackHandler handler(Encryptor::create(kApp).value(), dispatcher, options);
        int answers = 0;
        dingcb::Response response;
        CallbackHandler::Completion completion = [&answers, &response, live](dingcb::Response given) {
          ++answers;
          response = std::move(given);
        };
        const bool failed = answer_without(nth, handler, http, with_completion, completion);
        bool counted = false;
        for (const Deferred& verdict : kept) counted = verdict.settle(Ack::done()) || counted;
        kept.clear();
        REQUIRE(answers == 1);
        completion = {};
        CHECK(live.use_count() == 1);
        CHECK(handler.expire() == 0);
        const dingcb::CallbackStats stats = handler.stats();
        CHECK(stats.received == 1);
        if (failed) {
          CHECK((response.status == 500 || response.status == 503 || answer_of(response) == expected));
          if (response.status == 500) {
            CHECK(stats.broken == 1);
            CHECK(handler.refused(Errc::out_of_memory) == 1);
            CHECK(reported >= 1);
            CHECK_FALSE(counted);  // nobody is told that a verdict counts which does not
          }
        } else {
          CHECK(answer_of(response) == expected);
          CHECK(counted == deferred);
        }
        REQUIRE(handler.handle(push_of("check_url").request()).status == 200);
        if (!failed) {
          CHECK((nth > 5 || expected[0] == '4'));
          break;
        }
      }
    }
  }
  CHECK(handled > 0);
}

TEST_CASE("Without memory a push is stored, or refused with a 5xx, and answered once") {
  const Http http = push(kAdded);
  for (const bool with_completion : {false, true}) {
    for (std::size_t nth = 1;; ++nth) {
      INFO((with_completion ? "completion" : "direct") << ", allocation " << nth);
      const auto inbox = std::make_shared<memory::Inbox>(std::make_shared<injected::FakeClock>());
      CallbackHandler::Options options = callback::unhurried();
      options.inbox = inbox;
      const CallbackHandler handler(Encryptor::create(kApp).value(), three_handlers(), options);
      int answers = 0;
      dingcb::Response response;
      const CallbackHandler::Completion completion = [&answers, &response](dingcb::Response given) {
        ++answers;
        response = std::move(given);
      };
      const bool failed = answer_without(nth, handler, http, with_completion, completion);
      REQUIRE(answers == 1);
      CHECK(handler.expire() == 0);
      if (response.status == 200) {
        CHECK(answer_of(response) == "success");
        CHECK(inbox->stats()->pending == 1);
      } else {
        CHECK(failed);
        CHECK((response.status == 500 || response.status == 503));
      }
      REQUIRE(answer_of(handler.handle(push_of("user_leave_org").request())) == "success");
      if (!failed) {
        CHECK(response.status == 200);
        CHECK(nth > 10);
        break;
      }
    }
  }
}

TEST_CASE("expire() needs no memory") {
  std::vector<Deferred> kept;
  CallbackHandler::Options options;
  const auto clock = std::make_shared<injected::FakeClock>();
  options.clock = clock;
  const CallbackHandler handler(
      Encryptor::create(kApp).value(),
      Dispatcher::Builder{}
          .otherwise([&kept](const Event&, Context& context) { kept.push_back(context.defer()); })
          .build()
          .value(),
      options);
  int answers = 0;
  const Http http = push_of("later");
  for (int i = 0; i < 50; ++i) handler.handle(http.request(), [&answers](const dingcb::Response&) { ++answers; });
  clock->now += 2500;
  const heap::Watch watch(1, 0);
  const std::size_t left = handler.expire();
  CHECK(watch.counts().news == 0);
  CHECK(left == 0);
  CHECK(answers == 50);
}
