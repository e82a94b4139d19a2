// What every inbox has to do, for tests of each kind.
#pragma once

#include <dingcb/inbox.hpp>

#include "support/catch.hpp"
#include "support/injected.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace inbox_rules {

using dingcb::Fate;
using dingcb::Milliseconds;
using Opener = std::function<std::shared_ptr<dingcb::Inbox>(std::shared_ptr<injected::FakeClock>)>;

inline dingcb::StoredEvent event(const std::string& dedup_key, const std::string& ordering_key = {}) {
  dingcb::StoredEvent event;
  event.body = R"({"EventType":"user_add_org","eventId":")" + dedup_key + "\"}";
  event.type = "user_add_org";
  event.corp_id = "ding1";
  event.dedup_key = dedup_key;
  event.ordering_key = ordering_key;
  return event;
}

inline std::vector<dingcb::ClaimedEvent> claim(dingcb::Inbox& inbox, std::size_t limit = 100) {
  auto claimed = inbox.claim(limit, Milliseconds(1000));
  REQUIRE(claimed);
  return *claimed;
}
/// Gives the dedup_keys, in their order.
inline std::string keys(const std::vector<dingcb::ClaimedEvent>& claimed) {
  std::string keys;
  for (const dingcb::ClaimedEvent& each : claimed) keys += (keys.empty() ? "" : " ") + each.event.dedup_key;
  return keys;
}
inline bool settle(dingcb::Inbox& inbox, const dingcb::ClaimedEvent& claimed, Fate fate, std::int64_t delay = 0,
                   const std::string& why = {}) {
  const auto lost = inbox.settle({{claimed.id, claimed.lease, fate, Milliseconds(delay), why}});
  REQUIRE(lost);
  return lost->empty();
}

inline void check_basics(const Opener& open) {
  const auto clock = std::make_shared<injected::FakeClock>();
  const std::shared_ptr<dingcb::Inbox> inbox = open(clock);

  SECTION("what was put can be claimed once, oldest first") {
    REQUIRE(inbox->put({event("a"), event("b")}));
    clock->now += 1;
    REQUIRE(inbox->put({event("c")}));
    CHECK(inbox->stats()->pending == 3);
    CHECK(inbox->stats()->oldest_ms == clock->now - 1);
    const auto two = claim(*inbox, 2);
    CHECK(keys(two) == "a b");
    CHECK(two[0].attempt == 1);
    CHECK(two[0].stored_ms == clock->now - 1);
    CHECK(two[0].event.body == event("a").body);
    CHECK(two[0].event.type == "user_add_org");
    CHECK(two[0].event.corp_id == "ding1");
    CHECK(keys(claim(*inbox)) == "c");
    CHECK(keys(claim(*inbox)).empty());
    CHECK(inbox->stats()->claimed == 3);
    CHECK(settle(*inbox, two[0], Fate::done));
    CHECK_FALSE(settle(*inbox, two[0], Fate::done));
    CHECK(inbox->stats()->pending == 2);
  }

  SECTION("texts may hold anything") {
    dingcb::StoredEvent odd = event(std::string("k\0'\"\xE4\xBD\xA0", 7), std::string("o\0", 2));
    odd.body = std::string("{\"a\":\"\xE4\xBD\xA0'\\u0000\"}");
    odd.born_ms = -5;
    odd.source = dingcb::Source::stream;
    REQUIRE(inbox->put({odd}));
    const auto claimed = claim(*inbox);
    REQUIRE(claimed.size() == 1);
    CHECK(claimed[0].event.body == odd.body);
    CHECK(claimed[0].event.dedup_key == odd.dedup_key);
    CHECK(claimed[0].event.ordering_key == odd.ordering_key);
    CHECK(claimed[0].event.born_ms == odd.born_ms);
    CHECK(claimed[0].event.source == odd.source);
  }

  SECTION("a duplicate changes nothing, whatever became of the first") {
    const auto count = inbox->put({event("a"), event("b"), event("a")});
    REQUIRE(count);
    CHECK(count->stored == 2);
    CHECK(count->duplicates == 1);
    const auto claimed = claim(*inbox);
    CHECK(keys(claimed) == "a b");
    CHECK(inbox->put({event("a")})->duplicates == 1);
    CHECK(settle(*inbox, claimed[0], Fate::done));
    CHECK(settle(*inbox, claimed[1], Fate::bury));
    CHECK(inbox->put({event("a"), event("b")})->duplicates == 2);
    CHECK(keys(claim(*inbox)).empty());
    CHECK(inbox->stats()->pending == 0);
    CHECK(inbox->stats()->dead == 1);
  }

  SECTION("a lease ends by time, and who lost it can settle no more") {
    REQUIRE(inbox->put({event("a", "k")}));
    const auto first = claim(*inbox);
    clock->now += 999;
    CHECK(claim(*inbox).empty());
    clock->now += 1;
    CHECK(inbox->stats()->claimed == 0);
    const auto second = claim(*inbox);
    REQUIRE(keys(second) == "a");
    CHECK(second[0].attempt == 2);
    CHECK(second[0].lease != first[0].lease);
    CHECK_FALSE(settle(*inbox, first[0], Fate::done));
    CHECK_FALSE(settle(*inbox, first[0], Fate::extend, 5000));
    CHECK(settle(*inbox, second[0], Fate::done));
    CHECK(inbox->stats()->pending == 0);
  }

  SECTION("a lease that ended still holds while nobody else claims the event") {
    REQUIRE(inbox->put({event("a")}));
    const auto claimed = claim(*inbox);
    clock->now += 5000;
    CHECK(settle(*inbox, claimed[0], Fate::done));
    CHECK(claim(*inbox).empty());
  }

  SECTION("a lease can be extended") {
    REQUIRE(inbox->put({event("a")}));
    const auto claimed = claim(*inbox);
    clock->now += 900;
    CHECK(settle(*inbox, claimed[0], Fate::extend, 1000));
    clock->now += 900;
    CHECK(claim(*inbox).empty());
    clock->now += 100;
    CHECK(keys(claim(*inbox)) == "a");
  }

  SECTION("a delayed event comes back after its delay, with its attempts counted") {
    REQUIRE(inbox->put({event("a")}));
    CHECK(settle(*inbox, claim(*inbox)[0], Fate::delay, 50, "not now"));
    CHECK(inbox->stats()->claimed == 0);
    CHECK(inbox->stats()->pending == 1);
    clock->now += 49;
    CHECK(claim(*inbox).empty());
    clock->now += 1;
    CHECK(claim(*inbox)[0].attempt == 2);
  }

  SECTION("an event that is given back is as good as new") {
    REQUIRE(inbox->put({event("a")}));
    const auto claimed = claim(*inbox);
    CHECK(settle(*inbox, claimed[0], Fate::give_back));
    const auto again = claim(*inbox);
    REQUIRE(keys(again) == "a");
    CHECK(again[0].attempt == 1);
    CHECK_FALSE(settle(*inbox, claimed[0], Fate::done));
  }

  SECTION("events of one ordering key come one after the other") {
    REQUIRE(inbox->put({event("a1", "a"), event("a2", "a"), event("b1", "b"), event("x"), event("a3", "a")}));
    const auto first = claim(*inbox);
    CHECK(keys(first) == "a1 b1 x");
    CHECK(settle(*inbox, first[1], Fate::done));
    CHECK(claim(*inbox).empty());
    CHECK(settle(*inbox, first[0], Fate::delay, 500));
    CHECK(claim(*inbox).empty());  // what waits behind a delayed event waits, too
    REQUIRE(inbox->put({event("a4", "a"), event("b2", "b")}));
    CHECK(keys(claim(*inbox)) == "b2");
    clock->now += 500;
    const auto again = claim(*inbox);
    CHECK(keys(again) == "a1");
    CHECK(settle(*inbox, again[0], Fate::bury, 0, "never"));
    const auto second = claim(*inbox);
    CHECK(keys(second) == "a2");
    CHECK(settle(*inbox, second[0], Fate::done));
    const auto third = claim(*inbox);
    CHECK(keys(third) == "a3");
    CHECK(settle(*inbox, third[0], Fate::done));
    CHECK(keys(claim(*inbox)) == "a4");
  }

  SECTION("settlements that no longer hold are named, and spoil no others") {
    REQUIRE(inbox->put({event("a"), event("b"), event("c")}));
    const auto claimed = claim(*inbox);
    CHECK(settle(*inbox, claimed[1], Fate::done));
    std::vector<dingcb::Settlement> all;
    for (const auto& each : claimed) all.push_back({each.id, each.lease, Fate::done, {}, {}});
    const auto lost = inbox->settle(all);
    REQUIRE(lost);
    CHECK(*lost == std::vector<std::size_t>{1});
    CHECK(inbox->stats()->pending == 0);
  }

  SECTION("nothing is a batch, too") {
    CHECK(inbox->put({})->stored == 0);
    CHECK(inbox->settle({})->empty());
    CHECK_FALSE(inbox->stats()->oldest_ms.has_value());
  }

  SECTION("put_later() tells what put() would") {
    std::vector<std::size_t> told;
    std::mutex mutex;
    std::condition_variable changed;
    const auto done = [&](const dingcb::Result<dingcb::PutCount>& count) {
      const std::lock_guard<std::mutex> lock(mutex);
      told.push_back(count ? count->stored * 10 + count->duplicates : 999);
      changed.notify_all();
    };
    inbox->put_later({event("a"), event("b")}, done);
    inbox->put_later({event("b"), event("c")}, done);
    inbox->put_later({}, done);
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return told.size() == 3; });
    std::sort(told.begin(), told.end());
    CHECK(told == std::vector<std::size_t>{0, 11, 20});
  }
}

/// What an inbox does that has dead letters, retention and states.
inline void check_extras(const Opener& open) {
  const auto clock = std::make_shared<injected::FakeClock>();
  const std::shared_ptr<dingcb::Inbox> inbox = open(clock);
  const auto bury = [&](const std::string& why) {
    for (const auto& each : claim(*inbox)) CHECK(settle(*inbox, each, Fate::bury, 0, why));
  };

  SECTION("dead letters are listed without their bodies, and page by page") {
    dingcb::StoredEvent other = event("b");
    other.type = "user_leave_org";
    other.corp_id = "ding2";
    REQUIRE(inbox->put({event("a"), other, event("c")}));
    clock->now += 7;
    bury("broken");
    const auto letters = inbox->dead_letters({});
    REQUIRE(letters);
    REQUIRE(letters->size() == 3);
    CHECK((*letters)[0].event.dedup_key == "a");
    CHECK((*letters)[0].event.body.empty());
    CHECK((*letters)[0].why == "broken");
    CHECK((*letters)[0].attempts == 1);
    CHECK((*letters)[0].stored_ms == clock->now - 7);
    CHECK((*letters)[0].buried_ms == clock->now);
    dingcb::DeadQuery query;
    query.limit = 2;
    query.after = (*letters)[1].id;
    CHECK(inbox->dead_letters(query)->size() == 1);
    query.after = "no id";
    CHECK(inbox->dead_letters(query).error().code == dingcb::Errc::inbox_failed);
    query.after.clear();
    CHECK(inbox->dead_letters(query)->size() == 2);
    query.type = "user_leave_org";
    REQUIRE(inbox->dead_letters(query)->size() == 1);
    CHECK(inbox->dead_letters(query)->front().event.corp_id == "ding2");
    query.corp_id = "ding1";
    CHECK(inbox->dead_letters(query)->empty());
    const auto letter = inbox->dead_letter((*letters)[0].id);
    REQUIRE(letter);
    REQUIRE(letter->has_value());
    CHECK((*letter)->event.body == event("a").body);
    CHECK_FALSE(inbox->dead_letter("no number")->has_value());
    CHECK_FALSE(inbox->dead_letter("4711")->has_value());
  }

  SECTION("requeued letters are events again, behind nothing and beside nothing of their key") {
    REQUIRE(inbox->put({event("a1", "a"), event("a2", "a")}));
    const auto first = claim(*inbox);
    CHECK(settle(*inbox, first[0], Fate::bury));
    const std::string id = inbox->dead_letters({})->front().id;
    const auto second = claim(*inbox);
    CHECK(keys(second) == "a2");
    CHECK(inbox->requeue({id, "17", "x"}).value() == 1);
    CHECK(claim(*inbox).empty());  // a2 is being handled
    CHECK(inbox->stats()->pending == 2);
    CHECK(inbox->stats()->dead == 0);
    CHECK(settle(*inbox, second[0], Fate::done));
    const auto again = claim(*inbox);
    REQUIRE(keys(again) == "a1");
    CHECK(again[0].attempt == 1);
    CHECK_FALSE(settle(*inbox, first[0], Fate::done));
    CHECK(inbox->requeue({id}).value() == 0);
  }

  SECTION("purged letters are gone, but not forgotten") {
    REQUIRE(inbox->put({event("a")}));
    bury("broken");
    const std::string id = inbox->dead_letters({})->front().id;
    CHECK(inbox->purge({id, "17"}).value() == 1);
    CHECK(inbox->stats()->dead == 0);
    CHECK(inbox->dead_letters({})->empty());
    CHECK(inbox->put({event("a")})->duplicates == 1);
  }

  SECTION("what is done is forgotten after its time, and never what is pending") {
    REQUIRE(inbox->put({event("done")}));
    CHECK(settle(*inbox, claim(*inbox)[0], Fate::done));
    REQUIRE(inbox->put({event("dead")}));
    bury("broken");
    REQUIRE(inbox->put({event("pending")}));
    dingcb::Retention retention;
    retention.done = Milliseconds(1000);
    clock->now += 1000;
    CHECK(inbox->clean(retention).value() == 0);
    clock->now += 1;
    CHECK(inbox->clean(retention).value() == 1);
    CHECK(inbox->put({event("done")})->stored == 1);
    CHECK(inbox->put({event("dead"), event("pending")})->duplicates == 2);
    retention.dead = Milliseconds(1000);
    CHECK(inbox->clean(retention).value() == 1);
    CHECK(inbox->stats()->dead == 0);
    CHECK(inbox->stats()->pending == 2);
  }

  SECTION("an entry of the failed-push list is a duplicate of the HTTP push that is its twin, and of no other") {
    const auto twin = [](const std::string& name, dingcb::Source source) {
      dingcb::StoredEvent stored = event(name);
      stored.twin_key = "twin";
      stored.source = source;
      return stored;
    };
    CHECK(inbox->put({twin("entry1", dingcb::Source::failed_list)})->stored == 1);
    CHECK(inbox->put({twin("push1", dingcb::Source::http), twin("push2", dingcb::Source::http)})->stored == 2);
    CHECK(inbox->put({twin("entry2", dingcb::Source::failed_list)})->duplicates == 1);
    for (const auto& each : claim(*inbox)) CHECK(settle(*inbox, each, Fate::done));
    CHECK(inbox->put({twin("entry3", dingcb::Source::failed_list), event("other")})->duplicates == 1);
    CHECK(inbox->stats()->pending == 1);
  }

  SECTION("the newest of a state stays") {
    const auto ticket = [](const std::string& name, std::optional<std::int64_t> born_ms) {
      dingcb::StoredEvent stored = event(name);
      stored.latest_key = "suite_ticket/s1";
      stored.born_ms = born_ms;
      return stored;
    };
    const auto newest = [&] { return inbox->latest("suite_ticket/s1").value().value().dedup_key; };
    CHECK_FALSE(inbox->latest("suite_ticket/s1")->has_value());
    REQUIRE(inbox->put({ticket("t2", 2000), ticket("t1", 1000)}));
    CHECK(newest() == "t2");
    REQUIRE(inbox->put({ticket("t3", 2000)}));
    CHECK(newest() == "t3");
    REQUIRE(inbox->put({ticket("t2", 9000)}));  // a duplicate
    CHECK(newest() == "t3");
    REQUIRE(inbox->put({ticket("t4", std::nullopt)}));
    CHECK(newest() == "t4");
    for (const auto& each : claim(*inbox)) settle(*inbox, each, Fate::done);
    clock->now += std::int64_t{1} << 40;
    while (inbox->clean({}).value() != 0) continue;
    CHECK(newest() == "t4");
    CHECK(inbox->latest("suite_ticket/s1").value().value().body == event("t4").body);
    CHECK_FALSE(inbox->latest("suite_ticket/s2")->has_value());
  }
}

}  // namespace inbox_rules
