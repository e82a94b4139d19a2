// parse_stream() with any text, official frames to begin with; and the same frame as the SDK hands it over.
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

std::vector<Event> check(const std::string& frame) {
  const auto parse = [](std::string text) -> dingcb::Result<std::vector<Event>> {
    auto event = dingcb::parse_stream(std::move(text));
    if (!event) return event.error();
    return std::vector<Event>{*event};
  };
  auto events = checks::check_parse(
      frame, parse,
      {Errc::not_utf8, Errc::json_malformed, Errc::json_too_deep, Errc::envelope_malformed, Errc::event_type_missing});
  for (const Event& event : events) {
    checks::require(event.raw() == frame && event.header().source == dingcb::Source::stream);
    checks::require(!event.type().empty());
  }
  return events;
}

/// The frame with its facts in `headers`, and `data` as a text.
std::string as_headers(Json frame) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("headers");
  writer.begin_object();
  for (const char* key : {"eventId", "eventType", "eventCorpId", "eventUnifiedAppId", "eventBornTime"}) {
    if (!frame[key].exists()) continue;
    writer.key(key);
    writer.text(frame[key].as_text());
  }
  writer.end_object();
  writer.key("data");
  writer.text(frame["data"].raw());
  writer.end_object();
  return writer.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const auto events = check(input);
  if (events.empty()) return 0;
  const auto document = JsonDocument::parse(input);
  const Json root = (*document)->root();
  checks::require(events[0].json().exists() == root["data"].exists());
  if (!root["data"].is_object() || !root["eventType"].exists()) return 0;
  const auto others = check(as_headers(root));
  checks::require(others.size() == 1);
  checks::require(others[0].header().id == events[0].header().id && others[0].type() == events[0].type());
  checks::require(others[0].header().corp_id == events[0].header().corp_id);
  checks::require(others[0].header().ordering_key == events[0].header().ordering_key);
  const checks::Typed one = checks::typed(events[0]);
  const checks::Typed other = checks::typed(others[0]);
  checks::require((one.object == nullptr) == (other.object == nullptr));
  if (one.object != nullptr) checks::require(one.http(one.object, {}) == other.http(other.object, {}));
  return 0;
}
