// Bodies of event.hpp: access, and the way back to JSON. The way in is envelopes.ipp.
#pragma once

#include <dingcb/impl/envelopes.ipp>

#include <string>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail {

inline void write_header(JsonWriter& writer, const char* key, std::string_view text) {
  if (text.empty()) return;
  writer.key(key);
  writer.text(text);
}

inline void write_time(JsonWriter& writer, const char* key, const EventHeader& header) {
  if (!header.born_ms) return;
  writer.key(key);
  writer.number(*header.born_ms);
}

DINGCB_INLINE std::string write_http(const DecodePlan& plan, const void* object, const EventHeader& header) {
  const Codec& codec = plan.codec();
  JsonWriter writer;
  writer.begin_object();
  // A few structs have a field that is spelt like a part of the header; no member may stand there twice.
  if (!codec.present("EventType", object)) write_header(writer, "EventType", plan.type);
  if (!codec.present("EventTime", object)) write_time(writer, "EventTime", header);
  if (!codec.present("CorpId", object)) write_header(writer, "CorpId", header.corp_id);
  if (!codec.present("eventId", object)) write_header(writer, "eventId", header.id);
  codec.write_members(object, writer);
  writer.end_object();
  return writer.take();
}

DINGCB_INLINE std::string write_stream(const DecodePlan& plan, const void* object, const EventHeader& header) {
  JsonWriter writer;
  writer.begin_object();
  write_header(writer, "eventUnifiedAppId", header.app_id);
  write_header(writer, "eventCorpId", header.corp_id);
  write_header(writer, "eventType", plan.type);
  write_header(writer, "eventId", header.id);
  write_time(writer, "eventBornTime", header);
  writer.key("data");
  plan.codec().write(object, writer);
  writer.end_object();
  return writer.take();
}

}  // namespace detail

DINGCB_INLINE Kind Event::kind() const noexcept { return data_->kind; }
DINGCB_INLINE const EventHeader& Event::header() const noexcept { return data_->header; }
DINGCB_INLINE std::string_view Event::raw() const noexcept { return data_->raw; }
DINGCB_INLINE Json Event::json() const noexcept { return data_->payload; }

DINGCB_INLINE const void* Event::decode(const detail::DecodePlan& plan) const {
  return data_->is(plan) ? data_->decode(plan).object : nullptr;
}

DINGCB_INLINE const Error* Event::misfit(const detail::DecodePlan& plan) const {
  const detail::Decoded& decoded = data_->decode(plan);
  return decoded.object != nullptr ? nullptr : &decoded.error;
}

DINGCB_INLINE const Error* Event::why_not() const noexcept {
  static const Error broken =
      detail::fail(Errc::envelope_malformed, "the biz_data of the row is no JSON object; see Event::raw()");
  if (detail::is_row(header()) && !data_->payload.is_object()) return &broken;
  const detail::Decoded* entry = data_->decoded.load(std::memory_order_acquire);
  while (entry != nullptr && entry->error.code != Errc::field_unfit) entry = entry->next;
  return entry == nullptr ? nullptr : &entry->error;
}

DINGCB_NAMESPACE_END
