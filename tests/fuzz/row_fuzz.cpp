// parse_row() with any columns.
//
// An input: a row as JSON, such as the official ones; or else biz_type, gmt_modified, open_cursor, subscribe_id,
// corp_id and biz_id, each ended by byte 0x1E, and the rest is biz_data.
#include "fuzz/event_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using dingcb::Event;

std::string next_text(std::string_view& input) {
  const std::size_t end = input.find('\x1e');
  std::string text(input.substr(0, end));
  input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  return text;
}

dingcb::PushRow columns_of(const std::string& input) {
  if (const auto document = dingcb::detail::JsonDocument::parse(input)) return checks::row_of((*document)->root());
  std::string_view rest = input;
  const auto next_number = [&rest] { return std::strtoll(next_text(rest).c_str(), nullptr, 10); };
  dingcb::PushRow row;
  row.biz_type = next_number();
  row.gmt_modified_ms = next_number();
  row.open_cursor = next_number();
  row.subscribe_id = next_text(rest);
  row.corp_id = next_text(rest);
  row.biz_id = next_text(rest);
  row.biz_data = rest;
  return row;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const dingcb::PushRow row = columns_of(input);
  const auto parse = [&row](const std::string&) -> dingcb::Result<std::vector<Event>> {
    const dingcb::PushRow copy = row;
    return std::vector<Event>{dingcb::parse_row(copy).value()};  // never refused
  };
  const auto events = checks::check_parse(input, parse, {});
  const Event& event = events.at(0);
  const dingcb::EventHeader& header = event.header();
  checks::require(event.raw() == row.biz_data && header.source == dingcb::Source::rds);
  checks::require(header.biz_type == row.biz_type && header.biz_id == row.biz_id);
  checks::require(header.subscribe_id == row.subscribe_id && header.open_cursor == row.open_cursor);
  checks::require(row.corp_id.empty() || header.corp_id == row.corp_id);

  // A row that was replaced is another event about the same object.
  dingcb::PushRow later = row;
  later.gmt_modified_ms ^= 1;
  const auto replaced = dingcb::parse_row(later);
  checks::require(replaced->header().dedup_key != header.dedup_key);
  checks::require(replaced->header().ordering_key == header.ordering_key);
  return 0;
}
