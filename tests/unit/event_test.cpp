#include <dingcb/event.hpp>

#include "support/catch.hpp"

#include <dingcb/events/ai_assistant.hpp>
#include <dingcb/events/app_lifecycle.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/events/document.hpp>
#include <dingcb/events/esign.hpp>
#include <dingcb/events/hardware.hpp>
#include <dingcb/events/todo.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace dingcb::events;
using dingcb::Errc;
using dingcb::Event;
using dingcb::EventHeader;
using dingcb::Kind;
using dingcb::parse_push;
using dingcb::parse_stream;
using dingcb::Source;

Event one(std::string plaintext) {
  auto events = parse_push(std::move(plaintext));
  INFO((events ? std::string() : events.error().message.str()));
  REQUIRE(events);
  REQUIRE(events->size() == 1);
  return events->front();
}

Event frame(std::string text) {
  auto event = parse_stream(std::move(text));
  INFO((event ? std::string() : event.error().message.str()));
  REQUIRE(event);
  return *event;
}

EventHeader header(std::string plaintext) { return one(std::move(plaintext)).header(); }

Errc code_of(std::string plaintext) {
  const auto events = parse_push(std::move(plaintext));
  return events ? Errc{} : events.error().code;
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  all.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

template <class E>
std::string why(const Event& event) {
  const dingcb::Error* const error = event.why_not<E>();
  return error == nullptr ? std::string() : error->message.str();
}

// A type that no release knows, an own struct for one that this release knows, and one with every kind of field.
struct Invented {
  std::int64_t x = 0;
  std::optional<std::string> note;
  std::vector<std::string> user_ids;
};

struct MyUserAdded {
  std::vector<std::string> ids;
  std::string nick;
};

enum class Colour { red, green };

struct Part {
  std::string name;
  std::optional<double> weight;
};

struct Everything {
  std::string text;
  std::int64_t number = 0;
  std::optional<bool> flag;
  std::optional<double> ratio;
  dingcb::OpenEnum<Colour> colour;
  dingcb::RawJson raw;
  std::optional<Part> part;
  std::vector<Part> parts;
  std::vector<std::int64_t> numbers;
};

struct Tight {
  std::int64_t count = 0;
};

}  // namespace

template <>
struct dingcb::EnumTraits<Colour> {
  static constexpr std::string_view texts[] = {"RED", "GREEN"};
};

template <>
struct dingcb::EventTraits<Invented> {
  static constexpr std::string_view type = "invented_tomorrow";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("x", self.x);
    visit("note", self.note);
    visit("userIds", self.user_ids, "UserIds");
  }
};

template <>
struct dingcb::EventTraits<MyUserAdded> {
  static constexpr std::string_view type = "user_add_org";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("userId", self.ids);
    visit("nick", self.nick);
  }
};

template <>
struct dingcb::EventTraits<Part> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("name", self.name);
    visit("weight", self.weight);
  }
};

template <>
struct dingcb::EventTraits<Everything> {
  static constexpr std::string_view type = "everything";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("text", self.text);
    visit("number", self.number);
    visit("flag", self.flag);
    visit("ratio", self.ratio);
    visit("colour", self.colour);
    visit("raw", self.raw);
    visit("part", self.part);
    visit("parts", self.parts);
    visit("numbers", self.numbers);
  }
};

template <>
struct dingcb::EventTraits<Tight> {
  static constexpr std::string_view type = "tight";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("count", self.count);
  }
};

TEST_CASE("parse_push gives the header of a current push") {
  const Event event = one(
      R"({"EventType":"user_add_org","EventTime":1663143335567,"CorpId":"ding9f50b15b","BizId":"1663","eventId":"c7c7",)"
      R"("timeStamp":"1685501863357","userId":["015227"]})");
  CHECK(event.kind() == Kind::user_add_org);
  CHECK(event.type() == "user_add_org");
  const EventHeader& header = event.header();
  CHECK(header.id == "c7c7");
  CHECK(header.corp_id == "ding9f50b15b");
  CHECK(header.app_id.empty());
  CHECK(header.born_ms == 1663143335567);
  CHECK(header.source == Source::http);
  CHECK(header.subscribe_id.empty());
  CHECK(header.biz_id.empty());
  CHECK_FALSE(header.biz_type);
  CHECK_FALSE(header.open_cursor);
  CHECK_FALSE(header.gmt_modified_ms);
  CHECK(header.dedup_key == "c7c7");
}

TEST_CASE("parse_push finds the organisation under every spelling, the best first") {
  for (const std::string key : {"CorpId", "corpId", "corpid", "corp_id", "AuthCorpId", "authCorpId"}) {
    CAPTURE(key);
    CHECK(header(R"({"EventType":"t",")" + key + R"(":"ding1"})").corp_id == "ding1");
  }
  CHECK(header(R"({"AuthCorpId":"a","corpid":"b","corpId":"c","CorpId":"d","EventType":"t"})").corp_id == "d");
  CHECK(header(R"({"AuthCorpId":"a","corpid":"b","corpId":"c","CorpId":"","EventType":"t"})").corp_id == "c");
  CHECK(header(R"({"AuthCorpId":"a","corpid":"b","CorpId":null,"corpId":{"x":1},"EventType":"t"})").corp_id == "b");
  CHECK(header(R"({"EventType":"t","CORPID":"x"})").corp_id.empty());
}

TEST_CASE("parse_push reads the time as a number or a text, under every spelling") {
  for (const std::string key : {"EventTime", "TimeStamp", "timeStamp", "eventTime"}) {
    CAPTURE(key);
    CHECK(header(R"({"EventType":"t",")" + key + R"(":1663143335567})").born_ms == 1663143335567);
    CHECK(header(R"({"EventType":"t",")" + key + R"(":"1663143335567"})").born_ms == 1663143335567);
  }
  CHECK(header(R"({"eventTime":1,"TimeStamp":2,"EventTime":3,"EventType":"t"})").born_ms == 3);
  CHECK(header(R"({"TimeStamp":2,"EventTime":"","EventType":"t"})").born_ms == 2);
  CHECK(header(R"({"TimeStamp":2,"EventTime":1.5,"EventType":"t"})").born_ms == 2);
  CHECK_FALSE(header(R"({"EventType":"t"})").born_ms);
  CHECK_FALSE(header(R"({"EventType":"t","EventTime":"yesterday"})").born_ms);
  for (const std::string number : {"\"1e400\"", "1e-400", "12345678901234567890", "-12345678901234567890"}) {
    CAPTURE(number);
    CHECK_FALSE(header(R"({"EventType":"t","EventTime":)" + number + "}").born_ms);
  }
  CHECK(header(R"({"EventType":"t","EventTime":1.6e12})").born_ms == 1600000000000);
}

TEST_CASE("parse_push finds the id and the app under every spelling") {
  CHECK(header(R"({"EventType":"t","eventId":"e1"})").id == "e1");
  CHECK(header(R"({"EventType":"t","EventId":"e1"})").id == "e1");
  CHECK(header(R"({"EventType":"t","eventId":"","EventId":"e2"})").id == "e2");
  CHECK(header(R"({"EventType":"t","eventId":17})").id == "17");
  for (const std::string key : {"SuiteKey", "suiteKey", "suite_key"}) {
    CAPTURE(key);
    CHECK(header(R"({"EventType":"t",")" + key + R"(":"suite1"})").app_id == "suite1");
  }
}

TEST_CASE("parse_push takes the type from the newest spelling that holds one") {
  CHECK(one(R"({"EventType":"user_add_org"})").kind() == Kind::user_add_org);
  CHECK(one(R"({"eventType":"user_add_org"})").kind() == Kind::user_add_org);
  CHECK(one(R"({"eventType":"user_leave_org","EventType":"user_add_org"})").kind() == Kind::user_add_org);
  CHECK(one(R"({"EventType":"","eventType":"user_leave_org"})").kind() == Kind::user_leave_org);
  CHECK(one(R"({"EventType":null,"eventType":"user_leave_org"})").kind() == Kind::user_leave_org);
  CHECK(one(R"({"EventType":"user_add_org","action":"SIGN"})").kind() == Kind::user_add_org);
  CHECK(one(R"({"EventType":"User_Add_Org"})").kind() == Kind::unknown);
}

TEST_CASE("parse_push takes the type of an e-signature event from action") {
  const Event sign = one(R"({"action":"SIGN","taskId":"t1","bizData":{"status":"RUNNING","finishTime":123123123}})");
  CHECK(sign.kind() == Kind::SIGN);
  CHECK(sign.type() == "SIGN");
  REQUIRE(sign.get_if<Sign>() != nullptr);
  CHECK(sign.get_if<Sign>()->task_id == "t1");
  CHECK(one(R"({"action":"CORP_AUTH","taskId":"","bizData":{"status":"SUCCESS"}})").kind() == Kind::CORP_AUTH);
  CHECK(one(R"({"action":"SIGN","EventType":""})").kind() == Kind::SIGN);
  // Any other action is a field of some event, and no type.
  CHECK(code_of(R"({"action":"delete"})") == Errc::event_type_missing);
  CHECK(code_of(R"({"action":["SIGN"]})") == Errc::event_type_missing);
}

TEST_CASE("parse_push tells keys apart that differ in case alone") {
  // The documents print such pairs with different values.
  const Event event = one(
      R"({"EventType":"aiot_device_uplink_event","eventType":"property","EventTime":1,"eventTime":2,"CorpId":"ding1",)"
      R"("corpid":"ding2","BizId":"b1","bizId":"b2"})");
  CHECK(event.kind() == Kind::aiot_device_uplink_event);
  CHECK(event.header().born_ms == 1);
  CHECK(event.header().corp_id == "ding1");
  CHECK(event.json()["eventType"].as_text() == "property");
  CHECK(event.json()["bizId"].as_text() == "b2");
  const auto* const device = event.get_if<AiotDeviceUplinkEvent>();
  REQUIRE(device != nullptr);
  CHECK(device->event_type == "property");
}

TEST_CASE("parse_push refuses what is no push, and never says what stood there") {
  const std::string secret = "s3cr3t";
  const struct {
    std::string text;
    Errc code;
  } cases[] = {
      {"", Errc::json_malformed},
      {"s3cr3t", Errc::json_malformed},
      {R"({"s3cr3t":)", Errc::json_malformed},
      {R"({"EventType":"s3cr3t"} s3cr3t)", Errc::json_malformed},
      {"{\"EventType\":\"s3cr3t\xFF\"}", Errc::not_utf8},
      {"{\"EventType\":\"\xC0\xAFs3cr3t\"}", Errc::not_utf8},
      {"{\"EventType\":\"s3cr3t\xE4\xB8", Errc::not_utf8},
      {R"("s3cr3t")", Errc::envelope_malformed},
      {R"(["s3cr3t"])", Errc::envelope_malformed},
      {"null", Errc::envelope_malformed},
      {R"({"s3cr3t":"s3cr3t"})", Errc::event_type_missing},
      {R"({"EventType":{"s3cr3t":1}})", Errc::event_type_missing},
      {R"({"EventType":7,"s3cr3t":1})", Errc::event_type_missing},
      {R"({"EventType":"","s3cr3t":1})", Errc::event_type_missing},
      {R"({"EventType":"SYNC_HTTP_PUSH_HIGH","s3cr3t":1})", Errc::envelope_malformed},
      {R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":"s3cr3t"})", Errc::envelope_malformed},
      {R"({"EventType":"SYNC_HTTP_PUSH_MEDIUM","bizData":{"s3cr3t":1}})", Errc::envelope_malformed},
  };
  for (const auto& refused : cases) {
    CAPTURE(refused.text);
    const auto events = parse_push(refused.text);
    REQUIRE_FALSE(events);
    CHECK(events.error().code == refused.code);
    CHECK_FALSE(events.error().message.empty());
    CHECK(events.error().message.find(secret) == std::string_view::npos);
  }
}

TEST_CASE("Event gives a typed struct, its raw text, and its fields without types") {
  const std::string text = R"( {"EventType":"user_add_org","userId":["u1","u2"],"somethingNew":{"a":[1,2]}} )";
  const Event event = one(text);
  const UserAddOrg* const user = event.get_if<UserAddOrg>();
  REQUIRE(user != nullptr);
  CHECK(user->user_id == std::vector<std::string>{"u1", "u2"});
  CHECK(event.get_if<UserAddOrg>() == user);
  CHECK(event.why_not<UserAddOrg>() == nullptr);
  CHECK(event.raw() == text);
  CHECK(event.json()["somethingNew"]["a"].at(1).as_int64() == 2);
}

TEST_CASE("Event of another type says so") {
  const Event event = one(R"({"EventType":"user_add_org","userId":["u1"]})");
  CHECK(event.get_if<UserLeaveOrg>() == nullptr);
  const dingcb::Error* const error = event.why_not<UserLeaveOrg>();
  REQUIRE(error != nullptr);
  CHECK(error->code == Errc::kind_mismatch);
  CHECK(error->message == "the event is \"user_add_org\", not \"user_leave_org\"");
  CHECK(event.why_not<UserLeaveOrg>() == error);
  CHECK(event.get_if<Invented>() == nullptr);
  CHECK(why<Invented>(event) == "the event is \"user_add_org\", not \"invented_tomorrow\"");
}

TEST_CASE("Event says without naming a struct why the one that was asked for does not fit") {
  const Event odd = one(R"({"EventType":"user_add_org","userId":{"a":1}})");
  CHECK(odd.why_not() == nullptr);  // nobody has asked yet
  dingcb::match(
      odd, [](const UserLeaveOrg&) { FAIL("another type"); }, [](const UserAddOrg&) { FAIL("it does not fit"); },
      [](const Event& event) {
        REQUIRE(event.why_not() != nullptr);
        CHECK(event.why_not() == event.why_not<UserAddOrg>());
      });
  const Event good = one(R"({"EventType":"user_add_org","userId":["u1"]})");
  CHECK(good.get_if<UserAddOrg>() != nullptr);
  CHECK(good.why_not<UserLeaveOrg>() != nullptr);
  CHECK(good.why_not() == nullptr);
}

TEST_CASE("Event with a body that does not fit names the field and keeps everything else") {
  const Event event = one(R"({"EventType":"user_add_org","eventId":"e1","userId":["u1",{"s3cr3t":1}],"name":"n"})");
  CHECK(event.kind() == Kind::user_add_org);
  CHECK(event.type() == "user_add_org");
  CHECK(event.header().id == "e1");
  CHECK(event.get_if<UserAddOrg>() == nullptr);
  const dingcb::Error* const error = event.why_not<UserAddOrg>();
  REQUIRE(error != nullptr);
  CHECK(error->code == Errc::field_unfit);
  CHECK(error->message == "field \"userId[1]\" does not fit: expected a text, found an object");
  CHECK(event.json()["name"].as_text() == "n");
  CHECK(event.raw().find("s3cr3t") != std::string_view::npos);
  // The spelling is the sender's.
  CHECK(why<UserAddOrg>(one(R"({"EventType":"user_add_org","UserId":{}})")).find("\"UserId\"") != std::string::npos);
}

TEST_CASE("Event of an unknown type keeps its type, header, text and fields, and no error repeats them") {
  const Event event = one(R"({"EventType":"s3cr3t_tomorrow","CorpId":"ding1","eventId":"e1","x":{"y":"z"}})");
  CHECK(event.kind() == Kind::unknown);
  CHECK(event.type() == "s3cr3t_tomorrow");
  CHECK(event.header().corp_id == "ding1");
  CHECK(event.json()["x"]["y"].as_text() == "z");
  CHECK(event.raw().find("tomorrow") != std::string_view::npos);
  CHECK(event.get_if<UserAddOrg>() == nullptr);
  REQUIRE(event.why_not<UserAddOrg>() != nullptr);
  CHECK(event.why_not<UserAddOrg>()->code == Errc::kind_mismatch);
  CHECK(why<UserAddOrg>(event) == "the event is of an unknown type, not \"user_add_org\"");
}

TEST_CASE("Event of an unknown type is read as a user's own struct") {
  const Event event = one(R"({"EventType":"invented_tomorrow","x":"12","UserIds":"u1","note":null})");
  const Invented* const own = event.get_if<Invented>();
  REQUIRE(own != nullptr);
  CHECK(own->x == 12);
  CHECK_FALSE(own->note);
  CHECK(own->user_ids == std::vector<std::string>{"u1"});
  CHECK(event.why_not<Invented>() == nullptr);

  const Event odd = one(R"({"EventType":"invented_tomorrow","x":[]})");
  CHECK(odd.get_if<Invented>() == nullptr);
  CHECK(why<Invented>(odd) == "field \"x\" does not fit: expected an integer of 64 bits, found a list");
  CHECK(odd.kind() == Kind::unknown);
}

TEST_CASE("Event of a known type is read as the library's and as a user's own struct, side by side") {
  const Event event = one(R"({"EventType":"user_add_org","userId":["u1"],"nick":"Su"})");
  const auto* const own = event.get_if<MyUserAdded>();
  const auto* const known = event.get_if<UserAddOrg>();
  REQUIRE(own != nullptr);
  REQUIRE(known != nullptr);
  CHECK(own->nick == "Su");
  CHECK(own->ids == known->user_id);
  CHECK(event.get_if<MyUserAdded>() == own);
  CHECK(one(R"({"EventType":"user_leave_org"})").get_if<MyUserAdded>() == nullptr);
  // A body may fit one of them alone.
  const Event odd = one(R"({"EventType":"user_add_org","userId":["u1"],"nick":{}})");
  CHECK(odd.get_if<UserAddOrg>() != nullptr);
  CHECK(odd.get_if<MyUserAdded>() == nullptr);
  CHECK(why<MyUserAdded>(odd).find("\"nick\"") != std::string::npos);
}

TEST_CASE("Event keeps what it gave alive, whichever copy is left") {
  std::optional<Event> last;
  const UserAddOrg* user = nullptr;
  std::string_view raw;
  std::string_view nested;
  {
    auto events = parse_push(R"({"EventType":"user_add_org","userId":["u1"],"deep":{"text":"\u5df2\u6539"}})").value();
    const Event copy = events[0];
    user = copy.get_if<UserAddOrg>();
    raw = copy.raw();
    nested = copy.json()["deep"]["text"].as_text();
    last = copy;
    events.clear();
  }
  CHECK(last->get_if<UserAddOrg>() == user);
  CHECK(user->user_id[0] == "u1");
  CHECK(raw == last->raw());
  CHECK(raw.substr(0, 12) == R"({"EventType")");
  CHECK(nested == "\xE5\xB7\xB2\xE6\x94\xB9");
}

TEST_CASE("Event is a handle of two pointers that is never empty") {
  static_assert(sizeof(Event) == 2 * sizeof(void*));
  static_assert(std::is_nothrow_copy_constructible_v<Event> && std::is_nothrow_copy_assignable_v<Event>);
  static_assert(std::is_nothrow_move_constructible_v<Event> && std::is_nothrow_move_assignable_v<Event>);
  static_assert(!std::is_default_constructible_v<Event>);
  Event from = one(R"({"EventType":"user_add_org","userId":["u1"]})");
  const Event made(std::move(from));  // NOLINT(performance-move-const-arg): it is what is tested
  Event assigned = one(R"({"EventType":"user_leave_org"})");
  assigned = std::move(from);                                         // NOLINT: it is what is tested
  CHECK(from.kind() == Kind::user_add_org);                           // NOLINT
  CHECK(from.get_if<UserAddOrg>()->user_id[0] == "u1");               // NOLINT
  CHECK(assigned.get_if<UserAddOrg>() == from.get_if<UserAddOrg>());  // NOLINT
  CHECK(made.get_if<UserAddOrg>() == from.get_if<UserAddOrg>());      // NOLINT
  assigned = *&assigned;
  CHECK(assigned.type() == "user_add_org");
}

TEST_CASE("Event takes the last of members with the same name") {
  const Event event = one(
      R"({"EventType":"user_leave_org","EventType":"user_add_org","CorpId":"a","CorpId":"b","userId":["u1"],"userId":["u2"]})");
  CHECK(event.kind() == Kind::user_add_org);
  CHECK(event.header().corp_id == "b");
  CHECK(event.get_if<UserAddOrg>()->user_id == std::vector<std::string>{"u2"});
  CHECK(event.json()["userId"].at(0).as_text() == "u2");
}

TEST_CASE("parse_push takes 64 levels and refuses 65") {
  const auto nested = [](std::size_t levels) {  // the object of the push is one of them
    return R"({"EventType":"t","x":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
  };
  CHECK(one(nested(64)).json()["x"].is_array());
  CHECK(code_of(nested(65)) == Errc::json_too_deep);
  CHECK(code_of(std::string(std::size_t{1024} * 1024, '[')) == Errc::json_too_deep);
  CHECK(code_of(repeated(R"({"a":)", 200000)) == Errc::json_too_deep);
}

TEST_CASE("parse_push refuses numbers beyond a double") {
  CHECK(code_of(R"({"EventType":"tight","count":1e400})") == Errc::json_malformed);
  CHECK(code_of(R"({"EventType":"tight","count":-1e400})") == Errc::json_malformed);
}

TEST_CASE("Event with numbers that do not fit a field is an event") {
  for (const std::string number : {"1e300", "-1e300", "12345678901234567890", "1.5"}) {
    CAPTURE(number);
    const Event event = one(R"({"EventType":"tight","count":)" + number + "}");
    CHECK(event.get_if<Tight>() == nullptr);
    CHECK(why<Tight>(event) == "field \"count\" does not fit: expected an integer of 64 bits, found a number");
    CHECK(event.json()["count"].as_text() == number);
  }
  CHECK(one(R"({"EventType":"tight","count":9223372036854775807})").get_if<Tight>()->count == INT64_MAX);
}

TEST_CASE("Event takes texts of ten megabytes, wherever they stand") {
  const std::string text(std::size_t{10} * 1024 * 1024, 'x');
  const Event body = one(R"({"EventType":"user_add_org","name":")" + text + R"("})");
  REQUIRE(body.get_if<UserAddOrg>() != nullptr);
  CHECK(body.get_if<UserAddOrg>()->name == text);
  const Event type = one(R"({"EventType":")" + text + R"("})");
  CHECK(type.kind() == Kind::unknown);
  CHECK(type.type() == text);
  CHECK(why<UserAddOrg>(type).size() < 100);
  const Event corp = one(R"({"EventType":"user_add_org","CorpId":")" + text + R"("})");
  CHECK(corp.header().corp_id == text);
  const Event key = one(R"({"EventType":"user_add_org",")" + text + R"(":{}})");
  CHECK(key.json()[text].is_object());
  CHECK(key.get_if<UserAddOrg>() != nullptr);
}

TEST_CASE("Event takes an object of a million members") {
  std::string text = R"({"EventType":"user_add_org")";
  for (int i = 0; i < 1000000; ++i) text += ",\"k" + std::to_string(i) + "\":1";
  const Event event = one(text + R"(,"userId":["u1"]})");
  CHECK(event.json().size() == 1000002);
  REQUIRE(event.get_if<UserAddOrg>() != nullptr);
  CHECK(event.get_if<UserAddOrg>()->user_id[0] == "u1");
}

TEST_CASE("to_http_json writes what parse_push reads back") {
  UserAddOrg user;
  user.user_id = {"u1", "\"u\\2\"\n"};
  user.time_stamp = 1685501863357;
  user.is_admin = false;
  user.department = {1, -2};
  user.roles.resize(1);
  user.roles[0].name = "r";
  user.union_emp_ext.emplace().corp_id = "ding2";
  EventHeader header;
  header.id = "e1";
  header.corp_id = "ding1";
  header.born_ms = 1663143335567;
  const std::string text = dingcb::to_http_json(user, header);
  const Event event = one(text);
  CHECK(event.kind() == Kind::user_add_org);
  CHECK(event.header().id == "e1");
  CHECK(event.header().corp_id == "ding1");
  CHECK(event.header().born_ms == 1663143335567);
  const UserAddOrg* const read = event.get_if<UserAddOrg>();
  REQUIRE(read != nullptr);
  CHECK(read->user_id == user.user_id);
  CHECK(read->time_stamp == user.time_stamp);
  CHECK(read->is_admin == false);
  CHECK_FALSE(read->is_boss);
  CHECK(read->department == user.department);
  REQUIRE(read->roles.size() == 1);
  CHECK(read->roles[0].name == "r");
  REQUIRE(read->union_emp_ext);
  CHECK(read->union_emp_ext->corp_id == "ding2");
  CHECK(dingcb::to_http_json(*read, event.header()) == text);
}

TEST_CASE("to_http_json writes present fields only, and no header that is not there") {
  CHECK(dingcb::to_http_json(OrgChange()) == R"({"EventType":"org_change"})");
  CHECK(dingcb::to_http_json(UserAddOrg()) == R"({"EventType":"user_add_org"})");
  EventHeader header;
  header.born_ms = 0;
  header.corp_id = "ding1";
  CHECK(dingcb::to_http_json(OrgChange(), header) == R"({"EventType":"org_change","EventTime":0,"CorpId":"ding1"})");
}

TEST_CASE("to_http_json writes no member twice") {
  AiAssistantInstall install;
  install.event_id = "e1";
  EventHeader header;
  header.id = "e2";
  header.corp_id = "ding1";
  const std::string text = dingcb::to_http_json(install, header);
  CHECK(text == R"({"EventType":"ai_assistant_install","CorpId":"ding1","eventId":"e1"})");
  CHECK(one(text).header().id == "e1");
  CHECK(dingcb::to_http_json(AiAssistantInstall(), header) ==
        R"({"EventType":"ai_assistant_install","CorpId":"ding1","eventId":"e2"})");
}

TEST_CASE("to_stream_json writes what parse_stream reads back") {
  TodoTaskCreate task;
  task.task_id = "t1";
  task.union_id_list = {"a", "b"};
  EventHeader header;
  header.id = "e1";
  header.corp_id = "ding1";
  header.app_id = "app1";
  header.born_ms = -5;
  const std::string text = dingcb::to_stream_json(task, header);
  const Event event = frame(text);
  CHECK(event.kind() == Kind::todo_task_create);
  CHECK(event.header().source == Source::stream);
  CHECK(event.header().id == "e1");
  CHECK(event.header().corp_id == "ding1");
  CHECK(event.header().app_id == "app1");
  CHECK(event.header().born_ms == -5);
  REQUIRE(event.get_if<TodoTaskCreate>() != nullptr);
  CHECK(event.get_if<TodoTaskCreate>()->task_id == "t1");
  CHECK(event.get_if<TodoTaskCreate>()->union_id_list == task.union_id_list);
  CHECK(dingcb::to_stream_json(*event.get_if<TodoTaskCreate>(), event.header()) == text);
  CHECK(dingcb::to_stream_json(OrgChange()) == R"({"eventType":"org_change","data":{}})");
}

TEST_CASE("Writing keeps texts of enumerations that this release does not know, and raw JSON") {
  BpmsInstanceChange instance;
  instance.type = dingcb::OpenEnum<BpmsInstanceChange::Type>("invented");
  instance.process_instance_id = "p1";
  const Event event = one(dingcb::to_http_json(instance));
  REQUIRE(event.get_if<BpmsInstanceChange>() != nullptr);
  CHECK(event.get_if<BpmsInstanceChange>()->type.text() == "invented");
  CHECK_FALSE(event.get_if<BpmsInstanceChange>()->type.known());

  DocExportCompleted exported;
  exported.body.text = R"({"deep":[1, 2,{"x":"\u00e9"}]})";
  const Event kept = one(dingcb::to_http_json(exported));
  REQUIRE(kept.get_if<DocExportCompleted>() != nullptr);
  CHECK(kept.get_if<DocExportCompleted>()->body == exported.body);
}

TEST_CASE("Writing takes a user's own struct with fields of every type") {
  Everything all;
  all.text = "\xE5\xB7\xB2";
  all.number = INT64_MIN;
  all.flag = true;
  all.ratio = 0.1;
  all.colour = Colour::green;
  all.raw.text = "[1,2]";
  all.part = Part{"p", 2.5};
  all.parts = {{"a", std::nullopt}, {"b", 1e300}};
  all.numbers = {1, 2, INT64_MAX};
  for (const Event& event : {one(dingcb::to_http_json(all)), frame(dingcb::to_stream_json(all))}) {
    CHECK(event.type() == "everything");
    const Everything* const read = event.get_if<Everything>();
    REQUIRE(read != nullptr);
    CHECK(read->text == all.text);
    CHECK(read->number == INT64_MIN);
    CHECK(read->flag == true);
    CHECK(read->ratio == 0.1);
    CHECK(read->colour == Colour::green);
    CHECK(read->raw == all.raw);
    REQUIRE(read->part);
    CHECK(read->part->weight == 2.5);
    REQUIRE(read->parts.size() == 2);
    CHECK_FALSE(read->parts[0].weight);
    CHECK(read->parts[1].weight == 1e300);
    CHECK(read->numbers == all.numbers);
  }
}
