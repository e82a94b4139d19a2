// Which entry of the failed-push list tells of the same event as which HTTP push.
#pragma once

#include <dingcb/impl/event_keys.ipp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Collects the values of a body, without their keys: the two spell those in different ways.
inline void collect_values(Json json, std::vector<std::string_view>& values) {
  if (json.is_object() || json.is_array()) {
    for (const Json child : json) collect_values(child, values);
  } else if (!json.is_null() && !json.raw().empty()) {
    values.push_back(json.raw());
  }
}

/// Gives a digest of what happened, when, where and with which values; empty where the event does not say when, which
/// alone tells repetitions of one change apart.
inline std::string twin_key_of(const Event& event) {
  const EventHeader& header = event.header();
  const bool comparable = header.source == Source::http || header.source == Source::failed_list;
  if (!comparable || !header.born_ms || header.type.empty()) return std::string();
  const std::string born = std::to_string(*header.born_ms);
  std::vector<std::string_view> values;
  collect_values(event.json(), values);
  // A push has them inside of its body, an entry beside it.
  const auto in_header = [&](std::string_view value) {
    return value == header.type || value == header.corp_id || value == header.id || value == header.app_id ||
           value == born;
  };
  values.erase(std::remove_if(values.begin(), values.end(), in_header), values.end());
  std::sort(values.begin(), values.end());
  std::string text = join({header.type, header.corp_id, born});
  for (const std::string_view value : values)
    text.append("\n").append(std::to_string(value.size())).append(" ").append(value);
  return digest_of({text});
}

}  // namespace detail
DINGCB_NAMESPACE_END
