// What happens to a text between DingTalk and the library, and how to undo it. A repair gives back its argument
// unchanged where there is nothing to undo.
#pragma once

#include <algorithm>
#include <cstddef>
#include <dingcb/error.hpp>
#include <string>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail::diagnosis {

/// The inputs of a signature, in the order of Push, and the token.
enum Field : unsigned { kSignature, kTimestamp, kNonce, kEncrypt, kToken };

inline std::string_view name_of(Field field) noexcept {
  constexpr std::string_view names[] = {"signature", "timestamp", "nonce", "encrypt", "token"};
  return names[field];
}

constexpr unsigned only(Field field) noexcept { return 1U << field; }
constexpr unsigned kPushed = only(kSignature) | only(kTimestamp) | only(kNonce) | only(kEncrypt);
constexpr unsigned kAnywhere = kPushed | only(kToken);

inline Suspect suspect_of(unsigned fields) noexcept {
  if ((fields & only(kEncrypt)) != 0) return Suspect::body;
  if ((fields & only(kSignature)) != 0) return Suspect::signature;
  if ((fields & only(kTimestamp)) != 0) return Suspect::timestamp;
  return (fields & only(kNonce)) != 0 ? Suspect::nonce : Suspect::token;
}

inline bool is_one_of(char c, std::string_view characters) noexcept {
  return characters.find(c) != std::string_view::npos;
}
inline bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
inline bool is_alphanumeric(char c) noexcept { return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
inline char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
inline int hex_value(char c) noexcept {
  const std::size_t value = std::string_view("0123456789abcdef").find(lower(c));
  return value == std::string_view::npos ? -1 : static_cast<int>(value);
}

inline bool all_digits(std::string_view text) noexcept { return std::all_of(text.begin(), text.end(), is_digit); }
inline bool all_alphanumeric(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), is_alphanumeric);
}
inline bool is_unix_time(std::string_view text) noexcept {
  return (text.size() == 10 || text.size() == 13) && all_digits(text);
}
inline bool is_hex_digest(std::string_view text) noexcept {
  return text.size() == 40 &&
         std::all_of(text.begin(), text.end(), [](char c) { return hex_value(c) >= 0 && c == lower(c); });
}

inline bool starts_with(std::string_view text, std::string_view start) noexcept {
  return text.substr(0, start.size()) == start;
}

inline std::string_view trim(std::string_view text) noexcept {
  // The last three come along when somebody copies from a web page: no-break, zero-width and ideographic space.
  constexpr std::string_view blanks[] = {" ", "\t", "\r", "\n", "\v", "\f", "\xC2\xA0", "\xE2\x80\x8B", "\xE3\x80\x80"};
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view blank : blanks) {
      for (; starts_with(text, blank); again = true) text.remove_prefix(blank.size());
      for (; text.size() >= blank.size() && text.substr(text.size() - blank.size()) == blank; again = true) {
        text.remove_suffix(blank.size());
      }
    }
  }
  return text;
}

inline std::string replace_each(std::string_view text, char from, char to) {
  std::string replaced(text);
  std::replace(replaced.begin(), replaced.end(), from, to);
  return replaced;
}

inline std::string without_line_breaks(std::string_view text) {
  std::string joined(text);
  joined.erase(std::remove_if(joined.begin(), joined.end(), [](char c) { return c == '\r' || c == '\n'; }),
               joined.end());
  return joined;
}

inline std::string with_line_endings(std::string_view text, std::string_view ending) {
  std::string changed;
  changed.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n') {
      changed.append(ending);
    } else {
      changed.push_back(text[i]);
    }
  }
  return changed;
}

/// Breaks lines as base64 encoders do; `ending` ends the last line too.
inline std::string wrap(std::string_view text, std::size_t width, std::string_view ending) {
  std::string joined = without_line_breaks(text);
  std::string wrapped;
  wrapped.reserve(joined.size() + joined.size() / width * ending.size() + ending.size());
  for (std::size_t i = 0; i < joined.size(); i += width) wrapped.append(joined, i, width).append(ending);
  return wrapped;
}

inline std::string without_last(std::string text, std::size_t count) {
  text.resize(text.size() - std::min(text.size(), count));
  return text;
}

inline std::string percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      decoded.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

inline std::string json_unescape(std::string_view text) {
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    plain.push_back(text[i]);
    if (text[i] != '\\' || i + 1 == text.size()) continue;
    if (const std::size_t letter = letters.find(text[i + 1]); letter != std::string_view::npos) {
      plain.back() = meanings[letter];
      ++i;
    } else if (text.substr(i + 1, 3) == "u00" && i + 5 < text.size() && hex_value(text[i + 4]) >= 0 &&
               hex_value(text[i + 5]) >= 0) {
      plain.back() = static_cast<char>(hex_value(text[i + 4]) * 16 + hex_value(text[i + 5]));
      i += 5;
    }
  }
  return plain;
}

/// The spellings under which an input travels.
inline const std::string_view (&spellings(Field field) noexcept)[2] {
  static constexpr std::string_view names[][2] = {{"signature", "msg_signature"},
                                                  {"timestamp", "timeStamp"},
                                                  {"nonce", "nonce"},
                                                  {"encrypt", "encrypt"},
                                                  {"token", "token"}};
  return names[field];
}

/// Finds the string of a JSON object's member; no parser, because a damaged body must do.
inline std::string json_member(std::string_view text, Field field) {
  for (const std::string_view name : spellings(field)) {
    const std::size_t found = text.find('"' + std::string(name) + '"');
    if (found == std::string_view::npos) continue;
    const std::string_view rest = text.substr(found + name.size() + 2);
    const std::size_t open = rest.find_first_not_of(" \t\r\n:");
    if (open == std::string_view::npos || rest[open] != '"') continue;
    std::size_t close = open + 1;
    while (close < rest.size() && rest[close] != '"') close += rest[close] == '\\' ? 2U : 1U;
    if (close < rest.size()) return json_unescape(rest.substr(open + 1, close - open - 1));
  }
  return std::string(text);
}

/// Finds the value in `name=value`, alone or in a query string or form.
inline std::string named_value(std::string_view text, Field field) {
  for (const std::string_view name : spellings(field)) {
    const std::string start = std::string(name) + '=';
    for (std::size_t at = text.find(start); at != std::string_view::npos; at = text.find(start, at + 1)) {
      if (at > 0 && !is_one_of(text[at - 1], "&?")) continue;
      const std::string_view value = text.substr(at + start.size());
      return percent_decode(value.substr(0, value.find('&')));
    }
  }
  return std::string(text);
}

inline std::string pad_base64(std::string_view text) {
  const auto breaks = std::count_if(text.begin(), text.end(), [](char c) { return is_one_of(c, "\r\n"); });
  const std::size_t last = (text.size() - static_cast<std::size_t>(breaks)) % 4;
  return std::string(text).append(last < 2 ? 0 : 4 - last, '=');
}

/// 1.4E12, 1445827045067.0 and 1,445,827,045,067 as the digits they were made of.
inline std::string plain_number(std::string_view text) {
  std::string digits;
  std::size_t point = std::string_view::npos;
  std::size_t exponent = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_digit(text[i])) {
      digits.push_back(text[i]);
    } else if (text[i] == '.' && point == std::string_view::npos) {
      point = digits.size();
    } else if (is_one_of(text[i], "eE")) {
      for (const char c : text.substr(i + 1)) {
        if (is_digit(c)) exponent = std::min<std::size_t>(exponent * 10 + static_cast<std::size_t>(c - '0'), 20);
      }
      break;
    } else if (!is_one_of(text[i], ",_' ")) {
      return std::string(text);
    }
  }
  if (digits.size() > 40) return std::string(text);
  digits.resize(std::min(point, digits.size()) + exponent, '0');
  return digits;
}

/// A row: the finding it proves where it helps, the inputs it makes sense for, and the way back.
struct Repair {
  std::string_view cause;
  unsigned fields;
  std::string (*undo)(std::string_view text, Field field);
};

// Most likely first: where many texts and tokens are to be tried, the effort may end before the list.
inline constexpr Repair kRepairs[] = {
    {"plus_became_space", only(kEncrypt) | only(kNonce),
     [](std::string_view text, Field) { return replace_each(text, ' ', '+'); }},
    {"percent_encoded", kAnywhere, [](std::string_view text, Field) { return percent_decode(text); }},
    {"whole_json_body", kPushed, json_member},
    {"name_left_in_value", kAnywhere, named_value},
    {"json_escapes_left", kAnywhere, [](std::string_view text, Field) { return json_unescape(text); }},
    {"surrounding_space", kAnywhere, [](std::string_view text, Field) { return std::string(trim(text)); }},
    {"quotes_left", kAnywhere,
     [](std::string_view text, Field) {
       const bool quoted = text.size() >= 2 && text.front() == text.back() && is_one_of(text.front(), "\"'`");
       return std::string(quoted ? text.substr(1, text.size() - 2) : text);
     }},
    {"byte_order_mark", kAnywhere,
     [](std::string_view text, Field) {
       return std::string(starts_with(text, "\xEF\xBB\xBF") ? text.substr(3) : text);
     }},
    {"nul_byte", kAnywhere,
     [](std::string_view text, Field) { return std::string(text.substr(0, text.find_last_not_of('\0') + 1)); }},
    {"upper_case_hex", only(kSignature),
     [](std::string_view text, Field) {
       std::string lowered(text);
       std::transform(text.begin(), text.end(), lowered.begin(), lower);
       return lowered;
     }},
    {"digest_prefix", only(kSignature),
     [](std::string_view text, Field) {
       const bool prefixed = text.size() > 40 && is_one_of(text[text.size() - 41], "=: ");
       return std::string(prefixed ? text.substr(text.size() - 40) : text);
     }},
    {"number_reprinted", only(kTimestamp), [](std::string_view text, Field) { return plain_number(text); }},
    {"seconds_became_milliseconds", only(kTimestamp),
     [](std::string_view text, Field) {
       const bool made = text.size() == 13 && all_digits(text) && text.substr(10) == "000";
       return std::string(made ? text.substr(0, 10) : text);
     }},
    {"milliseconds_became_seconds", only(kTimestamp),
     [](std::string_view text, Field) {
       return std::string(text).append(is_unix_time(text) && text.size() == 10 ? "000" : "");
     }},
    {"url_safe_alphabet", only(kEncrypt),
     [](std::string_view text, Field) { return replace_each(replace_each(text, '-', '+'), '_', '/'); }},
    {"padding_lost", only(kEncrypt), [](std::string_view text, Field) { return pad_base64(text); }},
    {"line_breaks_lost", only(kEncrypt), [](std::string_view text, Field) { return replace_each(text, ' ', '\n'); }},
    {"line_breaks_added", only(kEncrypt), [](std::string_view text, Field) { return without_line_breaks(text); }},
    {"line_endings_changed", only(kEncrypt),
     [](std::string_view text, Field) { return with_line_endings(text, "\n"); }},
    {"line_endings_changed", only(kEncrypt),
     [](std::string_view text, Field) { return with_line_endings(text, "\r\n"); }},
    {"line_breaks_lost", only(kEncrypt), [](std::string_view text, Field) { return std::string(text).append("\n"); }},
    {"line_breaks_lost", only(kEncrypt), [](std::string_view text, Field) { return std::string(text).append("\r\n"); }},
    {"line_breaks_lost", only(kEncrypt), [](std::string_view text, Field) { return wrap(text, 76, "\n"); }},
    {"line_breaks_lost", only(kEncrypt),
     [](std::string_view text, Field) { return without_last(wrap(text, 76, "\n"), 1); }},
    {"line_breaks_lost", only(kEncrypt), [](std::string_view text, Field) { return wrap(text, 76, "\r\n"); }},
    {"line_breaks_lost", only(kEncrypt),
     [](std::string_view text, Field) { return without_last(wrap(text, 76, "\r\n"), 2); }},
    {"line_breaks_lost", only(kEncrypt), [](std::string_view text, Field) { return wrap(text, 60, "\n"); }},
    {"line_breaks_lost", only(kEncrypt),
     [](std::string_view text, Field) { return without_last(wrap(text, 60, "\n"), 1); }},
    {"line_breaks_lost", only(kEncrypt), [](std::string_view text, Field) { return wrap(text, 64, "\n"); }},
};

}  // namespace detail::diagnosis
DINGCB_NAMESPACE_END
