// The five envelopes: which event each brings, and what they say about it.
#pragma once

#include <dingcb/impl/event_keys.ipp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// The text under the first key that has one. Texts that are empty say nothing: old and new spellings stand side by
/// side.
inline std::string text_of(Json object, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (const std::string_view text = object[key].as_text(); !text.empty()) return std::string(text);
  }
  return std::string();
}

/// The members under these keys, all found in one pass.
template <std::size_t N>
std::array<Json, N> members_of(Json object, const std::array<std::string_view, N>& keys) noexcept {
  std::array<Json, N> members;
  for (const Json member : object) {
    const std::string_view key = member.key();
    for (std::size_t i = 0; i < N; ++i) {
      if (key == keys[i]) members[i] = member;
    }
  }
  return members;
}

inline std::optional<std::int64_t> time_of(Json object, std::initializer_list<std::string_view> keys) noexcept {
  for (const std::string_view key : keys) {
    if (const auto time = object[key].as_int64()) return time;
  }
  return std::nullopt;
}

/// What stands in a text that holds JSON, which `inner` then keeps alive; any other value itself.
inline Json unpack(Json value, std::shared_ptr<const JsonDocument>& inner) {
  if (!value.is_string()) return value;
  auto parsed = JsonDocument::parse(std::string(value.as_text()));
  if (!parsed) return value;
  inner = *std::move(parsed);
  return inner->root();
}

/// Finds the type of a row. Rows should name it in `syncAction`; older and odder ones are told by where else they put
/// it, or by their biz_type alone (docs/protocol.md).
inline void route_row(EventData& data) {
  const RowKinds kinds = kinds_of_biz_type(data.header.biz_type.value_or(-1));
  const Json places[] = {data.payload["syncAction"], data.payload["data"]["syncAction"], data.payload["EventType"],
                         data.payload["eventType"]};
  for (const Json place : places) {
    for (const RowKind& row : kinds) {
      const bool other = place.key() == "eventType" && !row.event_type.empty() && place.as_text() == row.event_type;
      if (!place.is_string() || (!other && place.as_text() != type_of(row.kind))) continue;
      data.kind = row.kind;
      data.header.type = type_of(row.kind);
      return;
    }
  }
  const bool named = std::any_of(std::begin(places), std::end(places), [](Json place) {
    return place.is_string() && kind_of(place.as_text()) != Kind::unknown;
  });
  if (kinds.size() == 1 && !named && data.payload.is_object()) {
    data.kind = kinds.first->kind;
    data.header.type = type_of(data.kind);
    return;
  }
  // A biz_type that this release does not know, or that of several events, none of which is named.
  for (const Json place : places) {
    if (!place.is_string() || place.as_text().empty()) continue;
    data.header.type = place.as_text();
    data.kind = kind_of(data.header.type);
    return;
  }
}

inline Event make_row(std::shared_ptr<EventData> data) {
  data->header.id = data->payload["eventId"].as_text();
  if (data->header.corp_id.empty()) data->header.corp_id = text_of(data->payload, {"corpId", "corp_id", "corpid"});
  route_row(*data);
  return complete(std::move(data));
}

inline Event parse_sync_row(const std::shared_ptr<const JsonDocument>& document, Json row) {
  auto data = std::make_shared<EventData>();
  data->document = document;
  data->raw = row.raw();
  data->payload = unpack(row["biz_data"], data->body);
  EventHeader& header = data->header;
  header.source = Source::sync_http;
  header.corp_id = row["corp_id"].as_text();
  header.subscribe_id = row["subscribe_id"].as_text();
  header.biz_id = row["biz_id"].as_text();
  header.biz_type = row["biz_type"].as_int64();
  header.open_cursor = row["open_cursor"].as_int64();
  header.gmt_modified_ms = row["gmt_modified"].as_int64();
  header.born_ms = header.gmt_modified_ms;
  return make_row(std::move(data));
}

inline Event parse_http(std::shared_ptr<const JsonDocument> document, std::string_view type) {
  auto data = std::make_shared<EventData>();
  data->raw = document->source();
  data->payload = document->root();
  data->document = std::move(document);
  data->kind = kind_of(type);
  EventHeader& header = data->header;
  header.type = type;
  // For each, its spellings, the best first; texts that are empty say nothing.
  static constexpr std::array<std::string_view, 15> kKeys{
      "eventId",   "EventId",                                                         // id
      "CorpId",    "corpId",    "corpid",    "corp_id",  "AuthCorpId", "authCorpId",  // corp_id
      "SuiteKey",  "suiteKey",  "suite_key",                                          // app_id
      "EventTime", "TimeStamp", "timeStamp", "eventTime"};                            // born_ms
  const std::array<Json, 15> members = members_of(data->payload, kKeys);
  const auto text = [&](std::size_t from, std::size_t to) {
    while (from + 1 < to && members[from].as_text().empty()) ++from;
    return members[from].as_text();
  };
  header.id = text(0, 2);
  header.corp_id = text(2, 8);
  header.app_id = text(8, 11);
  for (std::size_t i = 11; i < 15 && !header.born_ms; ++i) header.born_ms = members[i].as_int64();
  return complete(std::move(data));
}

inline Event parse_failed_entry(const std::shared_ptr<const JsonDocument>& document, Json entry) {
  auto data = std::make_shared<EventData>();
  data->document = document;
  data->raw = entry.raw();
  EventHeader& header = data->header;
  header.source = Source::failed_list;
  header.type = text_of(entry, {"call_back_tag", "callBackTag"});
  data->kind = kind_of(header.type);
  const Json outer = entry[header.type];
  Json payload = outer;
  for (const char* key : {"bpmsCallBackData", "roleLabelChange", "callbackData", "callBackData"}) {
    if (const Json inner = outer[key]; inner.is_object() || inner.is_string()) payload = inner;
  }
  data->payload = unpack(payload, data->body);
  for (const Json object : {data->payload, outer, entry}) {
    if (header.corp_id.empty()) header.corp_id = text_of(object, {"CorpId", "corpId", "corpid", "corp_id"});
    if (header.id.empty()) header.id = text_of(object, {"eventId"});
  }
  header.born_ms = time_of(entry, {"event_time", "eventTime"});
  return complete(std::move(data));
}

/// More than the largest push holds in rows of any use. An event takes some 600 bytes, which a list of a million digits
/// would turn into a flood.
constexpr std::size_t kMaxRows = 100000;

inline Error too_many_rows() {
  return event_error(Errc::input_too_large, "the list has more than 100000 entries; no push of DingTalk has");
}

/// Parses a text whose root must be an object.
inline Result<std::shared_ptr<const JsonDocument>> parse_object(std::string text) {
  auto document = JsonDocument::parse(std::move(text));
  if (document && !(*document)->root().is_object()) {
    return event_error(Errc::envelope_malformed,
                       "the JSON text is no object; pass the whole decrypted text, or the whole frame");
  }
  return document;
}

}  // namespace detail

DINGCB_INLINE Result<std::vector<Event>> parse_push(std::string plaintext) {
  auto document = detail::parse_object(std::move(plaintext));
  if (!document) return std::move(document).error();
  const Json root = (*document)->root();
  const auto missing = [](Json type) { return !type.is_string() || type.as_text().empty(); };
  Json type = root["EventType"];
  if (missing(type)) type = root["eventType"];
  // The e-signature events name their type in `action`.
  if (missing(type) && kind_of(root["action"].as_text()) != Kind::unknown) type = root["action"];
  if (missing(type)) {
    return detail::event_error(Errc::event_type_missing,
                               "the push has no text \"EventType\"; is it the decrypted text of a DingTalk push?");
  }
  std::vector<Event> events;
  if (type.as_text() != "SYNC_HTTP_PUSH_HIGH" && type.as_text() != "SYNC_HTTP_PUSH_MEDIUM") {
    events.push_back(detail::parse_http(*std::move(document), type.as_text()));
    return events;
  }
  std::shared_ptr<const detail::JsonDocument> rows_document = *document;
  const Json rows = detail::unpack(root["bizData"], rows_document);
  if (!rows.is_array()) {
    return detail::event_error(Errc::envelope_malformed, "the SyncHTTP push has no list of rows in \"bizData\"");
  }
  for (const Json row : rows) {
    if (events.size() == detail::kMaxRows) return detail::too_many_rows();
    events.push_back(detail::parse_sync_row(rows_document, row));
  }
  return events;
}

DINGCB_INLINE Result<Event> parse_row(const PushRow& row) {
  auto data = std::make_shared<detail::EventData>();
  if (auto body = detail::JsonDocument::parse(row.biz_data)) {
    data->document = *std::move(body);
    data->raw = data->document->source();
    data->payload = data->document->root();
  } else {
    // As in a SyncHTTP push, where such a body is a text, too.
    data->text = row.biz_data;
    data->raw = data->text;
    detail::JsonWriter writer;
    writer.text(row.biz_data);
    if (auto text = detail::JsonDocument::parse(writer.take())) data->body = *std::move(text);
    if (data->body != nullptr) data->payload = data->body->root();
  }
  EventHeader& header = data->header;
  header.source = Source::rds;
  header.corp_id = row.corp_id;
  header.subscribe_id = row.subscribe_id;
  header.biz_id = row.biz_id;
  header.biz_type = row.biz_type;
  header.open_cursor = row.open_cursor;
  header.gmt_modified_ms = row.gmt_modified_ms;
  header.born_ms = row.gmt_modified_ms;
  return detail::make_row(std::move(data));
}

DINGCB_INLINE Result<Event> parse_stream(std::string frame) {
  auto document = detail::parse_object(std::move(frame));
  if (!document) return std::move(document).error();
  const Json root = (*document)->root();
  const Json meta = root["headers"].is_object() && !root["eventType"].exists() ? root["headers"] : root;
  const Json type = meta["eventType"];
  if (!type.is_string() || type.as_text().empty()) {
    return detail::event_error(Errc::event_type_missing,
                               "the frame has no text \"eventType\"; pass frames of the type EVENT only");
  }
  auto data = std::make_shared<detail::EventData>();
  data->document = *document;
  data->raw = (*document)->source();
  data->payload = detail::unpack(root["data"], data->body);
  EventHeader& header = data->header;
  header.source = Source::stream;
  header.type = type.as_text();
  header.id = meta["eventId"].as_text();
  header.corp_id = meta["eventCorpId"].as_text();
  header.app_id = meta["eventUnifiedAppId"].as_text();
  header.born_ms = meta["eventBornTime"].as_int64();
  data->kind = kind_of(header.type);
  return detail::complete(std::move(data));
}

DINGCB_INLINE Result<FailedList> parse_failed_list(std::string json) {
  auto document = detail::parse_object(std::move(json));
  if (!document) return std::move(document).error();
  const Json root = (*document)->root();
  if (const std::int64_t errcode = root["errcode"].as_int64().value_or(0); errcode != 0) {
    return Error{
        Errc::envelope_malformed,
        Message("the failed-push API answered with errcode " + std::to_string(errcode) + "; see errmsg in its answer"),
        nullptr};
  }
  const Json entries = root["failed_list"];
  if (!entries.is_array()) {
    return detail::event_error(Errc::envelope_malformed,
                               "the answer has no list \"failed_list\"; pass the whole answer of the failed-push API");
  }
  FailedList list;
  list.has_more = root["has_more"].as_bool().value_or(false);
  for (const Json entry : entries) {
    if (list.events.size() == detail::kMaxRows) return detail::too_many_rows();
    list.events.push_back(detail::parse_failed_entry(*document, entry));
  }
  return list;
}

DINGCB_NAMESPACE_END
