// parse_push() with SyncHTTP pushes.
//
// An input: a whole push; or, where it says nothing of "bizData", rows that a push is made of, with biz_data as it
// stands (in the documents an object) and as a text (as in life). Both, and the row read from MySQL, are one event.
#include "fuzz/event_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using dingcb::Errc;
using dingcb::Event;
using dingcb::Json;
using dingcb::detail::JsonDocument;
using dingcb::detail::JsonWriter;

std::vector<Event> check(const std::string& push) {
  auto events = checks::check_parse(
      push, dingcb::parse_push,
      {Errc::not_utf8, Errc::json_malformed, Errc::json_too_deep, Errc::envelope_malformed, Errc::event_type_missing});
  if (events.empty() || events[0].header().source != dingcb::Source::sync_http) return events;
  const auto document = JsonDocument::parse(push);
  const Json list = (*document)->root()["bizData"];
  if (list.is_string()) {
    const auto inner = JsonDocument::parse(std::string(list.as_text()));
    checks::check_raw(events, (*inner)->root(), list.as_text());
  } else {
    checks::check_raw(events, list, push);
  }
  return events;
}

std::string push_of(std::string_view rows) {
  std::string push = R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)";
  push.append(rows).append("]}");
  return push;
}

std::string with_text(Json row) {
  JsonWriter writer;
  writer.begin_object();
  for (const Json member : row) {
    writer.key(member.key());
    if (member.is_string() || member.key() == "biz_data") {
      writer.text(member.raw());
    } else {
      writer.raw(member.raw());
    }
  }
  writer.end_object();
  return writer.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  check(input);
  if (input.find("\"bizData\"") != std::string::npos) return 0;

  const auto document = JsonDocument::parse(input);
  const bool one = document && (*document)->root()["biz_data"].is_object();
  const auto events = check(push_of(input));
  if (!one || events.empty()) return 0;
  const Json row = (*document)->root();
  const auto texts = check(push_of(with_text(row)));
  checks::require(events.size() == 1 && texts.size() == 1);
  checks::check_same_row(events[0], texts[0]);
  checks::check_same_row(events[0], *dingcb::parse_row(checks::row_of(row)));
  return 0;
}
