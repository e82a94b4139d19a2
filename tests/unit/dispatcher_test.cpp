#include <dingcb/dispatcher.hpp>

#include <dingcb/events/callback_check.hpp>
#include <dingcb/events/chat.hpp>
#include <dingcb/events/contact.hpp>

#include "support/catch.hpp"
#include "support/injected.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace own {

// A struct of the user's for a type that this release does not know, and one in place of the release's.
struct Invented {
  std::string what;
};
struct Leaver {
  std::vector<std::string> user_ids;
};

}  // namespace own

template <>
struct dingcb::EventTraits<own::Invented> {
  static constexpr std::string_view type = "invented_tomorrow";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("what", self.what);
  }
};
template <>
struct dingcb::EventTraits<own::Leaver> {
  static constexpr std::string_view type = "user_leave_org";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("userId", self.user_ids);
  }
};

namespace {

using dingcb::Ack;
using dingcb::Context;
using dingcb::Deferred;
using dingcb::Dispatcher;
using dingcb::Errc;
using dingcb::Event;
using dingcb::Milliseconds;
using dingcb::Next;
using dingcb::Verdict;
using dingcb::events::ChatQuit;
using dingcb::events::UserAddOrg;
using namespace std::chrono_literals;

Event parse(std::string json) { return dingcb::parse_push(std::move(json)).value().front(); }
Event event_of(const std::string& type) { return parse("{\"EventType\":\"" + type + "\"}"); }

const Event& added() {
  static const Event event = parse(R"({"EventType":"user_add_org","CorpId":"ding1","userId":["u1","u2"]})");
  return event;
}
const Event& misfit() {
  static const Event event = parse(R"({"EventType":"user_add_org","userId":[{"no":"text"}]})");
  return event;
}

// What dispatch() gave for an event, without what was deferred.
struct Outcome {
  Ack ack;
  Errc error{};
  std::string message;
};
Outcome dispatch(const Dispatcher& dispatcher, const Event& event) {
  Context context(event, 1s);
  Outcome outcome;
  outcome.ack = dispatcher.dispatch(context);
  if (context.error() != nullptr) {
    outcome.error = context.error()->code;
    outcome.message = context.error()->message.str();
  }
  return outcome;
}

int free_calls = 0;
void free_handler(const UserAddOrg&) { ++free_calls; }
Ack free_handler_with_context(const ChatQuit&, Context&) noexcept { return Ack::drop("free"); }

}  // namespace

TEST_CASE("Ack says what it was made of") {
  CHECK(Ack().verdict() == Verdict::done);
  CHECK(Ack::done().verdict() == Verdict::done);
  CHECK(Ack::done().why().empty());
  const Ack retry = Ack::retry(30s, "the database is down");
  CHECK(retry.verdict() == Verdict::retry);
  CHECK(retry.delay() == 30s);
  CHECK(retry.why() == "the database is down");
  CHECK(Ack::retry().delay() == 0ms);
  const Ack drop = Ack::drop("nobody wants it");
  CHECK(drop.verdict() == Verdict::drop);
  CHECK(drop.why() == "nobody wants it");
}

TEST_CASE("Dispatcher gives an event to the handler that takes its struct") {
  std::vector<std::string> log;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&](const UserAddOrg& event) { log.push_back(event.user_id.at(1)); })
                                    .on([&](const ChatQuit&, Context& context) {
                                      log.emplace_back(context.event().type());
                                      return Ack::drop("quit");
                                    })
                                    .build()
                                    .value();
  CHECK(dispatch(dispatcher, added()).ack.verdict() == Verdict::done);
  CHECK(dispatch(dispatcher, event_of("chat_quit")).ack.why() == "quit");
  CHECK((log == std::vector<std::string>{"u2", "chat_quit"}));
  CHECK(dispatcher.handles(added()));
  CHECK(dispatcher.handles(misfit()));
  CHECK_FALSE(dispatcher.handles(event_of("chat_add_member")));
}

TEST_CASE("Dispatcher takes functions, std::function, mutable and move-only callables") {
  free_calls = 0;
  std::function<Ack(const own::Invented&)> third = [](const own::Invented& event) { return Ack::drop(event.what); };
  auto held = std::make_unique<int>(0);
  const int* const count = held.get();
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on(free_handler)
                                    .on(&free_handler_with_context)
                                    .on(third)
                                    .on([held = std::move(held)](const own::Leaver&) mutable { ++*held; })
                                    .build()
                                    .value();
  dispatch(dispatcher, added());
  CHECK(free_calls == 1);
  CHECK(dispatch(dispatcher, event_of("chat_quit")).ack.why() == "free");
  CHECK(dispatch(dispatcher, parse(R"({"EventType":"invented_tomorrow","what":"news"})")).ack.why() == "news");
  dispatch(dispatcher, event_of("user_leave_org"));
  CHECK(*count == 1);
}

TEST_CASE("Dispatcher takes structs of the user's, for new types and in place of its own") {
  std::vector<std::string> log;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&](const own::Invented& event) { log.push_back(event.what); })
                                    .on([&](const own::Leaver& event) { log.push_back(event.user_ids.at(0)); })
                                    .build()
                                    .value();
  dispatch(dispatcher, parse(R"({"EventType":"invented_tomorrow","what":"news"})"));
  dispatch(dispatcher, parse(R"({"EventType":"user_leave_org","userId":["u9"]})"));
  CHECK((log == std::vector<std::string>{"news", "u9"}));
  CHECK((dispatcher.subscribed_types() == std::vector<std::string>{"invented_tomorrow", "user_leave_org"}));
}

TEST_CASE("Dispatcher::on_type takes unknown and known types, untyped, whether they fit or not") {
  std::vector<std::string> log;
  const auto note = [&log](const Event& event) { log.emplace_back(event.type()); };
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on_type("invented_tomorrow", note)
                                    .on_type("user_add_org",
                                             [&](const Event& event, Context&) {
                                               note(event);
                                               return Ack::retry();
                                             })
                                    .build()
                                    .value();
  dispatch(dispatcher, event_of("invented_tomorrow"));
  CHECK(dispatch(dispatcher, misfit()).ack.verdict() == Verdict::retry);
  CHECK(dispatch(dispatcher, misfit()).error == Errc{});
  CHECK((log == std::vector<std::string>{"invented_tomorrow", "user_add_org", "user_add_org"}));
}

TEST_CASE("Dispatcher finds each of many unknown types, and no other") {
  std::string seen;
  Dispatcher::Builder builder;
  for (int i = 99; i >= 0; --i) {
    builder.on_type("new_" + std::to_string(i), [&seen, i](const Event&) { seen = std::to_string(i); });
  }
  const Dispatcher dispatcher = builder.build().value();
  for (int i = 0; i < 100; ++i) {
    dispatch(dispatcher, event_of("new_" + std::to_string(i)));
    REQUIRE(seen == std::to_string(i));
  }
  for (const char* other : {"new_", "new_100", "new", "zzz", "a"}) CHECK_FALSE(dispatcher.handles(event_of(other)));
}

TEST_CASE("Dispatcher acknowledges what nobody takes, unless otherwise() takes it") {
  const Dispatcher without = Dispatcher::Builder{}.on([](const ChatQuit&) {}).build().value();
  CHECK(dispatch(without, added()).ack.verdict() == Verdict::done);
  CHECK(dispatch(without, event_of("invented_tomorrow")).ack.verdict() == Verdict::done);

  std::vector<std::string> log;
  const Dispatcher with = Dispatcher::Builder{}
                              .otherwise([&](const Event& event) {
                                log.emplace_back(event.type());
                                return Ack::drop("other");
                              })
                              .on([](const ChatQuit&) {})
                              .build()
                              .value();
  CHECK(dispatch(with, added()).ack.why() == "other");
  CHECK(dispatch(with, event_of("invented_tomorrow")).ack.why() == "other");
  CHECK(dispatch(with, event_of("chat_quit")).ack.verdict() == Verdict::done);
  CHECK((log == std::vector<std::string>{"user_add_org", "invented_tomorrow"}));
  CHECK_FALSE(with.handles(added()));
}

TEST_CASE("Dispatcher drops a body that does not fit and says which field, or gives it to otherwise()") {
  int called = 0;
  const auto handler = [&called](const UserAddOrg&) { ++called; };
  const Outcome dropped = dispatch(Dispatcher::Builder{}.on(handler).build().value(), misfit());
  CHECK(dropped.ack.verdict() == Verdict::drop);
  CHECK(dropped.error == Errc::field_unfit);
  CHECK(dropped.message.find("userId") != std::string::npos);
  CHECK(dropped.ack.why() == dropped.message);

  const Outcome taken =
      dispatch(Dispatcher::Builder{}.on(handler).otherwise([](const Event&) { return Ack::retry(1s); }).build().value(),
               misfit());
  CHECK(taken.ack.delay() == 1s);
  CHECK(taken.error == Errc::field_unfit);
  CHECK(called == 0);
}

TEST_CASE("Dispatcher turns what a handler throws into a retry, and reports it") {
  struct Odd {};
  const Dispatcher dispatcher =
      Dispatcher::Builder{}
          .on([](const UserAddOrg&) { throw std::runtime_error("no such table"); })
          .on([](const ChatQuit&) { throw Odd{}; })
          .otherwise([](const Event&) -> Ack { throw std::runtime_error("otherwise failed"); })
          .build()
          .value();
  const Outcome thrown = dispatch(dispatcher, added());
  CHECK(thrown.ack.verdict() == Verdict::retry);
  CHECK(thrown.error == Errc::handler_failed);
  CHECK(thrown.message == "the handler of \"user_add_org\" threw: no such table");
  CHECK(thrown.ack.why() == thrown.message);
  CHECK(dispatch(dispatcher, event_of("chat_quit")).message ==
        "the handler of \"chat_quit\" threw: an exception that is no std::exception");
  CHECK(dispatch(dispatcher, event_of("new")).error == Errc::handler_failed);

  // Both that the body does not fit, and that otherwise() threw.
  const Dispatcher both = Dispatcher::Builder{}
                              .on([](const UserAddOrg&) {})
                              .otherwise([](const Event&) { throw std::runtime_error("boom"); })
                              .build()
                              .value();
  const Outcome outcome = dispatch(both, misfit());
  CHECK(outcome.ack.verdict() == Verdict::retry);
  CHECK(outcome.error == Errc::handler_failed);
  CHECK(outcome.message.find("userId") != std::string::npos);
  CHECK(outcome.message.find("boom") != std::string::npos);
}

TEST_CASE("Observers see every event with its verdict, in their order, and change nothing") {
  std::vector<std::string> log;
  const auto observer = [&log](const char* name) {
    return [&log, name](const Event& event, const Ack& ack) {
      log.push_back(name + std::string(" ") + std::string(event.type()) + " " +
                    std::to_string(static_cast<int>(ack.verdict())));
    };
  };
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .observe(observer("a"))
                                    .on([](const UserAddOrg&) { return Ack::drop(); })
                                    .observe(observer("b"))
                                    .build()
                                    .value();
  dispatch(dispatcher, added());
  dispatch(dispatcher, event_of("new"));
  CHECK((log == std::vector<std::string>{"a user_add_org 2", "b user_add_org 2", "a new 0", "b new 0"}));
}

TEST_CASE("What observers throw is reported, beside what the handler threw, and changes nothing else") {
  int told = 0;
  Dispatcher::Builder builder;
  builder.on([](const UserAddOrg&) { throw std::runtime_error("first"); })
      .on([](const ChatQuit&) { return Ack::drop("done with it"); })
      .observe([](const Event&, const Ack&) { throw std::runtime_error("second"); })
      .observe([](const Event&, const Ack&) { throw std::runtime_error("third"); })
      .observe([&told](const Event&, const Ack&) { ++told; });
  const Dispatcher dispatcher = builder.build().value();
  const Outcome failed = dispatch(dispatcher, added());
  CHECK(failed.ack.verdict() == Verdict::retry);
  CHECK(failed.ack.why() == "the handler of \"user_add_org\" threw: first");
  CHECK(failed.message ==
        "the handler of \"user_add_org\" threw: first; an observer of \"user_add_org\" threw: second; an observer of "
        "\"user_add_org\" threw: third");
  const Outcome fine = dispatch(dispatcher, event_of("chat_quit"));
  CHECK(fine.ack.why() == "done with it");
  CHECK(fine.error == Errc::handler_failed);
  CHECK(told == 2);
  // A misfit stays one.
  const Dispatcher misfits = Dispatcher::Builder{}
                                 .on([](const UserAddOrg&) {})
                                 .observe([](const Event&, const Ack&) { throw std::runtime_error("second"); })
                                 .build()
                                 .value();
  CHECK(dispatch(misfits, misfit()).error == Errc::field_unfit);
  CHECK(dispatch(misfits, misfit()).message.find("second") != std::string::npos);
}

TEST_CASE("Middleware wraps handlers and otherwise(), the first outermost") {
  std::vector<std::string> log;
  const auto layer = [&log](const char* name) {
    return [&log, name](Context&, const Next& next) {
      log.push_back(std::string("to ") + name);
      Ack ack = next();
      log.push_back(std::string("from ") + name);
      return ack;
    };
  };
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .use(layer("a"))
                                    .on([&](const UserAddOrg&) { log.emplace_back("handler"); })
                                    .otherwise([&](const Event&) { log.emplace_back("otherwise"); })
                                    .use(layer("b"))
                                    .build()
                                    .value();
  dispatch(dispatcher, added());
  dispatch(dispatcher, event_of("new"));
  CHECK((log == std::vector<std::string>{"to a", "to b", "handler", "from b", "from a", "to a", "to b", "otherwise",
                                         "from b", "from a"}));
}

TEST_CASE("Middleware may stop an event, send it twice, and change its verdict") {
  int handled = 0;
  const auto dispatcher_with = [&handled](dingcb::detail::Function<Ack(Context&, const Next&)> middleware) {
    return Dispatcher::Builder{}
        .use(std::move(middleware))
        .on([&handled](const UserAddOrg&) { return ++handled % 2 == 1 ? Ack::retry({}, "once more") : Ack::done(); })
        .build()
        .value();
  };
  CHECK(dispatch(dispatcher_with([](Context&, const Next&) { return Ack::drop("not at night"); }), added()).ack.why() ==
        "not at night");
  CHECK(handled == 0);
  const auto twice = [](Context&, const Next& next) {
    Ack ack = next();
    return ack.verdict() == Verdict::retry ? next() : ack;
  };
  CHECK(dispatch(dispatcher_with(twice), added()).ack.verdict() == Verdict::done);
  CHECK(handled == 2);
  const auto never_retry = [](Context&, const Next& next) {
    return next().verdict() == Verdict::retry ? Ack::drop("given up") : Ack::done();
  };
  CHECK(dispatch(dispatcher_with(never_retry), added()).ack.why() == "given up");
}

TEST_CASE("Middleware may catch what a handler throws; what it throws itself is a retry") {
  const auto handler = [](const UserAddOrg&) { throw std::runtime_error("deep"); };
  const auto forgiving = [](Context&, const Next& next) -> Ack {
    try {
      return next();
    } catch (const std::runtime_error& error) {
      return Ack::drop(error.what());
    }
  };
  const Outcome forgiven = dispatch(Dispatcher::Builder{}.use(forgiving).on(handler).build().value(), added());
  CHECK(forgiven.ack.why() == "deep");
  CHECK(forgiven.error == Errc{});
  const auto throwing = [](Context&, const Next&) -> Ack { throw std::runtime_error("middleware"); };
  CHECK(dispatch(Dispatcher::Builder{}.use(throwing).build().value(), added()).error == Errc::handler_failed);
}

TEST_CASE("Dispatcher::Builder reports all mistakes at once") {
  const std::function<void(const ChatQuit&)> empty;
  void (*const null_handler)(const Event&) = nullptr;
  Dispatcher::Builder builder;
  builder.on([](const UserAddOrg&) {})
      .on([](const UserAddOrg&) {})
      .on_type("user_add_org", [](const Event&) {})
      .on([](const own::Leaver&) {})
      .on([](const dingcb::events::UserLeaveOrg&) {})
      .on(empty)
      .on_type("", [](const Event&) {})
      .on_type("new", null_handler)
      .otherwise([](const Event&) {})
      .otherwise([](const Event&) {})
      .observe({})
      .use({});
  const auto failed = builder.build();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == Errc::duplicate_handler);
  for (const char* mistake :
       {"two handlers for user_add_org", "two handlers for user_leave_org", "two handlers for otherwise()",
        "an empty handler for \"chat_quit\"", "an empty handler for \"new\"", "on_type() without a type",
        "an empty observer", "an empty middleware"}) {
    INFO(mistake);
    const std::string text = failed.error().message.str();
    CHECK(text.find(mistake) != std::string::npos);
    CHECK(text.find(mistake, text.find(mistake) + 1) == std::string::npos);  // once, however many there are
  }
  // The mistakes went with the Builder's content.
  CHECK(builder.build().value().subscribed_types().empty());
}

TEST_CASE("Dispatcher::Builder calls a missing handler handler_missing") {
  CHECK(Dispatcher::Builder{}.otherwise(static_cast<void (*)(const Event&)>(nullptr)).build().error().code ==
        Errc::handler_missing);
  const auto unnamed = Dispatcher::Builder{}.on_type("", [](const Event&) {}).build();
  CHECK(unnamed.error().code == Errc::handler_missing);
  CHECK(unnamed.error().message == "on_type() without a type");
}

TEST_CASE("Dispatcher is empty by default, and is shared by its copies") {
  const Dispatcher empty = Dispatcher::Builder{}.build().value();
  CHECK(dispatch(empty, added()).ack.verdict() == Verdict::done);
  CHECK(empty.subscribed_types().empty());
  const auto held = std::make_shared<int>(0);
  {
    const Dispatcher first = Dispatcher::Builder{}.on([held](const UserAddOrg&) { ++*held; }).build().value();
    const Dispatcher copy = first;
    dispatch(first, added());
    dispatch(copy, added());
    CHECK(*held == 2);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("subscribed_types() is sorted and leaves out URL checks, to which nobody subscribes") {
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([](const UserAddOrg&) {})
                                    .on([](const dingcb::events::CheckUrl&) {})
                                    .on_type("check_create_suite_url", [](const Event&) {})
                                    .on_type("invented_tomorrow", [](const Event&) {})
                                    .on([](const ChatQuit&) {})
                                    .otherwise([](const Event&) {})
                                    .build()
                                    .value();
  CHECK((dispatcher.subscribed_types() == std::vector<std::string>{"chat_quit", "invented_tomorrow", "user_add_org"}));
}

TEST_CASE("Context counts down the time that is left") {
  injected::FakeClock clock;
  Context context(added(), 2500ms, &clock);
  CHECK(context.remaining() == 2500ms);
  clock.now += 2499;
  CHECK(context.remaining() == 1ms);
  clock.now += 1;
  CHECK(context.remaining() == 0ms);
  clock.now += 100000;
  CHECK(context.remaining() == 0ms);
  CHECK(Context(added(), Milliseconds(-5)).remaining() == 0ms);
  CHECK(Context(added(), Milliseconds(INT64_MAX)).remaining() > std::chrono::hours(24));
  CHECK(Context(added(), Milliseconds(INT64_MIN)).remaining() == 0ms);
  CHECK(Context(added(), 1h).remaining() > 59min);
}

TEST_CASE("Milliseconds takes any duration, and what is no number as the past") {
  using Seconds = std::chrono::duration<double>;
  CHECK(Milliseconds(Seconds(1.5)).count() == 1500);
  CHECK(Milliseconds(Seconds(-0.0015)).count() == -1);
  CHECK(Milliseconds(std::chrono::hours::max()).count() == INT64_MAX);
  CHECK(Milliseconds(std::chrono::hours::min()).count() == -INT64_MAX);
  CHECK(Milliseconds(Seconds(std::numeric_limits<double>::infinity())).count() == INT64_MAX);
  CHECK(Milliseconds(Seconds(std::numeric_limits<double>::quiet_NaN())).count() == -INT64_MAX);
  static_assert(Milliseconds(std::chrono::minutes(5)).count() == 300000);
}

TEST_CASE("A deferred verdict comes from another thread") {
  std::thread worker;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&](const UserAddOrg&, Context& context) {
                                      worker = std::thread([deferred = context.defer()] {
                                        const auto* const event = deferred.event().get_if<UserAddOrg>();
                                        deferred.settle(Ack::drop(event->user_id.at(0)));
                                      });
                                      return Ack::retry({}, "ignored");
                                    })
                                    .build()
                                    .value();
  Context context(added(), 1h);
  const Ack ack = dispatcher.dispatch(context);
  CHECK(ack.verdict() == Verdict::deferred);
  CHECK(context.wait(ack).why() == "u1");
  worker.join();
  CHECK(context.wait(ack).why() == "u1");
}

TEST_CASE("The first verdict counts, also when it comes before the handler returns") {
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([](const UserAddOrg&, Context& context) {
                                      const Deferred deferred = context.defer();
                                      CHECK_FALSE(deferred.settled());
                                      CHECK(deferred.settle(Ack::drop("first")));
                                      CHECK_FALSE(deferred.settle(Ack::retry({}, "second")));
                                      CHECK(deferred.settled());
                                    })
                                    .build()
                                    .value();
  Context context(added(), 1h);
  CHECK(context.wait(dispatcher.dispatch(context)).why() == "first");
}

TEST_CASE("A verdict that was deferred and forgotten is a retry, once the last copy is gone") {
  std::optional<Deferred> kept;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&kept](const UserAddOrg&, Context& context) {
                                      const Deferred first = context.defer();
                                      const Deferred copy = first;
                                      kept.emplace(copy);
                                    })
                                    .build()
                                    .value();
  Context context(added(), 1h);
  const Ack ack = dispatcher.dispatch(context);
  CHECK_FALSE(kept->settled());
  kept.reset();
  const Ack forgotten = context.wait(ack);
  CHECK(forgotten.verdict() == Verdict::retry);
  CHECK(forgotten.why() == "the handler deferred its verdict and never gave it");
}

TEST_CASE("defer() called twice gives the same verdict") {
  std::optional<Deferred> kept;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&kept](const UserAddOrg&, Context& context) {
                                      { const Deferred gone = context.defer(); }
                                      kept.emplace(context.defer());
                                    })
                                    .on([&kept](const ChatQuit&, Context& context) {
                                      const Deferred first = context.defer();
                                      kept.emplace(context.defer());
                                    })
                                    .build()
                                    .value();
  {
    // The first one had gone before the second was asked for: then the retry counts.
    Context context(added(), 1h);
    const Ack ack = dispatcher.dispatch(context);
    CHECK_FALSE(kept->settle(Ack::done()));
    CHECK(context.wait(ack).verdict() == Verdict::retry);
  }
  const Event quit = event_of("chat_quit");
  Context context(quit, 1h);
  const Ack ack = dispatcher.dispatch(context);
  CHECK(kept->settle(Ack::drop("second")));
  CHECK(context.wait(ack).why() == "second");
}

TEST_CASE("A handler that throws after defer() is retried, whatever is settled later") {
  std::optional<Deferred> kept;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&kept](const UserAddOrg&, Context& context) {
                                      kept.emplace(context.defer());
                                      throw std::runtime_error("too late");
                                    })
                                    .build()
                                    .value();
  Context context(added(), 1h);
  const Ack ack = dispatcher.dispatch(context);
  CHECK(ack.verdict() == Verdict::retry);
  CHECK(context.error()->code == Errc::handler_failed);
  CHECK(kept->settled());
  CHECK_FALSE(kept->settle(Ack::done()));
  CHECK(context.wait(ack).verdict() == Verdict::retry);
}

TEST_CASE("Middleware that gives another verdict than Verdict::deferred settles what was deferred") {
  std::optional<Deferred> kept;
  std::vector<Verdict> observed;
  const auto handler = [&kept](const UserAddOrg&, Context& context) { kept.emplace(context.defer()); };
  const auto observer = [&observed](const Event&, const Ack& ack) { observed.push_back(ack.verdict()); };
  const Dispatcher impatient = Dispatcher::Builder{}
                                   .use([](Context&, const Next& next) {
                                     CHECK(next().verdict() == Verdict::deferred);
                                     return Ack::drop("no time");
                                   })
                                   .on(handler)
                                   .observe(observer)
                                   .build()
                                   .value();
  Context context(added(), 1h);
  CHECK(impatient.dispatch(context).why() == "no time");
  CHECK_FALSE(kept->settle(Ack::done()));

  const Dispatcher patient = Dispatcher::Builder{}.on(handler).observe(observer).build().value();
  Context other(added(), 1h);
  CHECK(patient.dispatch(other).verdict() == Verdict::deferred);
  CHECK(kept->settle(Ack::done()));
  CHECK((observed == std::vector<Verdict>{Verdict::drop, Verdict::deferred}));
}

TEST_CASE("Nobody waits for ever: wait() gives up at the deadline, and a Context that goes gives up at once") {
  std::optional<Deferred> kept;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&kept](const UserAddOrg&, Context& context) { kept.emplace(context.defer()); })
                                    .build()
                                    .value();
  {
    Context context(added(), 1ms);
    const Ack late = context.wait(dispatcher.dispatch(context));
    CHECK(late.verdict() == Verdict::retry);
    CHECK(late.why() == "the deferred verdict did not come in time");
    CHECK_FALSE(kept->settle(Ack::done()));
  }
  {
    Context context(added(), 1h);
    CHECK(dispatcher.dispatch(context).verdict() == Verdict::deferred);
    CHECK_FALSE(kept->settled());
  }
  CHECK(kept->settled());
  CHECK_FALSE(kept->settle(Ack::done()));
  CHECK(kept->event().type() == "user_add_org");  // as long as the Deferred
}

TEST_CASE("A deferred verdict without defer() is a retry") {
  std::optional<Ack> stolen;
  std::optional<Deferred> kept;
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .use([&stolen](Context&, const Next& next) {
                                      Ack ack = next();
                                      if (!stolen) stolen.emplace(ack);
                                      return *stolen;
                                    })
                                    .on([&kept](const UserAddOrg&, Context& context) { kept.emplace(context.defer()); })
                                    .build()
                                    .value();
  {
    Context context(added(), 1h);
    REQUIRE(dispatcher.dispatch(context).verdict() == Verdict::deferred);
    CHECK(kept->settle(*stolen));  // is no verdict either
    CHECK(context.wait(*stolen).verdict() == Verdict::retry);
  }
  CHECK(dispatch(dispatcher, event_of("chat_quit")).ack.verdict() == Verdict::retry);
}

TEST_CASE("Settling races with giving up: exactly one of them counts") {
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> counted{0};
    std::vector<std::thread> threads;
    const Dispatcher dispatcher = Dispatcher::Builder{}
                                      .on([&](const UserAddOrg&, Context& context) {
                                        const Deferred deferred = context.defer();
                                        for (int i = 0; i < 3; ++i) {
                                          threads.emplace_back([deferred, &counted] {
                                            if (deferred.settle(Ack::done())) ++counted;
                                          });
                                        }
                                      })
                                      .build()
                                      .value();
    {
      Context context(added(), Milliseconds(round % 2));
      const Ack ack = context.wait(dispatcher.dispatch(context));
      for (std::thread& thread : threads) thread.join();
      REQUIRE(counted == (ack.verdict() == Verdict::done ? 1 : 0));
    }
  }
}

TEST_CASE("Many threads dispatch at once") {
  std::atomic<int> handled{0};
  std::atomic<int> others{0};
  const Dispatcher dispatcher = Dispatcher::Builder{}
                                    .on([&](const UserAddOrg& event) { handled += event.user_id.size() == 2 ? 1 : 0; })
                                    .otherwise([&](const Event&) { ++others; })
                                    .use([](Context&, const Next& next) { return next(); })
                                    .build()
                                    .value();
  const Event unknown = event_of("new");
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&dispatcher, &unknown] {
      for (int round = 0; round < 200; ++round) {
        dispatch(dispatcher, added());
        dispatch(dispatcher, unknown);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(handled == 3200);
  CHECK(others == 3200);
}
