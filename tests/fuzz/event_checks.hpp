// What must hold for events, whatever bytes they came from: for the fuzz targets of the envelopes.
#pragma once

#include <dingcb/detail/codec.hpp>
#include <dingcb/event.hpp>
#include <dingcb/events/visit.hpp>
#include <dingcb/inbox.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace checks {

using dingcb::Errc;
using dingcb::Error;
using dingcb::Event;
using dingcb::EventHeader;
using dingcb::Json;
using dingcb::Kind;
using dingcb::Result;
using dingcb::Source;
using dingcb::detail::JsonDocument;
using dingcb::detail::JsonWriter;

/// An event of the user's own, with keys that many bodies have and a field of every type.
struct Own {
  std::string id;
  std::vector<std::string> user_ids;
  std::optional<std::string> name;
  std::int64_t time = 0;
  std::optional<std::int64_t> biz_type;
  std::optional<double> amount;
  std::optional<bool> active;
  dingcb::RawJson data;
  std::vector<dingcb::RawJson> list;
  std::vector<Own> children;
};

}  // namespace checks

template <>
struct dingcb::EventTraits<checks::Own> {
  static constexpr std::string_view type = "own_event";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id, "taskId", "processInstanceId");
    visit("userId", self.user_ids, "userid", "UserId", "unionIdList", "UnionIdList");
    visit("name", self.name, "title");
    visit("time", self.time, "createTime", "TimeStamp", "EventTime");
    visit("bizType", self.biz_type, "type");
    visit("amount", self.amount, "price", "duration");
    visit("active", self.active, "success");
    visit("data", self.data, "content");
    visit("list", self.list, "labels", "deptId");
    visit("children", self.children, "body", "items");
  }
};

namespace checks {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// A message names what is wrong, and holds no piece of the input.
inline void check_message(std::string_view message, std::string_view input) {
  require(!message.empty() && message.size() < 300);
  require(std::all_of(message.begin(), message.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  // A piece of twice this size, which no key has, holds one of these.
  constexpr std::size_t kPiece = 16;
  for (std::size_t i = 0; i + kPiece <= message.size(); i += kPiece) {
    const std::string_view piece = message.substr(i, kPiece);
    require(std::search(input.begin(), input.end(), piece.begin(), piece.end()) == input.end());
  }
}

/// The struct of an event, if it has one, and what can be done with its type.
struct Typed {
  const void* object = nullptr;
  const Error* (*why_not)(const Event&) = nullptr;
  std::string (*http)(const void*, const EventHeader&) = nullptr;
  std::string (*stream)(const void*, const EventHeader&) = nullptr;
};

template <class E>
Typed as(const E* object) {
  return {
      object, [](const Event& event) { return event.why_not<E>(); },
      [](const void* e, const EventHeader& header) { return dingcb::to_http_json(*static_cast<const E*>(e), header); },
      [](const void* e, const EventHeader& header) {
        return dingcb::to_stream_json(*static_cast<const E*>(e), header);
      }};
}

inline Typed typed(const Event& event) {
  return dingcb::visit(event, [](const auto& e) -> Typed {
    if constexpr (std::is_same_v<std::decay_t<decltype(e)>, Event>) {
      return {};
    } else {
      return as(&e);
    }
  });
}

/// The type of an event that does not fit, from one of the same type that does.
inline Typed type_of_misfit(const Event& event) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("eventType");
  writer.text(event.type());
  writer.key("data");
  writer.begin_object();
  writer.end_object();
  writer.end_object();
  Typed fits = typed(*dingcb::parse_stream(writer.take()));
  require(fits.object != nullptr);
  fits.object = nullptr;
  return fits;
}

/// @return whether `path` leads from `json` to a value of the type that is called `found`.
inline bool leads(Json json, std::string_view path, std::string_view found) {
  if (!json.exists()) return path.empty() && found == "nothing";
  while (!path.empty()) {
    if (json.is_string()) return true;  // a text that holds JSON; the path goes on inside of it
    const std::size_t end = path[0] == '[' ? path.find(']') + 1 : std::min(path.find_first_of(".["), path.size());
    const std::string step(path.substr(0, end));
    path.remove_prefix(end);
    if (!path.empty() && path[0] == '.') path.remove_prefix(1);
    Json next;
    if (step[0] == '[') {
      if (json.is_array()) next = json.at(std::strtoul(step.c_str() + 1, nullptr, 10));
    } else {
      for (const Json member : json) {
        if (member.key() == step && !member.is_null()) next = member;
      }
    }
    if (!next.exists()) return false;
    json = next;
  }
  static constexpr std::array<std::string_view, 6> kNames{"null",   "a boolean", "a number",
                                                          "a text", "a list",    "an object"};
  return json.is_string() || kNames[static_cast<std::size_t>(json.type())] == found;
}

/// A body that does not fit is refused with the name of a field that it has, or as a whole.
inline void check_misfit(const Event& event, const Error* error, std::string_view input) {
  require(error != nullptr && error->code == Errc::field_unfit);
  std::string_view message = error->message;
  std::string_view path;
  const std::string_view before = "field \"";
  if (message.substr(0, before.size()) == before) {
    const std::size_t end = message.find("\" does not fit");
    require(end != std::string_view::npos && end > before.size());
    path = message.substr(before.size(), end - before.size());
    message.remove_prefix(end);
  }
  check_message(message, input);
  const std::string_view mark = ", found ";
  const std::size_t found = message.rfind(mark);
  require(found != std::string_view::npos && leads(event.json(), path, message.substr(found + mark.size())));
}

inline void require_same(const EventHeader& left, const EventHeader& right) {
  require(left.id == right.id && left.type == right.type && left.corp_id == right.corp_id);
  require(left.app_id == right.app_id && left.born_ms == right.born_ms && left.source == right.source);
  require(left.subscribe_id == right.subscribe_id && left.biz_id == right.biz_id && left.biz_type == right.biz_type);
  require(left.open_cursor == right.open_cursor && left.gmt_modified_ms == right.gmt_modified_ms);
  require(left.dedup_key == right.dedup_key && left.ordering_key == right.ordering_key);
}

inline void require_no_member_twice(Json object) {
  std::vector<std::string_view> keys;
  for (const Json member : object) keys.push_back(member.key());
  std::sort(keys.begin(), keys.end());
  require(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
}

/// Only depth can keep what was written from being read: a body that was a text or a whole document is written inside.
inline bool was_too_deep(const Error& error) { return error.code == Errc::json_too_deep; }

/// What is written is read back as the same, header included, and written again the same.
template <class Typer>
void check_written(const Typed& type, const EventHeader& header, Typer typer) {
  const std::string bare = type.http(type.object, {});
  const auto push = dingcb::parse_push(bare);
  if (!push) return require(was_too_deep(push.error()));
  require(push->size() == 1);
  Typed back = typer(push->front());
  require(back.object != nullptr && back.http(back.object, {}) == bare);

  // An HTTP push is flat, so that facts of the header fill fields of the same name, and the other way round.
  const EventHeader& own = push->front().header();
  const auto full = dingcb::parse_push(type.http(type.object, header)).value();
  require_no_member_twice(full.front().json());
  const EventHeader& read = full.front().header();
  require(read.born_ms == (header.born_ms ? header.born_ms : own.born_ms));
  require(read.corp_id == (header.corp_id.empty() ? own.corp_id : header.corp_id));
  require(read.id == (header.id.empty() || !own.id.empty() ? own.id : header.id));
  back = typer(full.front());
  require(back.object != nullptr);
  const std::string filled = back.http(back.object, header);
  const auto again = dingcb::parse_push(filled).value();
  require_no_member_twice(again.front().json());
  const Typed last = typer(again.front());
  require(last.object != nullptr && last.http(last.object, header) == filled);

  const std::string stream = type.stream(type.object, header);
  if (const auto frame = dingcb::parse_stream(stream)) {
    back = typer(*frame);
    require(back.object != nullptr && back.stream(back.object, header) == stream);
    const EventHeader& same = frame->header();
    require(same.id == header.id && same.corp_id == header.corp_id && same.app_id == header.app_id);
    require(same.born_ms == header.born_ms);
  } else {
    require(was_too_deep(frame.error()));
  }
}

/// The header without what is no UTF-8, which columns of a row may hold and JSON cannot.
inline EventHeader writable(EventHeader header) {
  for (std::string* text : {&header.id, &header.corp_id, &header.app_id}) {
    JsonWriter writer;
    writer.text(*text);
    *text = (*JsonDocument::parse(writer.take()))->root().as_text();
  }
  return header;
}

/// The same body as an event of the user's own.
inline void check_own(const Event& event, std::string_view input) {
  if (!event.json().is_object()) return;
  std::string frame = R"({"eventType":"own_event","data":)";
  frame.append(event.json().raw()).append("}");
  const auto own = dingcb::parse_stream(frame);
  if (!own) return require(was_too_deep(own.error()));
  require(own->kind() == Kind::unknown);
  const Typed type = as(own->get_if<Own>());
  if (type.object == nullptr) return check_misfit(*own, own->why_not<Own>(), input);
  require(own->why_not<Own>() == nullptr);
  check_written(type, own->header(), [](const Event& e) { return as(e.get_if<Own>()); });
}

/// What an inbox stores of an event makes the same event again.
inline void check_stored(const Event& event) {
  const dingcb::StoredEvent stored = dingcb::StoredEvent::of(event);
  require(stored.dedup_key == event.header().dedup_key && stored.type == event.type());
  const Result<Event> again = stored.event();
  require(again.has_value());
  const EventHeader& header = event.header();
  if (header.source == Source::rds) {
    // What is no UTF-8 in the columns of a row is replaced.
    for (const std::string_view column : {std::string_view(header.subscribe_id), std::string_view(header.corp_id),
                                          std::string_view(header.biz_id), event.raw()}) {
      JsonWriter writer;
      writer.text(column);
      if ((*JsonDocument::parse(writer.take()))->root().as_text() != column) return;
    }
  }
  require(again->raw() == event.raw() && again->kind() == event.kind());
  require_same(again->header(), header);
}

/// What holds for any event. @param type what typed() gave for another copy, which is gone.
inline void check_event(const Event& event, const Typed& type, std::string_view input) {
  const EventHeader& header = event.header();
  require(!header.dedup_key.empty() && !header.ordering_key.empty());
  require(event.kind() == dingcb::kind_of(header.type));

  const Typed again = typed(event);
  require(again.object == type.object);
  if (type.object != nullptr) {
    require(event.kind() != Kind::unknown && type.why_not(event) == nullptr);
    const Json body = event.json();
    require(body.is_object() || body.is_null() || (body.is_string() && body.as_text().empty()));
    check_written(type, writable(header), typed);
  } else if (event.kind() != Kind::unknown) {
    check_misfit(event, type_of_misfit(event).why_not(event), input);
    require(event.why_not() != nullptr);
  }
  const bool row = header.source == Source::sync_http || header.source == Source::rds;
  if (row && !event.json().is_object()) {
    require(event.kind() == Kind::unknown && event.why_not() != nullptr);
    require(event.why_not()->code == Errc::envelope_malformed);
    check_message(event.why_not()->message, input);
  }
  if (header.type != "own_event") {
    require(event.get_if<Own>() == nullptr);
    const Error* const other = event.why_not<Own>();
    require(other != nullptr && other->code == Errc::kind_mismatch);
    check_message(other->message, event.kind() == Kind::unknown ? input : std::string_view());
  }
  check_own(event, input);
  check_stored(event);
}

/// Parses the input with a function that gives a Result<std::vector<Event>>, and checks what came of it.
/// @param errors those that are documented.
/// @return copies of the events, the only ones that are left; none where the input was refused.
template <class Parse>
std::vector<Event> check_parse(const std::string& input, Parse parse, std::initializer_list<Errc> errors) {
  std::vector<Event> copies;
  std::vector<Typed> types;
  {
    const Result<std::vector<Event>> first = parse(std::string(input));
    const Result<std::vector<Event>> second = parse(std::string(input));
    require(first.has_value() == second.has_value());
    if (!first) {
      require(std::find(errors.begin(), errors.end(), first.error().code) != errors.end());
      require(second.error().code == first.error().code && first.error().message == second.error().message);
      check_message(first.error().message, input);
      return copies;
    }
    require(first->size() == second->size());
    for (std::size_t i = 0; i < first->size(); ++i) {
      require_same((*first)[i].header(), (*second)[i].header());
      require((*first)[i].raw() == (*second)[i].raw());
      copies.push_back((*first)[i]);
      // Thousands of rows are as good as some of them, and slow.
      if (i < 32) types.push_back(typed((*first)[i]));
    }
  }
  for (std::size_t i = 0; i < types.size(); ++i) check_event(copies[i], types[i], input);
  return copies;
}

/// Requires that events have the texts of the elements of a list, in their order.
inline void check_raw(const std::vector<Event>& events, Json list, std::string_view source) {
  require(list.is_array() && list.size() == events.size());
  auto element = list.begin();
  for (const Event& event : events) {
    require(event.raw() == (*element).raw());
    if ((*element).is_object()) require(source.find(event.raw()) != std::string_view::npos);
    ++element;
  }
}

/// A row of a SyncHTTP push as the same row read from MySQL.
inline dingcb::PushRow row_of(Json row) {
  dingcb::PushRow columns;
  columns.id = row["id"].as_int64().value_or(0);
  columns.gmt_create_ms = row["gmt_create"].as_int64().value_or(0);
  columns.gmt_modified_ms = row["gmt_modified"].as_int64().value_or(0);
  columns.subscribe_id = row["subscribe_id"].as_text();
  columns.corp_id = row["corp_id"].as_text();
  columns.biz_id = row["biz_id"].as_text();
  columns.biz_type = row["biz_type"].as_int64().value_or(0);
  columns.biz_data = row["biz_data"].raw();
  columns.open_cursor = row["open_cursor"].as_int64().value_or(0);
  columns.status = row["status"].as_int64().value_or(0);
  return columns;
}

/// Requires that a row gave the same event, however it came.
inline void check_same_row(const Event& left, const Event& right) {
  require(left.kind() == right.kind() && left.type() == right.type());
  require(left.header().dedup_key == right.header().dedup_key);
  require(left.header().ordering_key == right.header().ordering_key);
  const Typed one = typed(left);
  const Typed other = typed(right);
  require((one.object == nullptr) == (other.object == nullptr));
  if (one.object != nullptr) require(one.http(one.object, {}) == other.http(other.object, {}));
}

}  // namespace checks
