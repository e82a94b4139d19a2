#include <dingcb/select.hpp>

#include "support/catch.hpp"

#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/events/visit.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace dingcb::events;
using dingcb::Event;
using dingcb::match;
using dingcb::overloaded;
using dingcb::select;
using dingcb::Selected;

Event one(std::string plaintext) { return dingcb::parse_push(std::move(plaintext)).value().at(0); }

const Event& added() {
  static const Event event = one(R"({"EventType":"user_add_org","userId":["u1"]})");
  return event;
}
const Event& left() {
  static const Event event = one(R"({"EventType":"user_leave_org","userId":["u2"]})");
  return event;
}
const Event& approval() {
  static const Event event = one(R"({"EventType":"bpms_instance_change","processInstanceId":"p1"})");
  return event;
}
const Event& unfit() {
  static const Event event = one(R"({"EventType":"user_add_org","userId":{}})");
  return event;
}
const Event& unknown() {
  static const Event event = one(R"({"EventType":"invented_tomorrow","userId":["u3"]})");
  return event;
}

struct Own {
  std::vector<std::string> user_ids;
};

// Matches the same events as UserAddOrg.
struct AlsoAdded {};

std::string free_added(const UserAddOrg& user) { return "function " + user.user_id[0]; }
std::string free_other(const Event& event) noexcept { return "other " + std::string(event.type()); }

struct Counter {
  int seen = 0;
  int operator()(const UserAddOrg&) { return ++seen; }
};
// Counts what it is called with.
struct Everywhere {
  int typed = 0;
  int events = 0;
  std::string type;
  void operator()(const Event&) { ++events; }
  template <class E>
  void operator()(const E&) {
    ++typed;
    type = dingcb::EventTraits<E>::type;
  }
};
struct Constant {
  int operator()(const UserAddOrg&) const noexcept { return 7; }
};

}  // namespace

template <>
struct dingcb::EventTraits<Own> {
  static constexpr std::string_view type = "invented_tomorrow";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("userId", self.user_ids);
  }
};

template <>
struct dingcb::EventTraits<AlsoAdded> {
  static constexpr std::string_view type = "user_add_org";
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&) {}
};

TEST_CASE("match calls the case of the event, and the last one for everything else") {
  const auto name = [](const Event& event) {
    return match(
        event, [](const UserAddOrg& user) { return "added " + user.user_id[0]; },
        [](const UserLeaveOrg& user) { return "left " + user.user_id[0]; },
        [](const Own& own) { return "own " + own.user_ids[0]; },
        [](const Event& other) { return "other " + std::string(other.type()); });
  };
  CHECK(name(added()) == "added u1");
  CHECK(name(left()) == "left u2");
  CHECK(name(unknown()) == "own u3");
  CHECK(name(approval()) == "other bpms_instance_change");
  CHECK(name(unfit()) == "other user_add_org");
}

TEST_CASE("match takes the first case that fits, and calls no other") {
  std::string calls;
  const auto run = [&calls](const Event& event) {
    calls.clear();
    match(
        event, [&](const AlsoAdded&) { calls += 'a'; }, [&](const UserAddOrg&) { calls += 'b'; },
        [&](const Event&) { calls += 'c'; });
    return calls;
  };
  CHECK(run(added()) == "a");
  CHECK(run(left()) == "c");
  // The body fits one struct of the two.
  CHECK(run(unfit()) == "a");
  CHECK(match(
            unfit(), [](const UserAddOrg&) { return 1; }, [](const AlsoAdded&) { return 2; },
            [](const Event&) { return 3; }) == 2);
}

TEST_CASE("match takes the last case alone") {
  CHECK(match(added(), [](const Event& event) { return event.type(); }) == "user_add_org");
}

TEST_CASE("match gives references, values, and values that cannot be copied") {
  std::string first = "first";
  std::string last = "last";
  decltype(auto) reference = match(
      added(), [&](const UserAddOrg&) -> std::string& { return first; },
      [&](const Event&) -> std::string& { return last; });
  static_assert(std::is_same_v<decltype(reference), std::string&>);
  CHECK(&reference == &first);
  // A view into the event itself.
  const std::string& id = match(
      added(), [](const UserAddOrg& user) -> const std::string& { return user.user_id[0]; },
      [&](const Event&) -> const std::string& { return last; });
  CHECK(&id == &added().get_if<UserAddOrg>()->user_id[0]);
  const std::unique_ptr<int> owned = match(
      left(), [](const UserAddOrg&) { return std::make_unique<int>(1); },
      [](const Event&) { return std::make_unique<int>(2); });
  CHECK(*owned == 2);
  // All give what the last one gives.
  const auto text = match(
      added(), [](const UserAddOrg&) { return "text"; }, [](const Event&) { return std::string(); });
  static_assert(std::is_same_v<decltype(text), const std::string>);
  CHECK(text == "text");
}

TEST_CASE("match drops what the other cases give where the last one gives nothing") {
  int calls = 0;
  const auto run = [&calls](const Event& event) {
    match(
        event, [&](const UserAddOrg&) { return ++calls; }, [](const Event&) {});
  };
  static_assert(std::is_void_v<decltype(run(added()))>);
  run(added());
  run(left());
  CHECK(calls == 1);
}

TEST_CASE("match takes lambdas that are mutable or noexcept, constant and named callables, and functions") {
  int calls = 0;
  auto counting = [calls](const UserAddOrg&) mutable { return ++calls; };
  const auto other = [](const Event&) noexcept { return -1; };
  CHECK(match(added(), counting, other) == 1);
  CHECK(match(added(), counting, other) == 2);  // the callable itself is called, not a copy
  CHECK(match(left(), counting, other) == -1);

  Counter counter;
  match(added(), counter, other);
  match(added(), counter, other);
  CHECK(counter.seen == 2);
  const Constant constant;
  CHECK(match(added(), constant, other) == 7);
  CHECK(match(
            added(), [](const UserAddOrg&) noexcept { return 8; }, other) == 8);
  CHECK(match(
            added(), [](const UserAddOrg&) mutable noexcept { return 9; }, other) == 9);

  CHECK(match(added(), free_added, free_other) == "function u1");
  CHECK(match(left(), &free_added, &free_other) == "other user_leave_org");
  const std::function<std::string(const UserAddOrg&)> function = free_added;
  CHECK(match(added(), function, free_other) == "function u1");
  CHECK(calls == 0);
}

TEST_CASE("match takes callables that can only be moved") {
  auto owned = std::make_unique<int>(5);
  const int result = match(
      added(), [owned = std::move(owned)](const UserAddOrg&) { return *owned; }, [](const Event&) { return 0; });
  CHECK(result == 5);
}

TEST_CASE("match lets exceptions through") {
  CHECK_THROWS_AS(match(
                      added(), [](const UserAddOrg&) { throw 42; }, [](const Event&) {}),
                  int);
}

TEST_CASE("select gives the alternative that the event is") {
  const auto typed = select<UserLeaveOrg, UserAddOrg>(added());
  static_assert(std::is_same_v<std::decay_t<decltype(typed)>,
                               std::variant<Selected<UserLeaveOrg>, Selected<UserAddOrg>, Selected<Event>>>);
  REQUIRE(typed.index() == 1);
  CHECK(&std::get<1>(typed).get() == added().get_if<UserAddOrg>());
  CHECK(select<UserLeaveOrg, UserAddOrg>(left()).index() == 0);
  CHECK(select<UserLeaveOrg, UserAddOrg>(approval()).index() == 2);
  CHECK(select<UserLeaveOrg, UserAddOrg>(unfit()).index() == 2);
  CHECK(select<UserLeaveOrg, UserAddOrg>(unknown()).index() == 2);
  CHECK(select<Own>(unknown()).index() == 0);
  CHECK(select<AlsoAdded, UserAddOrg>(added()).index() == 0);
  CHECK(select<UserAddOrg, AlsoAdded>(unfit()).index() == 1);
  CHECK(std::get<Selected<Event>>(select<UserAddOrg>(unfit())).get().raw() == unfit().raw());
}

TEST_CASE("select keeps the event alive") {
  std::optional<std::variant<Selected<UserAddOrg>, Selected<Event>>> kept;
  {
    const Event event = one(R"({"EventType":"user_add_org","userId":["a long id that no small string holds"]})");
    kept = select<UserAddOrg>(event);
  }
  auto copy = *kept;
  kept.reset();
  CHECK(std::get<0>(copy).get().user_id[0] == "a long id that no small string holds");
  copy = select<UserAddOrg>(left());
  CHECK(std::get<1>(copy).get().type() == "user_leave_org");
}

TEST_CASE("select works with std::visit and overloaded") {
  const auto name = [](const Event& event) {
    return std::visit(overloaded{[](const Selected<UserAddOrg>& user) { return user.get().user_id[0]; },
                                 [](const Selected<UserLeaveOrg>&) { return std::string("left"); },
                                 [](const Selected<Event>& other) { return std::string(other.get().type()); }},
                      select<UserAddOrg, UserLeaveOrg>(event));
  };
  CHECK(name(added()) == "u1");
  CHECK(name(left()) == "left");
  CHECK(name(approval()) == "bpms_instance_change");
}

TEST_CASE("visit calls the case of the event; a generic case stands for all that are not named") {
  const auto name = [](const Event& event) {
    return dingcb::visit(event, overloaded{
                                    [](const UserAddOrg& user) { return "added " + user.user_id[0]; },
                                    [](const Event& other) { return "event " + std::string(other.type()); },
                                    [](const auto& typed) {
                                      return "generic " +
                                             std::string(dingcb::EventTraits<std::decay_t<decltype(typed)>>::type);
                                    },
                                });
  };
  CHECK(name(added()) == "added u1");
  CHECK(name(left()) == "generic user_leave_org");
  CHECK(name(approval()) == "generic bpms_instance_change");
  CHECK(name(unfit()) == "event user_add_org");
  CHECK(name(unknown()) == "event invented_tomorrow");
}

TEST_CASE("visit reaches every event of this release, and calls the visitor itself") {
  Everywhere visitor;
  int wrong = 0;
  const int count = static_cast<int>(dingcb::kKindCount);
  for (int i = 1; i < count; ++i) {
    const auto type = std::string(dingcb::type_of(static_cast<dingcb::Kind>(i)));
    dingcb::visit(one(R"({"EventType":")" + type + R"("})"), visitor);
    wrong += visitor.type == type ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(visitor.typed == count - 1);
  CHECK(visitor.events == 0);
  dingcb::visit(unknown(), visitor);
  CHECK(visitor.events == 1);
}

TEST_CASE("visit gives references") {
  std::string first;
  std::string second;
  decltype(auto) found = dingcb::visit(added(), overloaded{[&](const UserAddOrg&) -> std::string& { return first; },
                                                           [&](const auto&) -> std::string& { return second; }});
  static_assert(std::is_same_v<decltype(found), std::string&>);
  CHECK(&found == &first);
}
