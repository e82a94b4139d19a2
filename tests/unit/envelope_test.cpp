#include <dingcb/event.hpp>

#include "support/catch.hpp"

#include <dingcb/events/app_lifecycle.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/attendance.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/events/finance.hpp>
#include <dingcb/events/hrm.hpp>
#include <dingcb/events/market.hpp>
#include <dingcb/events/project.hpp>
#include <dingcb/events/recruitment.hpp>
#include <dingcb/events/todo.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace dingcb::events;
using dingcb::Errc;
using dingcb::Event;
using dingcb::EventHeader;
using dingcb::FailedList;
using dingcb::Kind;
using dingcb::parse_failed_list;
using dingcb::parse_push;
using dingcb::parse_row;
using dingcb::parse_stream;
using dingcb::PushRow;
using dingcb::Source;

using Texts = std::vector<std::string>;

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  return json + '"';
}

std::vector<Event> push(std::string plaintext) {
  auto events = parse_push(std::move(plaintext));
  INFO((events ? std::string() : events.error().message.str()));
  REQUIRE(events);
  return *std::move(events);
}

std::vector<Event> rows(const std::string& list) {
  return push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":)" + list + "}");
}

PushRow row(std::int64_t biz_type, std::string biz_data, std::string biz_id = "") {
  PushRow row;
  row.id = 7;
  row.gmt_create_ms = 1608639648000;
  row.gmt_modified_ms = 1608639648001;
  row.subscribe_id = "14999_0";
  row.corp_id = "ding1";
  row.biz_id = std::move(biz_id);
  row.biz_type = biz_type;
  row.biz_data = std::move(biz_data);
  row.open_cursor = 3;
  return row;
}

Event rds(const PushRow& row) { return parse_row(row).value(); }
Event rds(std::int64_t biz_type, std::string biz_data, std::string biz_id = "") {
  return rds(row(biz_type, std::move(biz_data), std::move(biz_id)));
}

// The same row as an element of `bizData`.
std::string json_of(const PushRow& row, bool as_text = true) {
  return R"({"gmt_create":)" + std::to_string(row.gmt_create_ms) + R"(,"gmt_modified":)" +
         std::to_string(row.gmt_modified_ms) + R"(,"biz_type":)" + std::to_string(row.biz_type) + R"(,"open_cursor":)" +
         std::to_string(row.open_cursor) + R"(,"subscribe_id":)" + quoted(row.subscribe_id) + R"(,"id":)" +
         std::to_string(row.id) + R"(,"biz_id":)" + quoted(row.biz_id) + R"(,"corp_id":)" + quoted(row.corp_id) +
         R"(,"status":)" + std::to_string(row.status) + R"(,"biz_data":)" +
         (as_text ? quoted(row.biz_data) : row.biz_data) + "}";
}

Event sync(const PushRow& row, bool as_text = true) { return rows('[' + json_of(row, as_text) + ']').at(0); }

Event stream(std::string frame) {
  auto event = parse_stream(std::move(frame));
  INFO((event ? std::string() : event.error().message.str()));
  REQUIRE(event);
  return *event;
}

FailedList failed(const std::string& entries) {
  auto list = parse_failed_list(R"({"errcode":0,"errmsg":"ok","has_more":false,"failed_list":[)" + entries + "]}");
  INFO((list ? std::string() : list.error().message.str()));
  REQUIRE(list);
  return *std::move(list);
}

template <class E>
const E& as(const Event& event) {
  const dingcb::Error* const why = event.why_not<E>();
  INFO((why == nullptr ? std::string() : why->message.str()));
  REQUIRE(event.get_if<E>() != nullptr);
  return *event.get_if<E>();
}

struct MyUserLeft {
  std::string who;
};

}  // namespace

template <>
struct dingcb::EventTraits<MyUserLeft> {
  static constexpr std::string_view type = "user_leave_org";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("userid", self.who);
  }
};

TEST_CASE("SyncHTTP gives an event for each row, in their order, whatever their priority") {
  for (const std::string type : {"SYNC_HTTP_PUSH_HIGH", "SYNC_HTTP_PUSH_MEDIUM"}) {
    const auto events = push(R"({"EventType":")" + type + R"(","bizData":[)" +
                             json_of(row(2, R"({"syncAction":"suite_ticket","suiteTicket":"Q"})")) + ',' +
                             json_of(row(13, R"({"syncAction":"user_leave_org"})", "u1")) + "]}");
    REQUIRE(events.size() == 2);
    CHECK(as<SuiteTicket>(events[0]).suite_ticket == "Q");
    CHECK(as<UserLeaveOrg>(events[1]).user_id == Texts{"u1"});
  }
}

TEST_CASE("SyncHTTP gives the header of a row") {
  const PushRow sent = row(13, R"({"syncAction":"user_leave_org","eventId":"e1"})", "u1");
  const Event event = sync(sent);
  const EventHeader& header = event.header();
  CHECK(header.source == Source::sync_http);
  CHECK(header.id == "e1");
  CHECK(header.type == "user_leave_org");
  CHECK(header.corp_id == "ding1");
  CHECK(header.app_id.empty());
  CHECK(header.born_ms == 1608639648001);
  CHECK(header.gmt_modified_ms == 1608639648001);
  CHECK(header.subscribe_id == "14999_0");
  CHECK(header.biz_id == "u1");
  CHECK(header.biz_type == 13);
  CHECK(header.open_cursor == 3);
  CHECK(header.dedup_key == "14999_0/e1/1608639648001/3");
  CHECK(header.ordering_key == "ding1/13/u1");
  CHECK(event.raw() == json_of(sent));
  CHECK(event.json()["eventId"].as_text() == "e1");
}

TEST_CASE("SyncHTTP takes biz_data and bizData as a text and as a value") {
  const PushRow sent = row(2, R"({"syncAction":"suite_ticket","suiteTicket":"\"Q\"\\"})");
  const std::string list = '[' + json_of(sent) + ',' + json_of(sent, false) + ']';
  for (const std::string& biz_data : {list, quoted(list)}) {
    const auto events = rows(biz_data);
    REQUIRE(events.size() == 2);
    for (const Event& event : events) CHECK(as<SuiteTicket>(event).suite_ticket == "\"Q\"\\");
    CHECK(events[0].raw() == json_of(sent));
    CHECK(events[1].raw() == json_of(sent, false));
  }
}

TEST_CASE("SyncHTTP without any row gives no event, and without a list is an error") {
  CHECK(rows("[]").empty());
  CHECK(rows("\"[]\"").empty());
  for (const std::string biz_data : {"null", "{}", "1", "\"\"", "\"{}\"", "\"[\""}) {
    CAPTURE(biz_data);
    const auto events = parse_push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":)" + biz_data + "}");
    REQUIRE_FALSE(events);
    CHECK(events.error().code == Errc::envelope_malformed);
  }
}

TEST_CASE("SyncHTTP keeps the siblings of a broken row, and the broken row") {
  const std::string good = json_of(row(13, R"({"syncAction":"user_leave_org"})", "u1"));
  const std::string broken = json_of(row(13, R"({"syncAction":"user_leave)", "u2"));
  const auto events = rows('[' + good + ",7,null,\"text\",[],true,{}," + broken + ',' + good + ']');
  REQUIRE(events.size() == 9);
  for (std::size_t i = 1; i < 8; ++i) {
    CAPTURE(i);
    CHECK(events[i].kind() == Kind::unknown);
    CHECK(events[i].type().empty());
    CHECK(events[i].header().source == Source::sync_http);
    CHECK(events[i].get_if<UserLeaveOrg>() == nullptr);
    REQUIRE(events[i].why_not<UserLeaveOrg>() != nullptr);
    CHECK(events[i].why_not<UserLeaveOrg>()->code == Errc::kind_mismatch);
  }
  CHECK(events[1].raw() == "7");
  CHECK(events[2].raw() == "null");
  CHECK(events[4].raw() == "[]");
  CHECK(events[5].raw() == "true");
  CHECK(events[6].raw() == "{}");
  CHECK(events[7].raw() == broken);
  CHECK(events[7].header().biz_id == "u2");
  CHECK(events[7].header().biz_type == 13);
  CHECK(events[7].json().as_text() == R"({"syncAction":"user_leave)");
  for (std::size_t i = 0; i < events.size(); ++i) {
    CAPTURE(i);
    const dingcb::Error* const why = events[i].why_not();
    if (i == 0 || i == 8) {
      CHECK(why == nullptr);
    } else {
      REQUIRE(why != nullptr);
      CHECK(why->code == Errc::envelope_malformed);
    }
  }
  CHECK(rds(13, R"({"syncAction":"user_leave)").json().as_text() == R"({"syncAction":"user_leave)");
  CHECK(rds(13, R"({"syncAction":"user_leave)").why_not()->code == Errc::envelope_malformed);
  CHECK(as<UserLeaveOrg>(events[0]).user_id == Texts{"u1"});
  CHECK(as<UserLeaveOrg>(events[8]).user_id == Texts{"u1"});
  std::set<std::string> keys;
  for (const Event& event : events) keys.insert(event.header().dedup_key);
  CHECK(keys.size() == 8);  // the good row stood there twice
}

TEST_CASE("SyncHTTP takes columns of other types for what they say, or leaves them out") {
  const Event event = rows(R"([{"biz_type":"13","gmt_modified":"5","open_cursor":null,"corp_id":12,"subscribe_id":{},)"
                           R"("biz_id":77,"biz_data":{"syncAction":"user_leave_org"}}])")
                          .at(0);
  CHECK(event.header().biz_type == 13);
  CHECK(event.header().gmt_modified_ms == 5);
  CHECK_FALSE(event.header().open_cursor);
  CHECK(event.header().corp_id == "12");
  CHECK(event.header().subscribe_id.empty());
  CHECK(event.header().biz_id == "77");
  CHECK(as<UserLeaveOrg>(event).user_id == Texts{"77"});
}

TEST_CASE("An event of a SyncHTTP push outlives its siblings") {
  std::optional<Event> kept;
  {
    const auto events = rows('[' + json_of(row(2, R"({"syncAction":"suite_ticket","suiteTicket":"A"})")) + ',' +
                             json_of(row(2, R"({"syncAction":"suite_ticket","suiteTicket":"B"})")) + ']');
    kept = events[1];
  }
  CHECK(as<SuiteTicket>(*kept).suite_ticket == "B");
  CHECK(kept->raw().find("\\\"B\\\"") != std::string_view::npos);
  CHECK(kept->json()["suiteTicket"].as_text() == "B");
}

TEST_CASE("parse_row gives the header of a row") {
  const PushRow read = row(13, R"( {"syncAction":"user_leave_org","eventId":"e1"} )", "u1");
  const Event event = rds(read);
  const EventHeader& header = event.header();
  CHECK(header.source == Source::rds);
  CHECK(header.id == "e1");
  CHECK(header.type == "user_leave_org");
  CHECK(header.corp_id == "ding1");
  CHECK(header.born_ms == 1608639648001);
  CHECK(header.gmt_modified_ms == 1608639648001);
  CHECK(header.subscribe_id == "14999_0");
  CHECK(header.biz_id == "u1");
  CHECK(header.biz_type == 13);
  CHECK(header.open_cursor == 3);
  CHECK(header.dedup_key == "14999_0/e1/1608639648001/3");
  CHECK(header.ordering_key == "ding1/13/u1");
  CHECK(event.raw() == read.biz_data);
}

TEST_CASE("parse_row gives a broken row as an event of unknown type") {
  for (const std::string biz_data :
       {"", "{", "null", "7", "\"text\"", "[{}]", "\xFF", R"({"syncAction":"user_leave_org")"}) {
    CAPTURE(biz_data);
    for (const std::int64_t biz_type : {2, 13, 9999}) {
      const auto event = parse_row(row(biz_type, biz_data, "u1"));
      REQUIRE(event);
      CHECK(event->kind() == Kind::unknown);
      CHECK(event->type().empty());
      CHECK(event->raw() == biz_data);
      CHECK(event->header().biz_id == "u1");
      CHECK(event->get_if<SuiteTicket>() == nullptr);
      CHECK(event->header().dedup_key.size() > 64);
    }
  }
}

TEST_CASE("Rows without an organisation take it from their body") {
  for (const std::string key : {"corpId", "corp_id", "corpid"}) {
    PushRow read = row(2, R"({"syncAction":"suite_ticket",")" + key + R"(":"ding2"})");
    CHECK(rds(read).header().corp_id == "ding1");
    read.corp_id.clear();
    CHECK(rds(read).header().corp_id == "ding2");
    CHECK(sync(read).header().corp_id == "ding2");
  }
}

TEST_CASE("Rows are told by syncAction, and where it is missing or odd by what else there is") {
  const struct {
    std::int64_t biz_type;
    const char* biz_data;
    Kind kind;
    const char* type;
  } cases[] = {
      {13, R"({"syncAction":"user_add_org"})", Kind::user_add_org, "user_add_org"},
      // Teambition nests it.
      {258, R"({"data":{"syncAction":"project_task_changed","taskId":"t1"}})", Kind::project_task_changed,
       "project_task_changed"},
      // One Teambition app row prints the member event.
      {256, R"({"data":{"syncAction":"project_project_member_changed"}})", Kind::project_project_member_changed,
       "project_project_member_changed"},
      {63, R"({"EventType":"goods_tryout","goodsCode":"g"})", Kind::goods_tryout, "goods_tryout"},
      {66, R"({"eventType":"workbench_component_event","suiteId":"1"})", Kind::workbench_component_event,
       "workbench_component_event"},
      {17, R"({"orderId":"o1"})", Kind::market_order, "market_order"},
      {504, R"({"syncAction":"CANDIDATE_COLLECTED"})", Kind::hire_agent_sourcing_task_change,
       "hire_agent_sourcing_task_change"},
      // A field of the body that is spelt like a place of the type.
      {37, R"({"syncAction":"market_service_open","eventType":"subscription_close"})", Kind::market_service_open,
       "market_service_open"},
      {177, R"({"syncAction":"chat_add_member","eventType":"user_add_org"})", Kind::chat_add_member, "chat_add_member"},
      {107, R"({"eventType":"odd"})", Kind::todo_task_create, "todo_task_create"},
      // One biz_type, two events.
      {309, R"({"syncAction":"hrm_user_record_change"})", Kind::hrm_user_record_change, "hrm_user_record_change"},
      {309, R"({"syncAction":"smart_finance_multi_company_info_change"})",
       Kind::smart_finance_multi_company_info_change, "smart_finance_multi_company_info_change"},
      {309, R"({"staffId":"s1"})", Kind::unknown, ""},
      {309, R"({"syncAction":"neither"})", Kind::unknown, "neither"},
      // A biz_type that this release does not know, or that does not belong to the event.
      {9999, R"({"syncAction":"user_add_org"})", Kind::user_add_org, "user_add_org"},
      {9999, R"({"syncAction":"invented_tomorrow"})", Kind::unknown, "invented_tomorrow"},
      {9999, R"({"EventType":"invented_tomorrow"})", Kind::unknown, "invented_tomorrow"},
      {9999, R"({"orderId":"o1"})", Kind::unknown, ""},
      {17, R"({"syncAction":"todo_task_create"})", Kind::todo_task_create, "todo_task_create"},
      {13, R"({"syncAction":"org_dept_remove"})", Kind::org_dept_remove, "org_dept_remove"},
      {13, R"({"syncAction":""})", Kind::unknown, ""},
      {13, R"({"syncAction":{"user_add_org":1}})", Kind::unknown, ""},
      {-1, R"({"orderId":"o1"})", Kind::unknown, ""},
      {INT64_MAX, R"({"orderId":"o1"})", Kind::unknown, ""},
  };
  for (const auto& wanted : cases) {
    CAPTURE(wanted.biz_type, wanted.biz_data);
    for (const Event& event : {rds(wanted.biz_type, wanted.biz_data), sync(row(wanted.biz_type, wanted.biz_data)),
                               sync(row(wanted.biz_type, wanted.biz_data), false)}) {
      CHECK(event.kind() == wanted.kind);
      CHECK(event.type() == wanted.type);
    }
  }
  CHECK(as<ProjectTaskChanged>(rds(258, R"({"data":{"syncAction":"project_task_changed","taskId":"t1"}})")).data);
  CHECK(as<MarketOrder>(rds(17, R"({"orderId":"o1"})")).order_id == "o1");
  CHECK(as<GoodsTryout>(rds(63, R"({"EventType":"goods_tryout","goodsCode":"g"})")).goods_code == "g");
}

TEST_CASE("Rows that only tell of an object take its id from biz_id") {
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org"})", "u1")).user_id == Texts{"u1"});
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org"})", "12345")).user_id == Texts{"12345"});
  CHECK(as<OrgDeptRemove>(rds(14, R"({"syncAction":"org_dept_remove"})", "42")).dept_id ==
        std::vector<std::int64_t>{42});
  CHECK(as<OrgRoleRemove>(rds(15, R"({"syncAction":"org_role_remove"})", "43")).role_id == "43");
  CHECK(as<ContactLeaveOrg>(rds(20, R"({"syncAction":"contact_leave_org"})", "c1")).user_id == "c1");
  // Absent in other ways.
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org","userId":[]})", "u1")).user_id == Texts{"u1"});
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org","userId":null})", "u1")).user_id == Texts{"u1"});
  CHECK(as<ContactLeaveOrg>(rds(20, R"({"syncAction":"contact_leave_org","userId":""})", "c1")).user_id == "c1");
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org"})", "\"u\\1\n")).user_id == Texts{"\"u\\1\n"});
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org"})")).user_id.empty());
  // A user's own struct, under the spelling it has.
  CHECK(as<MyUserLeft>(rds(13, R"({"syncAction":"user_leave_org"})", "u1")).who == "u1");
}

TEST_CASE("biz_id replaces no id that the body has") {
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org","userId":"u1"})", "1663")).user_id == Texts{"u1"});
  CHECK(as<UserLeaveOrg>(rds(13, R"({"syncAction":"user_leave_org","userid":["u1"]})", "1663")).user_id == Texts{"u1"});
  CHECK(as<OrgDeptRemove>(rds(14, R"({"syncAction":"org_dept_remove","deptId":[1,2]})", "42")).dept_id.size() == 2);
  CHECK(as<OrgRoleRemove>(rds(15, R"({"syncAction":"org_role_remove","role_id":"1234"})", "43")).role_id == "1234");
  CHECK(as<ContactLeaveOrg>(rds(20, R"({"syncAction":"contact_leave_org","userId":"c1"})", "1663")).user_id == "c1");
}

TEST_CASE("biz_id is no id where the row's biz_type gives it another meaning") {
  CHECK(as<UserLeaveOrg>(rds(9999, R"({"syncAction":"user_leave_org"})", "only for idempotency")).user_id.empty());
  CHECK(as<UserLeaveOrg>(rds(14, R"({"syncAction":"user_leave_org"})", "42")).user_id.empty());
}

TEST_CASE("A biz_id that is no id of its kind takes nothing from the body") {
  // The documents print such rows.
  const Event event = rds(14, R"({"syncAction":"org_dept_modify","name":"n"})", "1663**35567");
  CHECK(as<OrgDeptModify>(event).dept_id.empty());
  CHECK(as<OrgDeptModify>(event).name == "n");
  const Event stopped = rds(7, R"({"agentId":12345677,"syncAction":"org_micro_app_stop"})", "1663**35567");
  CHECK(as<OrgMicroAppStop>(stopped).agent_id == 12345677);
}

TEST_CASE("The ids of contact events are always filled, and the snapshot is optional") {
  const auto users = [](const Event& event) {
    switch (event.kind()) {
      case Kind::user_active_org: return as<UserActiveOrg>(event).user_id;
      case Kind::user_add_org: return as<UserAddOrg>(event).user_id;
      case Kind::user_dept_change: return as<UserDeptChange>(event).user_id;
      case Kind::user_leave_org: return as<UserLeaveOrg>(event).user_id;
      case Kind::user_modify_org: return as<UserModifyOrg>(event).user_id;
      case Kind::user_role_change: return as<UserRoleChange>(event).user_id;
      case Kind::contact_add_org: return Texts{as<ContactAddOrg>(event).user_id};
      case Kind::contact_leave_org: return Texts{as<ContactLeaveOrg>(event).user_id};
      case Kind::contact_modify_org: return Texts{as<ContactModifyOrg>(event).user_id};
      default: return Texts();
    }
  };
  for (const std::string type : {"user_active_org", "user_add_org", "user_dept_change", "user_leave_org",
                                 "user_modify_org", "user_role_change"}) {
    CAPTURE(type);
    // An id list in a push; the snapshot of a row, under its own key; the column.
    CHECK(users(push(R"({"EventType":")" + type + R"(","userId":["u1","u2"]})").at(0)) == Texts{"u1", "u2"});
    CHECK(users(rds(13, R"({"syncAction":")" + type + R"(","userid":"u1","name":"n"})", "u1")) == Texts{"u1"});
    CHECK(users(rds(13, R"({"syncAction":")" + type + R"("})", "u1")) == Texts{"u1"});
    CHECK(users(stream(R"({"eventType":")" + type + R"(","data":{"userId":["u1"]}})")) == Texts{"u1"});
  }
  for (const std::string type : {"contact_add_org", "contact_leave_org", "contact_modify_org"}) {
    CAPTURE(type);
    CHECK(users(rds(20, R"({"syncAction":")" + type + R"(","userId":"u1"})", "1663")) == Texts{"u1"});
    CHECK(users(rds(20, R"({"syncAction":")" + type + R"("})", "u1")) == Texts{"u1"});
  }
  const auto depts = [](const Event& event) {
    return event.kind() == Kind::org_dept_create   ? as<OrgDeptCreate>(event).dept_id
           : event.kind() == Kind::org_dept_modify ? as<OrgDeptModify>(event).dept_id
                                                   : as<OrgDeptRemove>(event).dept_id;
  };
  for (const std::string type : {"org_dept_create", "org_dept_modify", "org_dept_remove"}) {
    CAPTURE(type);
    CHECK(depts(push(R"({"EventType":")" + type + R"(","deptId":[1,2]})").at(0)) == std::vector<std::int64_t>{1, 2});
    CHECK(depts(rds(14, R"({"syncAction":")" + type + R"("})", "42")) == std::vector<std::int64_t>{42});
  }
  CHECK(depts(rds(14, R"({"syncAction":"org_dept_modify","id":42,"name":"n"})")) == std::vector<std::int64_t>{42});
  CHECK(depts(rds(14, R"({"syncAction":"org_dept_create","id":42,"name":"n"})", "7")) == std::vector<std::int64_t>{42});
  CHECK(as<OrgRoleAdd>(rds(15, R"({"syncAction":"org_role_add","role_name":"r"})", "43")).role_id == "43");
  CHECK(as<OrgRoleModify>(rds(15, R"({"syncAction":"org_role_modify"})", "43")).role_id == "43");
  CHECK(as<OrgUpdate>(rds(16, R"({"syncAction":"org_update"})", "ding2")).corp_id == "ding2");
}

TEST_CASE("parse_stream reads the event object of the documents") {
  const std::string text =
      R"({"eventUnifiedAppId":"app1","eventCorpId":"ding1","eventType":"suite_ticket","eventId":"e1",)"
      R"("eventBornTime":1683533823336,"data":{"suiteTicket":"Q"}})";
  const Event event = stream(text);
  CHECK(event.kind() == Kind::suite_ticket);
  CHECK(event.header().source == Source::stream);
  CHECK(event.header().id == "e1");
  CHECK(event.header().corp_id == "ding1");
  CHECK(event.header().app_id == "app1");
  CHECK(event.header().born_ms == 1683533823336);
  CHECK(event.header().dedup_key == "e1");
  CHECK(event.raw() == text);
  CHECK(event.json()["suiteTicket"].as_text() == "Q");
  CHECK(as<SuiteTicket>(event).suite_ticket == "Q");
}

TEST_CASE("parse_stream reads the SDK's frame, whose data is a text") {
  const Event event =
      stream(R"({"specVersion":"1.0","type":"EVENT","headers":{"eventUnifiedAppId":"app1","eventCorpId":"ding1",)"
             R"("eventType":"suite_ticket","eventId":"e1","eventBornTime":"1683533823336","topic":"*"},)"
             R"("data":"{\"suiteTicket\":\"Q\"}"})");
  CHECK(event.header().id == "e1");
  CHECK(event.header().corp_id == "ding1");
  CHECK(event.header().app_id == "app1");
  CHECK(event.header().born_ms == 1683533823336);
  CHECK(as<SuiteTicket>(event).suite_ticket == "Q");
  CHECK(event.json()["suiteTicket"].as_text() == "Q");
}

TEST_CASE("parse_stream gives an event whose data does not fit, and says why") {
  for (const std::string data : {R"("{broken")", "[]", "7", R"("text")"}) {
    CAPTURE(data);
    const Event event = stream(R"({"eventType":"suite_ticket","eventId":"e1","data":)" + data + "}");
    CHECK(event.kind() == Kind::suite_ticket);
    CHECK(event.header().id == "e1");
    CHECK(event.get_if<SuiteTicket>() == nullptr);
    REQUIRE(event.why_not<SuiteTicket>() != nullptr);
    CHECK(event.why_not<SuiteTicket>()->code == Errc::field_unfit);
    CHECK(event.why_not<SuiteTicket>()->message.find("expected an object") != std::string_view::npos);
    CHECK(event.json().exists());
  }
  const Event bare = stream(R"({"eventType":"suite_ticket"})");
  REQUIRE(bare.why_not<SuiteTicket>() != nullptr);
  CHECK(bare.why_not<SuiteTicket>()->message == "the event does not fit: expected an object, found nothing");
  // Nothing to say is no misfit.
  for (const std::string data : {"{}", "null", "\"\"", "\"{}\""}) {
    CAPTURE(data);
    CHECK(stream(R"({"eventType":"suite_ticket","data":)" + data + "}").get_if<SuiteTicket>() != nullptr);
  }
}

TEST_CASE("parse_stream refuses frames that are no events, and never says what stood there") {
  const struct {
    const char* text;
    Errc code;
  } cases[] = {
      {"s3cr3t", Errc::json_malformed},
      {R"(["s3cr3t"])", Errc::envelope_malformed},
      {R"({"s3cr3t":1})", Errc::event_type_missing},
      {R"({"eventType":""})", Errc::event_type_missing},
      {R"({"eventType":["s3cr3t"]})", Errc::event_type_missing},
      {R"({"type":"SYSTEM","headers":{"topic":"ping"},"data":"s3cr3t"})", Errc::event_type_missing},
      {"{\"eventType\":\"s3cr3t\xFF\"}", Errc::not_utf8},
  };
  for (const auto& refused : cases) {
    CAPTURE(refused.text);
    const auto event = parse_stream(refused.text);
    REQUIRE_FALSE(event);
    CHECK(event.error().code == refused.code);
    CHECK(event.error().message.find("s3cr3t") == std::string_view::npos);
  }
}

TEST_CASE("parse_failed_list reads the places where the data may stand") {
  const FailedList list = failed(
      R"({"call_back_tag":"user_add_org","event_time":1606126433000,"user_add_org":{"userid":["u1"],"corpid":"ding1"}},)"
      R"({"call_back_tag":"bpms_instance_change","event_time":"5",)"
      R"("bpms_instance_change":{"bpmsCallBackData":{"processInstanceId":"p1"},"corpid":"ding2"}},)"
      R"({"call_back_tag":"label_conf_add","label_conf_add":{"roleLabelChange":{"labelIdList":[7]},"corpid":"ding3"}},)"
      R"({"call_back_tag":"org_dept_remove","org_dept_remove":{"callbackData":"{\"deptId\":[4]}","corpid":"ding4"}})");
  REQUIRE(list.events.size() == 4);
  CHECK_FALSE(list.has_more);
  CHECK(as<UserAddOrg>(list.events[0]).user_id == Texts{"u1"});
  CHECK(as<BpmsInstanceChange>(list.events[1]).process_instance_id == "p1");
  CHECK(as<LabelConfAdd>(list.events[2]).label_id_list == std::vector<std::int64_t>{7});
  CHECK(as<OrgDeptRemove>(list.events[3]).dept_id == std::vector<std::int64_t>{4});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(list.events[i].header().source == Source::failed_list);
    CHECK(list.events[i].header().corp_id == "ding" + std::to_string(i + 1));
  }
  CHECK(list.events[0].header().born_ms == 1606126433000);
  CHECK(list.events[1].header().born_ms == 5);
  CHECK_FALSE(list.events[2].header().born_ms);
  CHECK(list.events[0].raw().substr(0, 17) == R"({"call_back_tag":)");
  CHECK(list.events[3].json()["deptId"].at(0).as_int64() == 4);
}

TEST_CASE("parse_failed_list keeps the siblings of a broken entry") {
  const FailedList list = failed(R"(7,null,"text",{},{"call_back_tag":7},{"event_time":1},)"
                                 R"({"call_back_tag":"user_leave_org","user_leave_org":{"userid":["u1"]}})");
  REQUIRE(list.events.size() == 7);
  for (std::size_t i = 0; i < 6; ++i) CHECK(list.events[i].kind() == Kind::unknown);
  CHECK(as<UserLeaveOrg>(list.events[6]).user_id == Texts{"u1"});

  const FailedList odd = failed(R"({"call_back_tag":"user_leave_org","user_leave_org":{"callbackData":"{broken"}},)"
                                R"({"call_back_tag":"user_leave_org","user_leave_org":[1]})");
  for (const Event& event : odd.events) {
    CHECK(event.kind() == Kind::user_leave_org);
    CHECK(event.get_if<UserLeaveOrg>() == nullptr);
    REQUIRE(event.why_not<UserLeaveOrg>() != nullptr);
    CHECK(event.why_not<UserLeaveOrg>()->code == Errc::field_unfit);
  }
}

TEST_CASE("parse_failed_list says whether more entries wait, and refuses what is no answer") {
  CHECK(parse_failed_list(R"({"errcode":0,"has_more":true,"failed_list":[]})").value().has_more);
  CHECK(parse_failed_list(R"({"errcode":"0","has_more":"true","failed_list":[]})").value().has_more);
  CHECK(parse_failed_list(R"({"failed_list":[]})").value().events.empty());
  const auto refused = parse_failed_list(R"({"errcode":40014,"errmsg":"s3cr3t"})");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::envelope_malformed);
  CHECK(refused.error().message.find("40014") != std::string_view::npos);
  CHECK(refused.error().message.find("s3cr3t") == std::string_view::npos);
  for (const std::string text :
       {"{}", "[]", R"({"errcode":0,"failed_list":{}})", R"({"errcode":0,"failed_list":"[]"})"}) {
    CAPTURE(text);
    REQUIRE_FALSE(parse_failed_list(text));
    CHECK(parse_failed_list(text).error().code == Errc::envelope_malformed);
  }
  CHECK(parse_failed_list("").error().code == Errc::json_malformed);
}

TEST_CASE("dedup_key is the id where there is one") {
  CHECK(push(R"({"EventType":"t","eventId":"e1","x":1})").at(0).header().dedup_key ==
        push(R"({"EventType":"t","eventId":"e1","x":2})").at(0).header().dedup_key);
  CHECK(stream(R"({"eventType":"t","eventId":"e1"})").header().dedup_key == "e1");
}

TEST_CASE("dedup_key of a push without an id is that of its text") {
  const std::string text = R"({"EventType":"user_add_org","CorpId":"ding1","TimeStamp":1,"UserId":["u1"]})";
  const std::string key = push(text).at(0).header().dedup_key;
  CHECK(key.size() == 64);
  CHECK(push(text).at(0).header().dedup_key == key);
  CHECK(
      push(R"({"EventType":"user_add_org","CorpId":"ding1","TimeStamp":2,"UserId":["u1"]})").at(0).header().dedup_key !=
      key);
  CHECK(
      push(R"({"EventType":"user_add_org","CorpId":"ding2","TimeStamp":1,"UserId":["u1"]})").at(0).header().dedup_key !=
      key);
}

TEST_CASE("dedup_key of a row is the same however the row came, and however often") {
  for (const std::string body :
       {R"({"syncAction":"user_leave_org"})", R"({"syncAction":"user_leave_org","eventId":"e1"})"}) {
    const PushRow sent = row(13, body, "u1");
    const std::string key = rds(sent).header().dedup_key;
    CHECK(rds(sent).header().dedup_key == key);
    CHECK(sync(sent).header().dedup_key == key);
    CHECK(sync(sent, false).header().dedup_key == key);
    // What the receiver changes, and what says nothing about the event, does not count.
    PushRow handled = sent;
    handled.status = 2;
    CHECK(rds(handled).header().dedup_key == key);
    CHECK(sync(handled).header().dedup_key == key);
  }
  const PushRow broken = row(13, "{\"syncAction", "u1");
  CHECK(sync(broken).header().dedup_key == rds(broken).header().dedup_key);
}

TEST_CASE("dedup_key of a row that DingTalk replaced is another one") {
  for (const std::string body :
       {R"({"syncAction":"user_leave_org"})", R"({"syncAction":"user_leave_org","eventId":"e1"})"}) {
    const PushRow sent = row(13, body, "u1");
    PushRow later = sent;
    later.gmt_modified_ms += 1;
    PushRow further = sent;
    further.open_cursor += 1;
    const std::set<std::string> keys = {rds(sent).header().dedup_key, rds(later).header().dedup_key,
                                        rds(further).header().dedup_key};
    CHECK(keys.size() == 3);
    const std::set<std::string> orders = {rds(sent).header().ordering_key, rds(later).header().ordering_key,
                                          rds(further).header().ordering_key};
    CHECK(orders.size() == 1);
  }
}

TEST_CASE("Keys of rows do not collide when characters move from one column to the next") {
  const auto with = [](const char* subscribe_id, const char* corp_id, std::int64_t biz_type, const char* biz_id,
                       const char* biz_data) {
    PushRow read = row(biz_type, biz_data, biz_id);
    read.subscribe_id = subscribe_id;
    read.corp_id = corp_id;
    return rds(read).header();
  };
  const EventHeader headers[] = {
      with("s", "a", 1, "2/b", "x"), with("s", "a/1", 2, "b", "x"), with("s/a", "1", 2, "b", "x"),
      with("s/a", "", 2, "b", "x"),  with("s", "a/", 2, "b", "x"),  with("s", "a", 2, "b/x", ""),
      with("s", "a", 2, "b", "/x"),  with("s", "a~1", 2, "b", "x"), with("s", "a~", 2, "b", "x"),
      with("s", "a~0", 2, "b", "x"), with("", "s/a", 2, "b", "x"),  with("s", "", 2, "a/b", "x"),
      with("s", "a~", 2, "1b", "x"), with("s", "a", 2, "~1b", "x"),
  };
  std::set<std::string> dedup;
  std::set<std::string> ordering;
  for (const EventHeader& header : headers) {
    dedup.insert(header.dedup_key);
    ordering.insert(header.corp_id + '\n' + std::to_string(*header.biz_type) + '\n' + header.biz_id + " -> " +
                    header.ordering_key);
  }
  CHECK(dedup.size() == std::size(headers));
  // As many ordering keys as objects.
  std::set<std::string> keys;
  for (const EventHeader& header : headers) keys.insert(header.ordering_key);
  CHECK(keys.size() == ordering.size());
}

TEST_CASE("ordering_key names the object of an event, however its key is spelt") {
  const auto key = [](std::string text) { return push(std::move(text)).at(0).header().ordering_key; };
  const std::string user = key(R"({"EventType":"user_add_org","CorpId":"ding1","userId":["u1"]})");
  CHECK(user == "ding1/userId/u1");
  CHECK(key(R"({"EventType":"user_leave_org","CorpId":"ding1","userId":["u1"]})") == user);
  CHECK(key(R"({"EventType":"user_add_org","CorpId":"ding1","UserId":["u1","u2"]})") == user);
  CHECK(key(R"({"EventType":"user_modify_org","corpid":"ding1","userid":"u1"})") == user);
  CHECK(stream(R"({"eventType":"user_modify_org","eventCorpId":"ding1","data":{"userId":["u1"]}})")
            .header()
            .ordering_key == user);
  CHECK(failed(R"({"call_back_tag":"user_add_org","user_add_org":{"userid":["u1"],"corpid":"ding1"}})")
            .events[0]
            .header()
            .ordering_key == user);
  CHECK(key(R"({"EventType":"user_add_org","CorpId":"ding2","userId":["u1"]})") != user);
  CHECK(key(R"({"EventType":"user_add_org","CorpId":"ding1","userId":["u2"]})") != user);
  // Instance and task of one approval.
  CHECK(key(R"({"EventType":"bpms_instance_change","processInstanceId":"p1"})") ==
        key(R"({"EventType":"bpms_task_change","processInstanceId":"p1"})"));
  // An organisation that authorises a suite, changes that and takes it back: in this order.
  const std::string suite = key(R"({"EventType":"tmp_auth_code","AuthCorpId":"ding1","SuiteKey":"s1"})");
  CHECK(suite == "ding1/SuiteKey/s1");
  CHECK(key(R"({"EventType":"change_auth","AuthCorpId":"ding1","SuiteKey":"s1"})") == suite);
  CHECK(key(R"({"EventType":"suite_relieve","AuthCorpId":"ding1","SuiteKey":"s1"})") == suite);
  CHECK(key(R"({"EventType":"suite_relieve","AuthCorpId":"ding1","SuiteKey":"s2"})") != suite);
  // No object, or none that can be read: the type.
  CHECK(key(R"({"EventType":"org_change","CorpId":"ding1"})") == "ding1/org_change");
  CHECK(key(R"({"EventType":"user_add_org","CorpId":"ding1","userId":{}})") == "ding1/user_add_org");
  CHECK(key(R"({"EventType":"user_add_org","CorpId":"ding1","userId":[]})") == "ding1/user_add_org");
  CHECK(key(R"({"EventType":"invented","CorpId":"ding1","userId":"u1"})") == "ding1/invented");
  CHECK(key(R"({"EventType":"userId/u1","CorpId":"ding1"})") != user);
  CHECK(key(R"({"EventType":"u1","CorpId":"ding1/userId"})") != user);
  CHECK(key(R"({"EventType":"x"})") == "/x");
}

TEST_CASE("Two rows of one user have one ordering_key") {
  const Event added = rds(13, R"({"syncAction":"user_add_org","userid":"u1"})", "u1");
  const Event left = sync(row(13, R"({"syncAction":"user_leave_org"})", "u1"));
  CHECK(added.header().ordering_key == left.header().ordering_key);
  CHECK(added.header().dedup_key != left.header().dedup_key);
  CHECK(rds(13, R"({"syncAction":"user_add_org"})", "u2").header().ordering_key != left.header().ordering_key);
}

TEST_CASE("A SyncHTTP push of many rows gives them all, and one that is a flood none") {
  std::string list = "[1";
  for (int i = 1; i < 100000; ++i) list += ",{}";
  const auto events = rows(list + ']');
  CHECK(events.size() == 100000);
  CHECK(events.back().raw() == "{}");
  const auto flood = parse_push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":)" + list + ",1]}");
  REQUIRE(!flood);
  CHECK(flood.error().code == Errc::input_too_large);
  const auto entries = parse_failed_list(R"({"errcode":0,"failed_list":)" + list + ",1]}");
  REQUIRE(!entries);
  CHECK(entries.error().code == Errc::input_too_large);
}
