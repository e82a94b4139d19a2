// Bodies of event.hpp: five envelopes, one model.
#pragma once

#include <dingcb/event.hpp>
#include <dingcb/impl/events/catalogue.ipp>
#include <dingcb/impl/openssl.ipp>

#include <algorithm>
#include <array>
#include <atomic>
#include <initializer_list>
#include <iterator>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

inline Error event_error(Errc code, const char* text) { return Error{code, Message(std::string(text)), nullptr}; }

/// What was made of an event for one struct: the struct, or why not.
struct Decoded {
  const DecodePlan* plan = nullptr;
  void* object = nullptr;
  Error error;
  const Decoded* next = nullptr;

  Decoded() = default;
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;
  ~Decoded() {
    if (object != nullptr) plan->destroy(object);
  }
};

/// An event as it was parsed. Only `decoded` ever changes: entries are put in front, and none is taken away.
struct EventData {
  EventHeader header;
  Kind kind = Kind::unknown;
  std::string_view raw;
  Json payload;
  std::shared_ptr<const JsonDocument> document;  // that raw points into
  std::string text;                              // that raw points into, where there is no document
  std::shared_ptr<const JsonDocument> body;      // that payload points into, where it was a text inside the document
  mutable std::atomic<const Decoded*> decoded{nullptr};

  EventData() = default;
  EventData(const EventData&) = delete;
  EventData& operator=(const EventData&) = delete;
  ~EventData() {
    for (const Decoded* entry = decoded.load(std::memory_order_acquire); entry != nullptr;) {
      delete std::exchange(entry, entry->next);
    }
  }

  static Event finish(std::shared_ptr<EventData> data) { return Event(std::move(data)); }

  bool is(const DecodePlan& plan) const noexcept {
    return plan.kind != Kind::unknown ? plan.kind == kind : plan.type == header.type;
  }

  const Decoded& decode(const DecodePlan& plan) const {
    const Decoded* const known = decoded.load(std::memory_order_acquire);
    if (const Decoded* const entry = find(plan, known, nullptr)) return *entry;
    auto made = std::make_unique<Decoded>();
    made->plan = &plan;
    if (is(plan)) {
      read(plan, *made);
    } else {
      // A type that this release does not know is the sender's text, and no error holds that.
      const std::string other = kind == Kind::unknown ? "of an unknown type" : '"' + std::string(type_of(kind)) + '"';
      made->error = Error{Errc::kind_mismatch,
                          Message("the event is " + other + ", not \"" + std::string(plan.type) + '"'), nullptr};
    }
    made->next = known;
    // Two threads may decode at the same time; the first to be done wins, so that a struct never moves.
    while (
        !decoded.compare_exchange_weak(made->next, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
      if (const Decoded* const entry = find(plan, made->next, known)) return *entry;
    }
    return *made.release();
  }

 private:
  static const Decoded* find(const DecodePlan& plan, const Decoded* from, const Decoded* to) noexcept {
    for (; from != to; from = from->next) {
      if (from->plan == &plan) return from;
    }
    return nullptr;
  }

  void read(const DecodePlan& plan, Decoded& made) const {
    const Codec& codec = plan.codec();
    made.object = plan.create();
    Misfit misfit;
    if (!payload.exists()) {
      misfit.expected = "an object";
      misfit.found = "nothing";
    } else if (codec.read(payload, made.object, misfit) != Fit::misfit) {
      return read_biz_id(codec, made.object);
    }
    plan.destroy(std::exchange(made.object, nullptr));
    made.error = misfit_error(misfit);
  }

  // Old rows name the object in the column biz_id alone. Under another biz_type the column means something else, and
  // what is no id of this kind says nothing against the body.
  void read_biz_id(const Codec& codec, void* object) const {
    std::string_view keys = facts_of(kind).biz_id_keys;
    if (keys.empty() || header.biz_id.empty()) return;
    const RowKinds kinds = kinds_of_biz_type(header.biz_type.value_or(-1));
    if (std::none_of(kinds.begin(), kinds.end(), [this](const RowKind& row) { return row.kind == kind; })) return;
    JsonWriter writer;
    writer.text(header.biz_id);
    const auto id = JsonDocument::parse(writer.take());
    if (!id) return;
    // A struct of this release has the first key; a user's own may have any.
    for (Misfit misfit; !keys.empty();) {
      if (codec.read_absent(next_key(keys), (*id)->root(), object, misfit) == Fit::filled) return;
    }
  }
};

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

/// Joins texts with slashes. Slashes inside of them are escaped as in a JSON pointer, so that different texts never
/// give the same key.
inline std::string join(std::initializer_list<std::string_view> parts) {
  const auto special = [](char c) { return c == '/' || c == '~'; };
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size() + 1;
  std::string key;
  key.reserve(size);
  for (const std::string_view part : parts) {
    for (auto c = part.begin(); c != part.end();) {
      const auto next = std::find_if(c, part.end(), special);
      key.append(c, next);
      c = next;
      for (; c != part.end() && special(*c); ++c) key += *c == '/' ? "~1" : "~0";
    }
    key += '/';
  }
  key.pop_back();
  return key;
}

/// Gives SHA-256 of the parts, one after the other, as 64 hex digits; the text itself where OpenSSL fails, which is as
/// unique and only longer.
inline std::string digest_of(std::initializer_list<std::string_view> parts) {
  // Fetched once and never freed: events may still be made while the process ends.
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  const OpensslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  bool done = sha256 != nullptr && context != nullptr && EVP_DigestInit_ex2(context.get(), sha256, nullptr) == 1;
  for (const std::string_view part : parts) {
    done = done && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  std::string text;
  if (succeeded(done && EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1)) {
    text.resize(64);
    for (std::size_t i = 0; i < 32; ++i) {
      text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
      text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
  } else {
    for (const std::string_view part : parts) text += part;
  }
  return text;
}

/// Fills what follows from everything else.
inline Event complete(std::shared_ptr<EventData> data) {
  EventHeader& header = data->header;
  const bool row = header.source == Source::sync_http || header.source == Source::rds;
  const std::string biz_type = std::to_string(header.biz_type.value_or(0));
  if (!header.id.empty()) {
    // Two suites of one receiver are told of the same change by two rows.
    header.dedup_key = row ? join({header.subscribe_id, header.id}) : header.id;
  } else if (row) {
    // The same row read over HTTP and from a table has the same key: `id` and `status` are not part of it.
    const std::string_view body = data->payload.exists() ? data->payload.raw() : data->raw;
    header.dedup_key = digest_of({join({header.subscribe_id, header.corp_id, biz_type, header.biz_id}), "/", body});
  } else {
    header.dedup_key = digest_of({data->raw});
  }
  if (row) {
    header.dedup_key +=
        '/' + std::to_string(header.gmt_modified_ms.value_or(0)) + '/' + std::to_string(header.open_cursor.value_or(0));
    header.ordering_key = join({header.corp_id, biz_type, header.biz_id});
  } else {
    const KindFacts& facts = facts_of(data->kind);
    const Json object = facts.object_root.empty() ? data->payload : data->payload[facts.object_root];
    std::string_view keys = facts.object_keys;
    const std::string_view name = keys.substr(0, keys.find('|'));
    Json id;
    while (!keys.empty() && id.as_text().empty()) {
      id = object[next_key(keys)];
      if (id.is_array()) id = id.at(0);
    }
    header.ordering_key =
        id.as_text().empty() ? join({header.corp_id, header.type}) : join({header.corp_id, name, id.as_text()});
  }
  return EventData::finish(std::move(data));
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

inline void write_header(JsonWriter& writer, const char* key, const std::string& text) {
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
  if (!codec.present("EventType", object)) write_header(writer, "EventType", std::string(plan.type));
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
  write_header(writer, "eventType", std::string(plan.type));
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
      detail::event_error(Errc::envelope_malformed, "the biz_data of the row is no JSON object; see Event::raw()");
  const bool row = header().source == Source::sync_http || header().source == Source::rds;
  if (row && !data_->payload.is_object()) return &broken;
  const detail::Decoded* entry = data_->decoded.load(std::memory_order_acquire);
  while (entry != nullptr && entry->error.code != Errc::field_unfit) entry = entry->next;
  return entry == nullptr ? nullptr : &entry->error;
}

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
  if (root["errcode"].as_int64().value_or(0) != 0) {
    return Error{Errc::envelope_malformed,
                 Message("the failed-push API answered with errcode " + std::to_string(*root["errcode"].as_int64()) +
                         "; see errmsg in its answer"),
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
