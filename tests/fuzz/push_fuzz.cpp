// parse_push() with any text, official bodies of HTTP pushes to begin with.
#include "fuzz/event_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dingcb::Errc;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const auto events = checks::check_parse(
      input, dingcb::parse_push,
      {Errc::not_utf8, Errc::json_malformed, Errc::json_too_deep, Errc::envelope_malformed, Errc::event_type_missing});
  if (events.empty() || events[0].header().source != dingcb::Source::http) return 0;
  checks::require(events.size() == 1 && events[0].raw() == input && !events[0].type().empty());
  return 0;
}
