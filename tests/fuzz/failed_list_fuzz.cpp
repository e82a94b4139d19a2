// parse_failed_list() with any text, such as the documents print.
//
// An input: the whole answer of the API; or, where it says nothing of "failed_list", the body of a push that failed.
#include "fuzz/event_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using dingcb::Errc;
using dingcb::Event;
using dingcb::detail::JsonDocument;
using dingcb::detail::JsonWriter;

std::vector<Event> check(const std::string& answer) {
  const auto parse = [](std::string text) -> dingcb::Result<std::vector<Event>> {
    auto list = dingcb::parse_failed_list(std::move(text));
    if (!list) return list.error();
    return list->events;
  };
  auto events = checks::check_parse(
      answer, parse,
      {Errc::not_utf8, Errc::json_malformed, Errc::json_too_deep, Errc::envelope_malformed, Errc::event_type_missing});
  if (events.empty()) return events;
  const auto document = JsonDocument::parse(answer);
  checks::check_raw(events, (*document)->root()["failed_list"], answer);
  for (const Event& event : events) checks::require(event.header().source == dingcb::Source::failed_list);
  return events;
}

/// An answer whose entry holds the body below `key`, or where `key` is empty below the type alone.
std::string answer_of(const std::string& body, std::string_view type, std::string_view key, bool text) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("errcode");
  writer.number(std::int64_t{0});
  writer.key("failed_list");
  writer.begin_array();
  writer.begin_object();
  writer.key("call_back_tag");
  writer.text(type);
  writer.key("event_time");
  writer.number(std::int64_t{1606126433000});
  writer.key(type);
  if (!key.empty()) {
    writer.begin_object();
    writer.key(key);
  }
  if (text) {
    writer.text(body);
  } else {
    writer.raw(body);
  }
  if (!key.empty()) writer.end_object();
  writer.end_object();
  writer.end_array();
  writer.end_object();
  return writer.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  check(input);
  if (input.find("\"failed_list\"") != std::string::npos) return 0;

  const auto push = dingcb::parse_push(input);
  if (!push || push->empty() || push->front().kind() == dingcb::Kind::unknown) return 0;
  const std::string type(push->front().type());
  // A mark stands at the beginning of a text only.
  const std::string body(push->front().json().raw());
  const checks::Typed pushed = checks::typed(push->front());
  for (const std::string_view key : {"", "callbackData", "bpmsCallBackData", "roleLabelChange"}) {
    for (const bool text : {false, true}) {
      const auto events = check(answer_of(body, type, key, text));
      if (events.empty()) continue;  // too deep
      checks::require(events.size() == 1 && events[0].kind() == push->front().kind());
      // Without a key, the body itself may hold one of the keys.
      if (key.empty()) continue;
      const checks::Typed failed = checks::typed(events[0]);
      checks::require((failed.object == nullptr) == (pushed.object == nullptr));
      if (failed.object != nullptr) checks::require(failed.http(failed.object, {}) == pushed.http(pushed.object, {}));
    }
  }
  return 0;
}
