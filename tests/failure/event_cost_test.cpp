// What hostile input costs, counted in allocations; and what is left when memory runs out.
#include <dingcb/event.hpp>
#include <dingcb/events/contact.hpp>

#include "failure/heap.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::Event;
using dingcb::events::UserAddOrg;
using dingcb::events::UserLeaveOrg;

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  all.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string user(const std::string& members) {
  return R"({"EventType":"user_add_org","userId":["u1"])" + members + "}";
}

std::string push_of_rows(std::string_view row, std::size_t count) {
  return R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)" + repeated(std::string(row) + ',', count - 1) +
         std::string(row) + "]}";
}

// What it takes to read a push, and each event of it as two structs.
heap::Counts cost(std::string text) {
  const heap::Watch watch;
  const auto events = dingcb::parse_push(std::move(text));
  if (events) {
    for (const Event& event : *events) {
      static_cast<void>(event.get_if<UserAddOrg>());
      static_cast<void>(event.get_if<UserLeaveOrg>());
    }
  }
  return watch.counts();
}

constexpr std::size_t kRows = 10000;
constexpr std::string_view kRow =
    R"({"gmt_create":1608639648000,"gmt_modified":1608639648000,"biz_type":13,"open_cursor":0,"subscribe_id":"14999_0",)"
    R"("id":1,"biz_id":"user0001","corp_id":"ding9f50b15bccd16741","status":0,)"
    R"("biz_data":"{\"syncAction\":\"user_leave_org\"}"})";

}  // namespace

TEST_CASE("Twice the input costs at most 2.6 times the allocations and bytes") {
  static_cast<void>(cost(user("")));  // tables are made once
  static_cast<void>(cost(push_of_rows(kRow, 1)));
  const struct {
    const char* name;
    std::function<std::string(std::size_t)> text;
    std::size_t size;
  } inputs[] = {
      {"members that nobody knows", [](std::size_t n) { return user(repeated(R"(,"k":1)", n)); }, 50000},
      {"the same member again", [](std::size_t n) { return user(repeated(R"(,"userId":["u2"])", n)); }, 50000},
      {"the same header again", [](std::size_t n) { return user(repeated(R"(,"CorpId":"c")", n)); }, 50000},
      {"a list of ids", [](std::size_t n) { return user(R"(,"userId":["u")" + repeated(R"(,"u")", n) + ']'); }, 50000},
      {"a list of objects",
       [](std::size_t n) { return user(R"(,"roles":[{})" + repeated(R"(,{"name":"r"})", n) + ']'); }, 20000},
      {"a list that fits at last but once",
       [](std::size_t n) { return user(R"(,"department":[1)" + repeated(",1", n) + ",{}]"); }, 50000},
      {"a long text", [](std::size_t n) { return user(R"(,"name":")" + std::string(n, 'x') + '"'); }, 1000000},
      {"a text of escapes", [](std::size_t n) { return user(R"(,"name":")" + repeated("\\u5df2", n) + '"'); }, 200000},
      {"a text that opens lists", [](std::size_t n) { return user(R"(,"department":")" + std::string(n, '[') + '"'); },
       1000000},
      {"a text that is a list", [](std::size_t n) { return user(R"(,"department":"[1)" + repeated(",1", n) + "]\""); },
       50000},
      {"a long type", [](std::size_t n) { return R"({"EventType":")" + std::string(n, '/') + "\"}"; }, 1000000},
      {"a long key", [](std::size_t n) { return user(",\"" + std::string(n, 'k') + "\":1"); }, 1000000},
      {"a long number", [](std::size_t n) { return user(",\"active\":" + std::string(n, '1')); }, 300},
      {"brackets", [](std::size_t n) { return std::string(n, '['); }, 1000000},
      {"rows", [](std::size_t n) { return push_of_rows(kRow, n); }, 5000},
      {"rows that are none", [](std::size_t n) { return push_of_rows("1", n); }, 5000},
      {"rows that are broken", [](std::size_t n) { return push_of_rows(R"({"biz_data":"{"})", n); }, 5000},
      {"rows of an odd biz_type", [](std::size_t n) { return push_of_rows(R"({"biz_type":1e9,"biz_data":{}})", n); },
       5000},
  };
  for (const auto& input : inputs) {
    CAPTURE(input.name);
    const heap::Counts once = cost(input.text(input.size));
    const heap::Counts twice = cost(input.text(2 * input.size));
    CHECK(static_cast<double>(twice.news) <= 2.6 * static_cast<double>(once.news));
    CHECK(static_cast<double>(twice.new_bytes) <= 2.6 * static_cast<double>(once.new_bytes));
    CHECK(static_cast<double>(twice.openssl_bytes) <= 2.6 * static_cast<double>(once.openssl_bytes));
  }
}

TEST_CASE("A refused push costs no more than its text needs") {
  const std::string brackets(std::size_t{1024} * 1024, '[');
  CHECK(cost(brackets).new_bytes < 8 * brackets.size());
  const std::string broken = R"({"EventType":"t","x":")" + std::string(std::size_t{1024} * 1024, 'x');
  CHECK(cost(broken).new_bytes < 8 * broken.size());
}

TEST_CASE("A row costs less than a kilobyte and a half beside its text, and one that is none less than a kilobyte") {
  const std::string rows = push_of_rows(kRow, kRows);
  const std::string nulls = push_of_rows("1", kRows);
  const auto bytes = [](std::string text) {
    const heap::Watch watch;
    if (dingcb::parse_push(std::move(text)).value().size() != kRows) return std::size_t{0};
    return watch.counts().new_bytes / kRows;
  };
  CHECK(bytes(rows) > 0);
  CHECK(bytes(nulls) > 0);
  CHECK(bytes(rows) < 1536 + 5 * kRow.size());
  CHECK(bytes(nulls) < 1024);
}

TEST_CASE("An event that memory runs out for is lost alone") {
  const std::string text = push_of_rows(kRow, 3);
  for (std::size_t failing = 1;; ++failing) {
    REQUIRE(failing < 1000);
    std::string copy = text;
    bool threw = false;
    {
      const heap::Watch watch(failing, 0);
      try {
        const auto events = dingcb::parse_push(std::move(copy));
        for (const Event& event : *events) static_cast<void>(event.get_if<UserLeaveOrg>());
      } catch (const std::bad_alloc&) {
        threw = true;
      }
    }
    if (!threw) break;
  }
  // What could not be decoded can be decoded later.
  for (std::size_t failing = 1; failing < 100; ++failing) {
    const auto events = dingcb::parse_push(text).value();
    bool threw = false;
    {
      const heap::Watch watch(failing, 0);
      try {
        static_cast<void>(events[0].get_if<UserLeaveOrg>());
        static_cast<void>(events[0].why_not<UserAddOrg>());
      } catch (const std::bad_alloc&) {
        threw = true;
      }
    }
    REQUIRE(events[0].get_if<UserLeaveOrg>() != nullptr);
    REQUIRE(events[0].get_if<UserLeaveOrg>()->user_id.at(0) == "user0001");
    REQUIRE(events[0].why_not<UserAddOrg>() != nullptr);
    if (!threw) break;
    REQUIRE(failing < 99);
  }
}
