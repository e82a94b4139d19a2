// Code that the documents quote about typed events, and checks that it does what they say.
// [include]
#include <dingcb/event.hpp>
#include <dingcb/events/approval.hpp>  // the families you handle, and no others
#include <dingcb/events/contact.hpp>
// [/include]

#include <dingcb/events/visit.hpp>
#include <dingcb/select.hpp>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// [traits]
struct DeviceMoved {
  std::string device_id;
  std::optional<std::int64_t> floor;
  std::vector<std::string> user_ids;
};

template <>
struct dingcb::EventTraits<DeviceMoved> {
  static constexpr std::string_view type = "device_moved";  // as DingTalk spells it
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("deviceId", self.device_id, "device_id");  // key, field, other spellings of the key
    visit("floor", self.floor);
    visit("userIds", self.user_ids);
  }
};
// [/traits]

namespace {

void check(bool true_here, const char* what) {
  if (true_here) return;
  std::cerr << "not as documented: " << what << '\n';
  std::exit(1);
}

dingcb::Event only(std::string plaintext) {
  auto events = dingcb::parse_push(std::move(plaintext));
  check(events && events->size() == 1, "one event");
  return events->front();
}

const dingcb::Event kAdded =
    only(R"({"EventType":"user_add_org","EventTime":1663143335567,"CorpId":"ding9f50","eventId":"c7c7",)"
         R"("userId":["015227","015228"]})");
const dingcb::Event kLeft = only(R"({"EventType":"user_leave_org","CorpId":"ding9f50","userId":["015227"]})");
const dingcb::Event kUnfit = only(R"({"EventType":"user_add_org","CorpId":"ding9f50","userId":{"id":"015227"}})");
const dingcb::Event kMoved =
    only(R"({"EventType":"device_moved","CorpId":"ding9f50","device_id":"d7","floor":"3","userIds":["015227"],)"
         R"("route":[{"at":1.5},{"at":2.5}]})");
const dingcb::Event kApproved =
    only(R"({"EventType":"bpms_instance_change","CorpId":"ding9f50","processInstanceId":"ad25","type":"finish",)"
         R"("result":"postponed"})");

std::string with_get_if(const dingcb::Event& event) {
  std::ostringstream out;
  // [get_if]
  if (const auto* added = event.get_if<dingcb::events::UserAddOrg>()) {
    for (const std::string& user_id : added->user_id) out << user_id << " joined " << event.header().corp_id << '\n';
  }
  // [/get_if]
  return out.str();
}

std::string with_match(const dingcb::Event& event) {
  std::ostringstream out;
  // [match]
  using namespace dingcb::events;
  dingcb::match(
      event,  // the case for its type is called
      [&](const UserAddOrg& added) { out << added.user_id.size() << " joined\n"; },
      [&](const UserLeaveOrg& left) { out << left.user_id.size() << " left\n"; },
      [&](const dingcb::Event& other) { out << other.type() << " is not for us\n"; });
  // [/match]
  return out.str();
}

std::string with_select(const dingcb::Event& event) {
  std::ostringstream out;
  using namespace dingcb::events;
  // [select]
  const auto subset = dingcb::select<UserAddOrg, UserLeaveOrg>(event);  // and dingcb::Event for everything else
  std::visit(dingcb::overloaded{[&](const dingcb::Selected<UserAddOrg>& added) { out << added.get().name; },
                                [&](const auto&) { out << "nobody joined"; }},
             subset);
  // [/select]
  return out.str();
}

std::string with_visit(const dingcb::Event& event) {
  std::ostringstream out;
  using namespace dingcb::events;
  // [visit]
  dingcb::visit(event, dingcb::overloaded{
                           [&](const UserAddOrg& added) { out << added.user_id.size() << " joined\n"; },
                           [&](const dingcb::Event& odd) { out << odd.type() << " is unknown or does not fit\n"; },
                           [&](const auto&) { out << "known, and not for us\n"; },
                       });
  // [/visit]
  return out.str();
}

std::string with_states(const dingcb::Event& event) {
  std::ostringstream out;
  using namespace dingcb::events;
  // [states]
  if (const auto* added = event.get_if<UserAddOrg>()) {
    out << "typed: " << added->user_id.size() << " joined\n";
  } else if (event.kind() == dingcb::Kind::user_add_org) {
    out << "unfit: " << event.why_not<UserAddOrg>()->message << '\n';
  } else if (event.kind() == dingcb::Kind::unknown) {
    out << "unknown: " << event.type() << '\n';
  }
  // [/states]
  return out.str();
}

std::string with_own_struct(const dingcb::Event& event) {
  std::ostringstream out;
  // [own]
  if (const auto* moved = event.get_if<DeviceMoved>()) out << moved->device_id << " is on floor " << *moved->floor;
  // [/own]
  return out.str();
}

std::string without_struct(const dingcb::Event& event) {
  std::ostringstream out;
  // [json]
  const dingcb::Json body = event.json();
  out << body["floor"].as_int64().value_or(0) << '\n';
  out << body["route"].at(1)["at"].as_double().value_or(0) << '\n';  // missing steps on the way are no error
  for (const dingcb::Json user : body["userIds"]) out << user.as_text() << '\n';
  // [/json]
  return out.str();
}

std::string with_enumeration(const dingcb::Event& event) {
  std::ostringstream out;
  using namespace dingcb::events;
  const auto* change = event.get_if<BpmsInstanceChange>();
  check(change != nullptr, "an approval");
  // [enumeration]
  if (change->type == BpmsInstanceChange::Type::finish) out << "finished: ";
  if (change->result.empty()) {
    out << "no result\n";  // the key was absent
  } else if (const auto known = change->result.known()) {
    out << (*known == BpmsInstanceChange::Result::agree ? "agreed\n" : "refused\n");
  } else {
    out << "new result " << change->result.text() << '\n';  // DingTalk has invented one
  }
  // [/enumeration]
  return out.str();
}

void other_envelopes() {
  // [row]
  dingcb::PushRow row;  // the columns of a row; times in milliseconds
  row.subscribe_id = "14999_0";
  row.corp_id = "ding9f50";
  row.biz_type = 13;
  row.biz_id = "015227";
  row.gmt_modified_ms = 1608639648000;
  row.biz_data = R"({"syncAction":"user_leave_org"})";
  const dingcb::Result<dingcb::Event> from_table = dingcb::parse_row(row);
  // [/row]
  check(bool(from_table), "a row");
  const auto* left = from_table->get_if<dingcb::events::UserLeaveOrg>();
  check(left != nullptr && left->user_id.size() == 1 && left->user_id[0] == "015227", "the id comes from biz_id");
  check(from_table->header().ordering_key == "ding9f50/13/015227", "the ordering key of a row");

  const std::string frame =
      R"({"eventUnifiedAppId":"bbb381b6","eventCorpId":"ding9f50","eventType":"user_leave_org","eventId":"c7c8",)"
      R"("eventBornTime":1683533823336,"data":{"userId":["015227"]}})";
  const std::string answer =
      R"({"errcode":0,"has_more":false,"failed_list":[{"call_back_tag":"user_leave_org","event_time":1606126433000,)"
      R"("user_leave_org":{"userid":["015227"],"corpid":"ding9f50"}}]})";
  // [others]
  const dingcb::Result<dingcb::Event> from_stream = dingcb::parse_stream(frame);
  // What call_back/get_call_back_failed_result answered.
  const dingcb::Result<dingcb::FailedList> failed = dingcb::parse_failed_list(answer);
  // [/others]
  check(from_stream && from_stream->kind() == dingcb::Kind::user_leave_org, "a frame");
  check(from_stream->header().app_id == "bbb381b6" && from_stream->header().born_ms == 1683533823336, "its header");
  check(failed && failed->events.size() == 1 && !failed->has_more, "the failed list");
  check(failed->events[0].get_if<dingcb::events::UserLeaveOrg>()->user_id[0] == "015227", "its event");
  check(failed->events[0].header().corp_id == "ding9f50", "its organisation");
}

void writes() {
  // [write]
  dingcb::events::UserAddOrg added;
  added.user_id = {"015227"};
  dingcb::EventHeader header;
  header.id = "test-1";
  header.corp_id = "ding9f50";
  const std::string plaintext = dingcb::to_http_json(added, header);
  // [/write]
  check(plaintext == R"({"EventType":"user_add_org","CorpId":"ding9f50","eventId":"test-1","userId":["015227"]})",
        "what is written");
  check(only(plaintext).get_if<dingcb::events::UserAddOrg>()->user_id == added.user_id, "it reads back");
  const auto frame = dingcb::parse_stream(dingcb::to_stream_json(added, header));
  check(frame && frame->header().id == "test-1", "a frame reads back");
}

void keys() {
  check(kAdded.header().dedup_key == "c7c7", "the id is the key");
  check(kLeft.header().dedup_key.size() == 64, "a digest, where there is no id");
  check(kAdded.header().ordering_key == kLeft.header().ordering_key, "one employee, one order");
  check(kAdded.header().ordering_key == "ding9f50/userId/015227", "the first id names the object");
  check(kMoved.header().ordering_key == "ding9f50/device_moved", "an unknown event is ordered by type");

  // The same row, as SyncHTTP pushes it.
  const auto pushed = dingcb::parse_push(
      R"({"EventType":"SYNC_HTTP_PUSH_MEDIUM","bizData":[{"id":1,"biz_type":13,"corp_id":"c","biz_id":"u",)"
      R"("subscribe_id":"14999_0","gmt_modified":7,"open_cursor":0,"biz_data":"{\"syncAction\":\"user_leave_org\"}"}]})");
  dingcb::PushRow row;
  row.id = 2;
  row.status = 1;
  row.biz_type = 13;
  row.corp_id = "c";
  row.biz_id = "u";
  row.subscribe_id = "14999_0";
  row.gmt_modified_ms = 7;
  row.biz_data = R"({"syncAction":"user_leave_org"})";
  check(pushed && pushed->front().header().dedup_key == dingcb::parse_row(row)->header().dedup_key,
        "a row has one key, however it is read");
  row.gmt_modified_ms = 8;
  check(pushed->front().header().dedup_key != dingcb::parse_row(row)->header().dedup_key, "a replaced row has another");
}

}  // namespace

int main() {
  check(with_get_if(kAdded) == "015227 joined ding9f50\n015228 joined ding9f50\n", "get_if");
  check(with_get_if(kLeft).empty(), "get_if of another event");
  check(with_match(kAdded) == "2 joined\n" && with_match(kLeft) == "1 left\n", "match");
  check(with_match(kUnfit) == "user_add_org is not for us\n", "the last case takes what does not fit");
  check(with_select(kAdded).empty() && with_select(kLeft) == "nobody joined", "select");
  check(with_visit(kAdded) == "2 joined\n" && with_visit(kLeft) == "known, and not for us\n", "visit");
  check(with_visit(kUnfit) == "user_add_org is unknown or does not fit\n", "visit of an unfit event");
  check(with_states(kAdded) == "typed: 2 joined\n", "typed");
  check(with_states(kUnfit) == "unfit: field \"userId\" does not fit: expected a list, found an object\n", "unfit");
  check(with_states(kMoved) == "unknown: device_moved\n", "unknown");
  check(with_own_struct(kMoved) == "d7 is on floor 3", "a struct of one's own");
  check(without_struct(kMoved) == "3\n2.5\n015227\n", "no struct at all");
  check(with_enumeration(kApproved) == "finished: new result postponed\n", "an enumeration");
  other_envelopes();
  writes();
  keys();
  std::cout << "as documented\n";
}
