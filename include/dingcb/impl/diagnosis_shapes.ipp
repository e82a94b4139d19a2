// What inputs and owner keys look like to a person who knows DingTalk.
#pragma once

#include <dingcb/impl/aes.ipp>
#include <dingcb/impl/diagnosis_repairs.ipp>
#include <dingcb/impl/diagnosis_texts.ipp>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// What a text is as base64 of AES blocks.
enum class Shape { good, empty, foreign, cut };

inline Shape shape_of(std::string_view encrypt) noexcept {
  std::size_t digits = 0;
  std::size_t pads = 0;
  for (const char c : encrypt) {
    if (is_one_of(c, "\r\n")) continue;
    if (c == '=') {
      ++pads;
    } else if (pads == 0 && (is_alphanumeric(c) || is_one_of(c, "+/"))) {
      ++digits;
    } else {
      return Shape::foreign;
    }
  }
  if (digits == 0) return pads == 0 ? Shape::empty : Shape::foreign;
  if (pads > 2) return Shape::foreign;
  return (digits + pads) % 4 == 0 && (digits * 3 / 4) % kAesBlock == 0 ? Shape::good : Shape::cut;
}

/// What an owner key looks like.
enum class OwnerKind { app_key, corp_id, suite_key, preset, other };

inline OwnerKind kind_of(std::string_view key) noexcept {
  const auto lower_case = [](char c) { return is_alphanumeric(c) && c == lower(c); };
  if (!std::all_of(key.begin(), key.end(), lower_case)) {
    return key == "CREATE_SUITE_KEY" ? OwnerKind::preset : OwnerKind::other;
  }
  // The documents' own placeholder, which is what the platform seals while a suite has no key yet.
  if (key == "suite4xxxxxxxxxxxxxxx") return OwnerKind::preset;
  if (starts_with(key, "suite") && key.size() > 8) return OwnerKind::suite_key;
  if (!starts_with(key, "ding")) return OwnerKind::other;
  const std::string_view rest = key.substr(4);
  const bool hex = std::all_of(rest.begin(), rest.end(), [](char c) { return hex_value(c) >= 0; });
  if (rest.size() >= 30 && rest.size() <= 36 && hex) return OwnerKind::corp_id;
  return rest.size() == 16 ? OwnerKind::app_key : OwnerKind::other;
}

inline Phrase describe(OwnerKind kind) {
  switch (kind) {
    case OwnerKind::app_key: return "AppKey";
    case OwnerKind::corp_id: return "CorpId";
    case OwnerKind::suite_key: return "SuiteKey";
    case OwnerKind::preset: return {"a preset key", "预置 key"};
    case OwnerKind::other: break;
  }
  return {"a customKey or something else", "customKey 或其他"};
}

/// An owner key as it may be shown. What does not look like a key could be a piece of the message, where its length is
/// wrong.
inline std::string show(std::string_view key) {
  const bool plausible =
      std::all_of(key.begin(), key.end(), [](char c) { return is_alphanumeric(c) || is_one_of(c, "-_"); });
  return plausible ? mask(key) : "****";
}

}  // namespace detail
DINGCB_NAMESPACE_END
