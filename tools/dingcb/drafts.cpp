#include "drafts.hpp"

#include "command.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace command {

namespace {

using Allocator = JsonDocument::AllocatorType;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string fresh_id() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) throw Failure(kInternal, "OpenSSL has no random bytes");
  std::string id;
  for (const unsigned char byte : bytes) {
    id += "0123456789abcdef"[byte / 16];
    id += "0123456789abcdef"[byte % 16];
  }
  return id;
}

JsonValue text_value(std::string_view text, Allocator& allocator) {
  return {text.data(), static_cast<rapidjson::SizeType>(text.size()), allocator};
}

/// Sets a member, which may be there already.
void set_member(JsonValue& object, std::string_view key, JsonValue value, Allocator& allocator) {
  const JsonValue name(rapidjson::StringRef(key.data(), static_cast<rapidjson::SizeType>(key.size())));
  if (object.HasMember(name)) {
    object[name] = std::move(value);
  } else {
    object.AddMember(text_value(key, allocator), std::move(value), allocator);
  }
}

/// The value of an assignment. The catalogue, or else the sample, says whether it is a text.
JsonValue value_of(const Assignment& assignment, const EventFacts& event, const JsonValue* old, Allocator& allocator) {
  const auto field = std::find_if(event.fields.begin(), event.fields.end(),
                                  [&](const FieldFacts& one) { return one.path == assignment.path; });
  const bool is_text = field != event.fields.end() ? field->type == "string" : old != nullptr && old->IsString();
  if (!is_text) {
    const JsonDocument parsed = parse_json(assignment.value);
    if (!parsed.HasParseError()) return {parsed, allocator};
  }
  const bool is_list = field != event.fields.end() && field->type.compare(0, 5, "array") == 0;
  JsonValue text = text_value(assignment.value, allocator);
  if (!is_list) return text;
  JsonValue list(rapidjson::kArrayType);
  list.PushBack(std::move(text), allocator);
  return list;
}

/// Refuses a path that neither the catalogue nor the sample knows: it would change nothing where it should.
void check_path(const Assignment& assignment, const EventFacts& event, const JsonValue& body) {
  std::vector<std::string> known;
  for (const FieldFacts& field : event.fields) known.push_back(field.path);
  for (const auto& member : body.GetObject()) known.emplace_back(member.name.GetString());
  known.insert(known.end(), {"eventId", "CorpId", "EventTime"});
  if (std::find(known.begin(), known.end(), assignment.path) != known.end()) return;
  // Inside of something that is no struct, anything goes.
  const std::string top = assignment.path.substr(0, assignment.path.find('.'));
  if (top != assignment.path && std::find(known.begin(), known.end(), top) != known.end()) return;
  const std::string near = nearest(assignment.path, known);
  throw Failure(kUsage, event.type + " has no field " + assignment.path,
                (near.empty() ? "" : "did you mean " + near + "? ") + "see dingcb events " + event.type +
                    "; for anything else give the whole text with --file");
}

void assign(JsonValue& body, const Assignment& assignment, const EventFacts& event, Allocator& allocator) {
  check_path(assignment, event, body);
  JsonValue* object = &body;
  std::string_view rest = assignment.path;
  for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
    const std::string key(rest.substr(0, dot));
    rest.remove_prefix(dot + 1);
    if (const JsonValue* const inside = member_of(*object, key.c_str()); inside == nullptr || !inside->IsObject()) {
      set_member(*object, key, JsonValue(rapidjson::kObjectType), allocator);
    }
    object = &object->FindMember(key.c_str())->value;
  }
  const std::string key(rest);
  JsonValue value = value_of(assignment, event, member_of(*object, key.c_str()), allocator);
  set_member(*object, key, std::move(value), allocator);
}

JsonDocument http_body(const EventFacts& event, const std::vector<Assignment>& assignments) {
  JsonDocument body = parse_json(http_plaintext(event));
  if (body.HasParseError() || !body.IsObject()) body = parse_json(JsonLine().text("EventType", event.type).object());
  Allocator& allocator = body.GetAllocator();
  const bool signature_task = member_of(body, "action") != nullptr;  // e-signature has another envelope
  if (!event.is_url_check() && !signature_task) {
    set_member(body, "EventType", text_value(event.type, allocator), allocator);
    set_member(body, "EventTime", JsonValue(now_ms()), allocator);
    set_member(body, "eventId", text_value(fresh_id(), allocator), allocator);
  }
  for (const Assignment& assignment : assignments) assign(body, assignment, event, allocator);
  return body;
}

/// The official row of an event; null where its page has none.
JsonDocument sample_row(const EventFacts& event) {
  for (const dingcb::testkit::Sample& sample : dingcb::testkit::samples(event.type)) {
    if (sample.source != dingcb::Source::sync_http) continue;
    JsonDocument row = parse_json(sample.json);
    if (!row.HasParseError() && member_of(row, "biz_data") != nullptr) return row;
  }
  return {};
}

std::string sync_plaintext(const EventFacts& event, const std::vector<Assignment>& assignments) {
  JsonDocument row = sample_row(event);
  JsonDocument data;
  const JsonValue* const old = member_of(row, "biz_data");
  Allocator& allocator = data.GetAllocator();
  if (old != nullptr && old->IsObject()) {
    data.CopyFrom(*old, allocator);
  } else if (old != nullptr && old->IsString()) {
    data = parse_json({old->GetString(), old->GetStringLength()});
  }
  if (data.HasParseError() || !data.IsObject()) {
    data = http_body(event, {});
    for (const char* key : {"EventType", "EventTime", "CorpId", "BizId"}) data.RemoveMember(key);
    set_member(data, "syncAction", text_value(event.type, data.GetAllocator()), data.GetAllocator());
  }
  set_member(data, "eventId", text_value(fresh_id(), data.GetAllocator()), data.GetAllocator());
  for (const Assignment& assignment : assignments) assign(data, assignment, event, data.GetAllocator());

  const std::string corp_id(text_in(row, "corp_id"));
  const std::string biz_id(text_in(row, "biz_id"));
  const std::string subscribe_id(text_in(row, "subscribe_id"));
  JsonLine line;
  line.number("gmt_create", now_ms()).number("biz_type", event.biz_type.value_or(0)).number("open_cursor", 0);
  line.text("subscribe_id", subscribe_id.empty() ? "1234567_0" : subscribe_id).number("id", now_ms());
  line.number("gmt_modified", now_ms()).text("biz_id", biz_id.empty() ? "1" : biz_id).text("biz_data", to_text(data));
  line.text("corp_id", corp_id.empty() ? "ding9f50b15bxxxx16741" : corp_id).number("status", 0);
  return JsonLine()
      .text("EventType", event.high ? "SYNC_HTTP_PUSH_HIGH" : "SYNC_HTTP_PUSH_MEDIUM")
      .json("bizData", "[" + line.object() + "]")
      .object();
}

bool comes_by(const EventFacts& event, const char* how) {
  return std::find(event.delivery.begin(), event.delivery.end(), how) != event.delivery.end();
}

}  // namespace

Assignment assignment_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Failure(kUsage, "--set takes field=value", "such as --set userId='[\"u1\"]' or --set name=Li");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Draft draft_of(const EventFacts& event, const std::string& mode, const std::vector<Assignment>& assignments) {
  const bool rows_only = comes_by(event, "sync_http") && !comes_by(event, "http");
  Draft draft;
  draft.name = event.type;
  draft.mode = mode == "auto" ? (rows_only ? "sync-http" : "http") : mode;
  if (draft.mode == "sync-http") {
    if (!event.biz_type) {
      throw Failure(kUsage, event.type + " does not come by SyncHTTP", "leave --mode out, or take --mode http");
    }
    draft.plaintext = sync_plaintext(event, assignments);
    draft.deadline_ms = kSyncHttpDeadline;
  } else {
    const JsonDocument body = http_body(event, assignments);
    draft.plaintext = to_text(body);
    draft.deadline_ms = kHttpDeadline;
    // One comment in DingTalk's samples asks for it; all pages say success.
    if (event.is_url_check() && !text_in(body, "Random").empty()) draft.expected.emplace_back(text_in(body, "Random"));
  }
  return draft;
}

Draft draft_of_text(const std::string& name, const std::string& plaintext) {
  Draft draft;
  draft.name = name;
  draft.plaintext = plaintext;
  const JsonDocument body = parse_json(plaintext);
  const bool rows = !body.HasParseError() && member_of(body, "bizData") != nullptr;
  draft.mode = rows ? "sync-http" : "http";
  draft.deadline_ms = rows ? kSyncHttpDeadline : kHttpDeadline;
  return draft;
}

Draft batch_of(const std::vector<Draft>& drafts) {
  std::string rows;
  bool high = false;
  for (const Draft& draft : drafts) {
    const JsonDocument body = parse_json(draft.plaintext);
    const JsonValue* const data = member_of(body, "bizData");
    if (data == nullptr) throw Failure(kUsage, "only rows make a batch", "take --mode sync-http");
    high = high || text_in(body, "EventType") == "SYNC_HTTP_PUSH_HIGH";
    for (const auto& row : data->GetArray()) rows += (rows.empty() ? "" : ",") + to_text(row);
  }
  Draft batch;
  batch.name = std::to_string(drafts.size()) + " rows";
  batch.mode = "sync-http";
  batch.deadline_ms = kSyncHttpDeadline;
  batch.plaintext = JsonLine()
                        .text("EventType", high ? "SYNC_HTTP_PUSH_HIGH" : "SYNC_HTTP_PUSH_MEDIUM")
                        .json("bizData", '[' + rows + ']')
                        .object();
  return batch;
}

}  // namespace command
