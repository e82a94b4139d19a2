// What inputs and owner keys look like to a person who knows DingTalk.
#pragma once

#include <dingcb/impl/diagnosis_repairs.ipp>
#include <dingcb/impl/diagnosis_texts.ipp>
#include <dingcb/impl/keyring.ipp>

DINGCB_NAMESPACE_BEGIN
namespace detail::diagnosis {

/// What a text is as base64 of AES blocks.
enum class Shape { good, empty, foreign, cut };

inline Shape shape_of(std::string_view encrypt) noexcept {
  std::size_t digits = 0;
  std::size_t pads = 0;
  char last = 'A';
  for (const char c : encrypt) {
    if (is_one_of(c, "\r\n")) continue;
    if (c == '=') {
      ++pads;
    } else if (pads == 0 && (is_alphanumeric(c) || is_one_of(c, "+/"))) {
      ++digits;
      last = c;
    } else {
      return Shape::foreign;
    }
  }
  if (digits == 0 && pads == 0) return Shape::empty;
  // The digits in front of "=" and "==" that leave no bit over.
  if (digits == 0 || pads > 2 || (pads == 1 && !is_one_of(last, "AEIMQUYcgkosw048")) ||
      (pads == 2 && !is_one_of(last, "AQgw"))) {
    return Shape::foreign;
  }
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
  // An old CorpId is as long as an AppKey, but hardly any AppKey happens to have hex digits alone.
  if (hex && (rest.size() == 16 || rest.size() >= 30)) return OwnerKind::corp_id;
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

/// The configured owner keys with their kinds, masked.
inline Phrase list(const std::vector<Identity>& identities) {
  Phrase listed("");
  for (const Identity& identity : identities) {
    const OwnerKind kind = kind_of(identity.owner_key);
    const std::string key = mask(identity.owner_key);
    listed.en.append(listed.en.empty() ? "" : ", ").append(key);
    listed.zh.append(listed.zh.empty() ? "" : "、").append(key);
    if (kind == OwnerKind::other) continue;
    listed.en.append(" (").append(describe(kind).en).append(")");
    listed.zh.append("（").append(describe(kind).zh).append("）");
  }
  return listed;
}

inline bool same_but_case(std::string_view left, std::string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

inline bool is_typo(std::string_view left, std::string_view right) noexcept {
  if (left.size() != right.size() || left.size() < 12) return false;
  std::size_t differences = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i] != right[i]) ++differences;
  }
  return differences <= 2;
}

inline bool owns(const std::vector<Identity>& identities, std::string_view owner) noexcept {
  return std::any_of(identities.begin(), identities.end(),
                     [owner](const Identity& identity) { return identity.owner_key == owner; });
}

}  // namespace detail::diagnosis
DINGCB_NAMESPACE_END
