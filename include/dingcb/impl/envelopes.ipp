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

/// Finds the type of a row.
/// @param places where it may stand, the best first. Rows should name it in `syncAction`; older and odder ones are told
///   by where else they put it, or by their biz_type alone (docs/protocol.md).
inline void route_row(EventData& data, const std::array<Json, 4>& places) {
  const RowKinds kinds = kinds_of_biz_type(data.header.biz_type.value_or(-1));
  for (const Json place : places) {
    if (!place.is_string()) continue;
    const std::string_view text = place.as_text();
    for (const RowKind& row : kinds) {
      const bool other = place.key() == "eventType" && !row.event_type.empty() && text == row.event_type;
      if (!other && text != type_of(row.kind)) continue;
      data.kind = row.kind;
      data.header.type = type_of(row.kind);
      return;
    }
  }
  const bool named = std::any_of(places.begin(), places.end(), [](Json place) {
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

inline void complete_row(EventData& data) {
  static constexpr std::array<std::string_view, 8> kKeys{"syncAction", "data",   "EventType", "eventType",
                                                         "eventId",    "corpId", "corp_id",   "corpid"};
  const std::array<Json, 8> members = members_of(data.payload, kKeys);
  data.header.id = members[4].as_text();
  for (std::size_t i = 5; i < 8 && data.header.corp_id.empty(); ++i) data.header.corp_id = members[i].as_text();
  route_row(data, {members[0], members[1]["syncAction"], members[2], members[3]});
  complete(data);
}

inline void read_sync_row(JsonDocument& document, Json row, EventData& data) {
  static constexpr std::array<std::string_view, 7> kKeys{"biz_data", "corp_id",     "subscribe_id", "biz_id",
                                                         "biz_type", "open_cursor", "gmt_modified"};
  const std::array<Json, 7> members = members_of(row, kKeys);
  data.raw = row.raw();
  data.payload = document.read_inside(members[0]);
  EventHeader& header = data.header;
  header.source = Source::sync_http;
  header.corp_id = members[1].as_text();
  header.subscribe_id = members[2].as_text();
  header.biz_id = members[3].as_text();
  header.biz_type = members[4].as_int64();
  header.open_cursor = members[5].as_int64();
  header.gmt_modified_ms = members[6].as_int64();
  header.born_ms = header.gmt_modified_ms;
  complete_row(data);
}

inline void read_http(const JsonDocument& document, std::string_view type, EventData& data) {
  data.raw = document.source();
  data.payload = document.root();
  data.kind = kind_of(type);
  EventHeader& header = data.header;
  header.type = type;
  // For each, its spellings, the best first; texts that are empty say nothing.
  static constexpr std::array<std::string_view, 15> kKeys{
      "eventId",   "EventId",                                                         // id
      "CorpId",    "corpId",    "corpid",    "corp_id",  "AuthCorpId", "authCorpId",  // corp_id
      "SuiteKey",  "suiteKey",  "suite_key",                                          // app_id
      "EventTime", "TimeStamp", "timeStamp", "eventTime"};                            // born_ms
  const std::array<Json, 15> members = members_of(data.payload, kKeys);
  const auto text = [&](std::size_t from, std::size_t to) {
    while (from + 1 < to && members[from].as_text().empty()) ++from;
    return members[from].as_text();
  };
  header.id = text(0, 2);
  header.corp_id = text(2, 8);
  header.app_id = text(8, 11);
  for (std::size_t i = 11; i < 15 && !header.born_ms; ++i) header.born_ms = members[i].as_int64();
  complete(data);
}

inline void read_failed_entry(JsonDocument& document, Json entry, EventData& data) {
  data.raw = entry.raw();
  EventHeader& header = data.header;
  header.source = Source::failed_list;
  header.type = text_of(entry, {"call_back_tag", "callBackTag"});
  data.kind = kind_of(header.type);
  const Json outer = entry[header.type];
  Json payload = outer;
  for (const char* key : {"bpmsCallBackData", "roleLabelChange", "callbackData", "callBackData"}) {
    if (const Json inner = outer[key]; inner.is_object() || inner.is_string()) payload = inner;
  }
  data.payload = document.read_inside(payload);
  for (const Json object : {data.payload, outer, entry}) {
    if (header.corp_id.empty()) header.corp_id = text_of(object, {"CorpId", "corpId", "corpid", "corp_id"});
    if (header.id.empty()) header.id = text_of(object, {"eventId"});
  }
  header.born_ms = time_of(entry, {"event_time", "eventTime"});
  complete(data);
}

/// More than the largest push holds in rows of any use. An event takes some 600 bytes, which a list of a million digits
/// would turn into a flood.
constexpr std::size_t kMaxRows = 100000;

/// Makes an event of each element of a list.
/// @param read reads one: called with the document, the element, and the event to fill.
/// @error input_too_large.
template <class Read>
Result<std::vector<Event>> read_each(const std::shared_ptr<Delivery>& delivery, Json list, Read read) {
  const std::size_t size = list.size();
  if (size > kMaxRows) {
    return fail(Errc::input_too_large, "the list has more than 100000 entries; no push of DingTalk has");
  }
  delivery->list = std::make_unique<EventData[]>(size);
  std::vector<Event> events;
  events.reserve(size);
  EventData* data = delivery->list.get();
  for (const Json element : list) {
    read(delivery->document, element, *data);
    events.push_back(handle(delivery, *data++));
  }
  return events;
}

/// Parses a text whose root must be an object.
inline Result<std::shared_ptr<Delivery>> read_object(std::string text) {
  auto delivery = std::make_shared<Delivery>();
  Error error = delivery->document.read(std::move(text));
  if (error.code != Errc{}) return error;
  if (!delivery->document.root().is_object()) {
    return fail(Errc::envelope_malformed,
                "the JSON text is no object; pass the whole decrypted text, or the whole frame");
  }
  return delivery;
}

}  // namespace detail

DINGCB_INLINE Result<std::vector<Event>> parse_push(std::string plaintext) {
  const auto delivery = detail::read_object(std::move(plaintext));
  if (!delivery) return delivery.error();
  detail::JsonDocument& document = (*delivery)->document;
  const Json root = document.root();
  const auto missing = [](Json type) { return !type.is_string() || type.as_text().empty(); };
  Json type = root["EventType"];
  if (missing(type)) type = root["eventType"];
  // The e-signature events name their type in `action`.
  if (missing(type) && kind_of(root["action"].as_text()) != Kind::unknown) type = root["action"];
  if (missing(type)) {
    return detail::fail(Errc::event_type_missing,
                        "the push has no text \"EventType\"; is it the decrypted text of a DingTalk push?");
  }
  if (type.as_text() != "SYNC_HTTP_PUSH_HIGH" && type.as_text() != "SYNC_HTTP_PUSH_MEDIUM") {
    detail::read_http(document, type.as_text(), (*delivery)->event);
    return std::vector<Event>(1, handle(*delivery, (*delivery)->event));
  }
  const Json rows = document.read_inside(root["bizData"]);
  if (!rows.is_array()) {
    return detail::fail(Errc::envelope_malformed, "the SyncHTTP push has no list of rows in \"bizData\"");
  }
  return detail::read_each(*delivery, rows, detail::read_sync_row);
}

DINGCB_INLINE Result<Event> parse_row(const PushRow& row) {
  const auto delivery = std::make_shared<detail::Delivery>();
  detail::JsonDocument& document = delivery->document;
  detail::EventData& data = delivery->event;
  if (document.read(row.biz_data).code == Errc{}) {
    data.raw = document.source();
  } else {
    // As in a SyncHTTP push, where such a body is a text, too.
    delivery->text = row.biz_data;
    data.raw = delivery->text;
    detail::JsonWriter writer;
    writer.text(row.biz_data);
    static_cast<void>(document.read(writer.take()));
  }
  data.payload = document.root();
  EventHeader& header = data.header;
  header.source = Source::rds;
  header.corp_id = row.corp_id;
  header.subscribe_id = row.subscribe_id;
  header.biz_id = row.biz_id;
  header.biz_type = row.biz_type;
  header.open_cursor = row.open_cursor;
  header.gmt_modified_ms = row.gmt_modified_ms;
  header.born_ms = row.gmt_modified_ms;
  detail::complete_row(data);
  return handle(delivery, data);
}

DINGCB_INLINE Result<Event> parse_stream(std::string frame) {
  const auto delivery = detail::read_object(std::move(frame));
  if (!delivery) return delivery.error();
  detail::JsonDocument& document = (*delivery)->document;
  const Json root = document.root();
  const Json meta = root["headers"].is_object() && !root["eventType"].exists() ? root["headers"] : root;
  const Json type = meta["eventType"];
  if (!type.is_string() || type.as_text().empty()) {
    return detail::fail(Errc::event_type_missing,
                        "the frame has no text \"eventType\"; pass frames of the type EVENT only");
  }
  detail::EventData& data = (*delivery)->event;
  data.raw = document.source();
  data.payload = document.read_inside(root["data"]);
  EventHeader& header = data.header;
  header.source = Source::stream;
  header.type = type.as_text();
  header.id = meta["eventId"].as_text();
  header.corp_id = meta["eventCorpId"].as_text();
  header.app_id = meta["eventUnifiedAppId"].as_text();
  header.born_ms = meta["eventBornTime"].as_int64();
  data.kind = kind_of(header.type);
  detail::complete(data);
  return handle(*delivery, data);
}

DINGCB_INLINE Result<FailedList> parse_failed_list(std::string json) {
  const auto delivery = detail::read_object(std::move(json));
  if (!delivery) return delivery.error();
  const Json root = (*delivery)->document.root();
  if (const std::int64_t errcode = root["errcode"].as_int64().value_or(0); errcode != 0) {
    return Error{
        Errc::envelope_malformed,
        Message("the failed-push API answered with errcode " + std::to_string(errcode) + "; see errmsg in its answer"),
        nullptr};
  }
  const Json entries = root["failed_list"];
  if (!entries.is_array()) {
    return detail::fail(Errc::envelope_malformed,
                        "the answer has no list \"failed_list\"; pass the whole answer of the failed-push API");
  }
  auto events = detail::read_each(*delivery, entries, detail::read_failed_entry);
  if (!events) return std::move(events).error();
  return FailedList{root["has_more"].as_bool().value_or(false), *std::move(events)};
}

DINGCB_NAMESPACE_END
