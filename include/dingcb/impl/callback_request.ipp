// What a callback reads of a request before it knows who sent it: the query string, and `encrypt` in the body.
#pragma once

#include <dingcb/config.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// One value of a query string. Only what is percent-encoded is copied.
class QueryValue {
 public:
  QueryValue() = default;
  QueryValue(const QueryValue&) = delete;
  QueryValue& operator=(const QueryValue&) = delete;

  void assign(std::string_view decoded) noexcept { text_ = decoded; }

  /// @return false where the value is too long for any of DingTalk's parameters.
  bool decode(std::string_view encoded) noexcept {
    text_ = encoded;
    if (encoded.find('%') == std::string_view::npos) return true;
    if (encoded.size() > buffer_.size()) return false;
    std::size_t size = 0;
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      const int high = encoded[i] == '%' && i + 2 < encoded.size() ? digit(encoded[i + 1]) : -1;
      const int low = high >= 0 ? digit(encoded[i + 2]) : -1;
      buffer_[size++] = low < 0 ? encoded[i] : static_cast<char>(high * 16 + low);
      if (low >= 0) i += 2;
    }
    text_ = std::string_view(buffer_.data(), size);
    return true;
  }
  std::string_view text() const noexcept { return text_; }

 private:
  static int digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const int letter = c | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
  }

  std::array<char, 512> buffer_;
  std::string_view text_;
};

/// The three parameters of a push; of several with one name the first that is not empty. A `+` stays one: no form made
/// this query, and no parameter holds a space, which form decoding would make of it.
class Query {
 public:
  /// Takes values that are decoded already.
  Query(std::string_view signature, std::string_view timestamp, std::string_view nonce) noexcept {
    signature_.assign(signature);
    timestamp_.assign(timestamp);
    nonce_.assign(nonce);
  }

  /// @param rest the query as it came.
  explicit Query(std::string_view rest) noexcept {
    if (rest.substr(0, 1) == "?") rest.remove_prefix(1);
    while (!rest.empty()) {
      const std::string_view pair = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const std::size_t equals = std::min(pair.find('='), pair.size());
      QueryValue* const value = named(pair.substr(0, equals));
      if (value == nullptr || !value->text().empty()) continue;
      if (!value->decode(pair.substr(std::min(equals + 1, pair.size())))) fits_ = false;
    }
  }

  bool fits() const noexcept { return fits_; }
  std::string_view signature() const noexcept {
    return signature_.text().empty() ? msg_signature_.text() : signature_.text();
  }
  std::string_view timestamp() const noexcept { return timestamp_.text(); }
  std::string_view nonce() const noexcept { return nonce_.text(); }

 private:
  QueryValue* named(std::string_view name) noexcept {
    if (name == "signature") return &signature_;
    if (name == "msg_signature") return &msg_signature_;
    if (name == "timestamp" || name == "timeStamp") return &timestamp_;
    if (name == "nonce") return &nonce_;
    return nullptr;
  }

  QueryValue signature_;
  QueryValue msg_signature_;
  QueryValue timestamp_;
  QueryValue nonce_;
  bool fits_ = true;
};

/// Finds the text `encrypt` in the JSON object of a body. Whoever sent it is not known yet, so it costs one pass and,
/// but for an `encrypt` with escapes, no memory: everything else in it is skipped rather than checked.
class Body {
 public:
  explicit Body(std::string_view text) noexcept : rest_(text) {
    if (rest_.substr(0, 3) == "\xEF\xBB\xBF") rest_.remove_prefix(3);
  }

  /// @param buffer what `encrypt` may refer to afterwards.
  /// @return false where the body is no object, or has no such text; of several the last counts, as in any parser.
  bool find(std::string_view& encrypt, std::string& buffer) {
    if (!take('{')) return false;
    bool found = false;
    for (bool more = !take('}'); more;) {
      std::string_view key;
      std::string_view text;
      if (!take_string(key) || !take(':')) return false;
      const bool is_text = take_string(text);
      if (!is_text && !skip_value()) return false;
      if (key == "encrypt") {
        found = is_text;
        encrypt = text;
      }
      more = take(',');
      if (!more && !take('}')) return false;
    }
    skip_space();
    return found && rest_.empty() && unescape(encrypt, buffer);
  }

 private:
  static bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  void skip_space() noexcept {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }

  bool take(char c) noexcept {
    skip_space();
    const bool found = !rest_.empty() && rest_.front() == c;
    if (found) rest_.remove_prefix(1);
    return found;
  }

  /// Gives what stands between two quotes, escapes as they are. Takes nothing where there is none.
  bool take_string(std::string_view& text) noexcept {
    skip_space();
    if (rest_.empty() || rest_.front() != '"') return false;
    std::size_t from = 1;  // nothing before it ends the string
    std::size_t quote = rest_.find('"', from);
    while (quote != std::string_view::npos) {
      const void* const escape = std::memchr(rest_.data() + from, '\\', quote - from);
      if (escape == nullptr) {
        text = rest_.substr(1, quote - 1);
        rest_.remove_prefix(quote + 1);
        return true;
      }
      from = static_cast<std::size_t>(static_cast<const char*>(escape) - rest_.data()) + 2;
      if (quote < from) quote = rest_.find('"', from);
    }
    return false;
  }

  /// Skips a value that is no string.
  bool skip_value() noexcept {
    std::size_t depth = 0;
    std::string_view text;
    do {
      skip_space();
      if (rest_.empty()) return false;
      const char c = rest_.front();
      if (c == '{' || c == '[') {
        ++depth;
      } else if (depth == 0) {  // a number or a word
        const std::size_t size = std::min(rest_.find_first_of(",}] \t\r\n"), rest_.size());
        rest_.remove_prefix(size);
        return size != 0;
      } else if (c == '}' || c == ']') {
        --depth;
      } else if (c == '"') {
        if (!take_string(text)) return false;
        continue;
      }
      rest_.remove_prefix(1);
    } while (depth != 0);
    return true;
  }

  /// Base64 needs no escapes, but some writers escape `/`, and some even `+`.
  static bool unescape(std::string_view& text, std::string& buffer) {
    std::size_t escape = text.find('\\');
    if (escape == std::string_view::npos) return true;
    buffer.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
      if (i != escape) {
        buffer.append(text, i, escape - i);
        i = std::min(escape, text.size());
        continue;
      }
      const char c = text[i + 1];  // take_string() saw it
      i += 2;
      if (c == 'u') {
        unsigned code = 0;
        if (i + 4 > text.size() || std::from_chars(&text[i], &text[i] + 4, code, 16).ptr != &text[i] + 4) return false;
        if (code >= 0x80) return false;
        buffer += static_cast<char>(code);
        i += 4;
      } else {
        static constexpr std::string_view kFrom = "\"\\/bfnrt";
        static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
        const std::size_t known = kFrom.find(c);
        if (known == std::string_view::npos) return false;
        buffer += kTo[known];
      }
      escape = text.find('\\', i);
    }
    text = buffer;
    return true;
  }

  std::string_view rest_;
};

}  // namespace detail
DINGCB_NAMESPACE_END
