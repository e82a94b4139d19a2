// The form in which an inbox stores an event.
#pragma once

#include <dingcb/impl/envelopes.ipp>
#include <dingcb/impl/event_twin.ipp>
#include <dingcb/inbox.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// A row of DingTalk's tables as text: the keys are those of a SyncHTTP push.
inline std::string write_row(const Event& event) {
  const EventHeader& header = event.header();
  JsonWriter writer;
  writer.begin_object();
  const auto text = [&writer](std::string_view key, std::string_view value) {
    writer.key(key);
    writer.text(value);
  };
  const auto number = [&writer](std::string_view key, const std::optional<std::int64_t>& value) {
    if (!value) return;
    writer.key(key);
    writer.number(*value);
  };
  text("subscribe_id", header.subscribe_id);
  text("corp_id", header.corp_id);
  text("biz_id", header.biz_id);
  number("biz_type", header.biz_type);
  number("open_cursor", header.open_cursor);
  number("gmt_modified", header.gmt_modified_ms);
  text("biz_data", event.raw());
  writer.end_object();
  return writer.take();
}

inline Result<Event> read_row(const std::string& body) {
  auto document = JsonDocument::parse(body);
  if (!document) return std::move(document).error();
  const Json root = (*document)->root();
  PushRow row;
  row.subscribe_id = root["subscribe_id"].as_text();
  row.corp_id = root["corp_id"].as_text();
  row.biz_id = root["biz_id"].as_text();
  row.biz_type = root["biz_type"].as_int64().value_or(0);
  row.open_cursor = root["open_cursor"].as_int64().value_or(0);
  row.gmt_modified_ms = root["gmt_modified"].as_int64().value_or(0);
  row.biz_data = root["biz_data"].as_text();
  return parse_row(row);
}

/// Whether an element of a list says nothing at all, as all do that are no objects: the raw text of those that are
/// texts has lost its quotes, and may look like anything. As a text, it comes back as the same event.
inline bool is_bare(const Event& event) noexcept {
  const EventHeader& header = event.header();
  return (header.source == Source::sync_http || header.source == Source::failed_list) && !event.json().exists() &&
         header.type.empty() && header.id.empty() && header.corp_id.empty() && header.subscribe_id.empty() &&
         header.biz_id.empty() && !header.biz_type && !header.open_cursor && !header.gmt_modified_ms && !header.born_ms;
}

/// Gives the one event of a list that was made to hold one.
inline Result<Event> only(const std::vector<Event>& events) {
  if (events.size() == 1) return events.front();
  return fail(Errc::envelope_malformed, "what is stored is no single event");
}

}  // namespace detail

DINGCB_INLINE StoredEvent StoredEvent::of(const Event& event) {
  const EventHeader& header = event.header();
  StoredEvent stored;
  stored.source = header.source;
  if (header.source == Source::rds) {
    stored.body = detail::write_row(event);
  } else if (detail::is_bare(event)) {
    detail::JsonWriter writer;
    writer.text(event.raw());
    stored.body = writer.take();
  } else {
    stored.body = event.raw();
  }
  stored.type = header.type;
  stored.corp_id = header.corp_id;
  stored.dedup_key = header.dedup_key;
  stored.ordering_key = header.ordering_key;
  stored.born_ms = header.born_ms;
  stored.twin_key = detail::twin_key_of(event);
  if (event.kind() == Kind::suite_ticket) {
    stored.latest_key = suite_ticket_key(detail::is_row(header) ? header.biz_id : header.app_id);
  }
  return stored;
}

DINGCB_INLINE Result<Event> StoredEvent::event() const {
  switch (source) {
    case Source::sync_http: {
      const auto events = parse_push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)" + body + "]}");
      return events ? detail::only(*events) : Result<Event>(events.error());
    }
    case Source::failed_list: {
      const auto list = parse_failed_list(R"({"failed_list":[)" + body + "]}");
      return list ? detail::only(list->events) : Result<Event>(list.error());
    }
    case Source::rds: return detail::read_row(body);
    case Source::stream: return parse_stream(body);
    case Source::http: break;
  }
  const auto events = parse_push(body);
  return events ? detail::only(*events) : Result<Event>(events.error());
}

DINGCB_NAMESPACE_END
