// Bodies of detail/json.hpp, on RapidJSON's SAX reader.
#pragma once

#include <dingcb/detail/json.hpp>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__APPLE__)
#include <xlocale.h>
#endif

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// The compiled form has a RapidJSON of its own, whatever version and macros the host's other libraries use. In the
// header-only form it is the host's, under the host's settings.
#if defined(DINGCB_COMPILED)
#define RAPIDJSON_NAMESPACE dingcb_rapidjson
#if defined(__SSE2__)
#define RAPIDJSON_SSE2
#endif
#endif
#include <rapidjson/error/error.h>
#include <rapidjson/internal/dtoa.h>
#include <rapidjson/reader.h>

DINGCB_NAMESPACE_BEGIN
namespace detail {

namespace rapid = RAPIDJSON_NAMESPACE;

/// RapidJSON's InsituStringStream, for texts with memory behind their end: kSlack bytes after the NUL may be read. Its
/// strings are scanned without waiting for an aligned address, which most strings are too short to reach.
class InsituText {
 public:
  using Ch = char;
  static constexpr std::size_t kSlack = 15;

  explicit InsituText(char* text) noexcept : src_(text), dst_(nullptr), head_(text) {}

  char Peek() const noexcept { return *src_; }
  char Take() noexcept { return *src_++; }
  std::size_t Tell() const noexcept { return static_cast<std::size_t>(src_ - head_); }
  void Put(char c) noexcept { *dst_++ = c; }
  char* PutBegin() noexcept { return dst_ = src_; }
  std::size_t PutEnd(const char* begin) noexcept { return static_cast<std::size_t>(dst_ - begin); }

  /// Moves to the next quote, backslash or control character, and what stands before it to where Put() writes.
  void scan() noexcept {
#if defined(__SSE2__)
    const __m128i last_control = _mm_set1_epi8(0x1F);
    for (;;) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(src_));
      const __m128i stops = _mm_or_si128(
          _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
          _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control));
      const auto found = static_cast<unsigned>(_mm_movemask_epi8(stops));
      if (found == 0) {
        if (dst_ != src_) _mm_storeu_si128(reinterpret_cast<__m128i*>(dst_), bytes);
        src_ += 16;
        dst_ += 16;
        continue;
      }
      const auto size = static_cast<std::size_t>(__builtin_ctz(found));
      if (dst_ != src_) {
        // Not all 16: what follows the stop is still to be read.
        for (std::size_t i = 0; i < size; ++i) dst_[i] = src_[i];
      }
      src_ += size;
      dst_ += size;
      return;
    }
#endif
  }

  const char* position() const noexcept { return src_; }

 private:
  char* src_;
  char* dst_;
  char* head_;
};

}  // namespace detail
DINGCB_NAMESPACE_END

RAPIDJSON_NAMESPACE_BEGIN
template <>
struct StreamTraits<dingcb::detail::InsituText> {
  enum { copyOptimization = 1 };
};
/// The reader's own hook for each kind of stream; it is given the same one twice.
template <>
template <>
inline void Reader::ScanCopyUnescapedString(dingcb::detail::InsituText& text, dingcb::detail::InsituText&) {
  text.scan();
}
RAPIDJSON_NAMESPACE_END

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// @return the length of the well-formed UTF-8 sequence at `text`, which is not ASCII; 0 where there is none.
inline std::size_t utf8_sequence(const char* text, std::size_t size) noexcept {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = at(0);
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || length > size) return 0;
  // The second byte alone decides about overlong forms, surrogates, and code points beyond the last.
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

/// @param unicode_escapes set where `\u` begins in them.
/// @return how many of the first bytes are printable ASCII.
inline std::size_t printable_ascii(const char* text, std::size_t size, bool& unicode_escapes) noexcept {
  std::size_t i = 0;
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(' ');
  __m128i escapes = _mm_setzero_si128();
  for (; i + 17 <= size; i += 16) {
    // Signed bytes: those beyond ASCII are below the space, too.
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i));
    if (_mm_movemask_epi8(_mm_cmplt_epi8(bytes, space)) != 0) break;
    const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i + 1));
    escapes = _mm_or_si128(
        escapes, _mm_and_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')), _mm_cmpeq_epi8(next, _mm_set1_epi8('u'))));
  }
  if (_mm_movemask_epi8(escapes) != 0) unicode_escapes = true;
#else
  for (; i + 8 <= size; i += 8) {
    constexpr std::uint64_t kEach = 0x0101010101010101;
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text + i, 8);
    if (((bytes | (bytes - kEach * ' ')) & kEach * 0x80) != 0) break;
    if (std::memchr(text + i, '\\', 8) != nullptr) unicode_escapes = true;  // perhaps
  }
#endif
  for (; i < size && static_cast<unsigned char>(text[i]) - 0x20U < 0x60U; ++i) {
    if (text[i] == '\\' && i + 1 < size && text[i + 1] == 'u') unicode_escapes = true;
  }
  return i;
}

inline Error json_error(Errc code, std::size_t position, std::string_view what) {
  std::string text = "the JSON text is wrong at byte ";
  text.append(std::to_string(position)).append(": ").append(what);
  return Error{code, Message(std::move(text)), nullptr};
}

/// Refuses what is no UTF-8, and control characters: RapidJSON takes NUL for the end, and overlooks some in strings.
/// Quicker by far than RapidJSON's own check.
/// @param unicode_escapes set where the text has any.
inline Error check_characters(std::string_view text, bool& unicode_escapes) {
  for (std::size_t i = 0;;) {
    i += printable_ascii(text.data() + i, text.size() - i, unicode_escapes);
    // Not back to the vector code after each character: those beyond ASCII come in runs.
    for (;;) {
      if (i == text.size()) return Error{};
      const auto byte = static_cast<unsigned char>(text[i]);
      if (byte >= 0x80) {
        const std::size_t length = utf8_sequence(text.data() + i, text.size() - i);
        if (length == 0) return json_error(Errc::not_utf8, i, "this is not UTF-8");
        i += length;
      } else if (byte == '\n' || byte == '\r' || byte == '\t') {
        ++i;
      } else if (byte < 0x20) {
        return json_error(Errc::json_malformed, i, "a control character");
      } else {
        break;
      }
    }
  }
}

inline std::string_view describe(rapid::ParseErrorCode code) noexcept {
  switch (code) {
    case rapid::kParseErrorDocumentEmpty:
    case rapid::kParseErrorValueInvalid: return "expected a value";
    case rapid::kParseErrorDocumentRootNotSingular: return "expected nothing more after the value";
    case rapid::kParseErrorObjectMissName: return "expected a member name in quotes";
    case rapid::kParseErrorObjectMissColon: return "expected ':' after the member name";
    case rapid::kParseErrorObjectMissCommaOrCurlyBracket: return "expected ',' or '}' after the member";
    case rapid::kParseErrorArrayMissCommaOrSquareBracket: return "expected ',' or ']' after the element";
    case rapid::kParseErrorStringUnicodeEscapeInvalidHex: return "expected four hexadecimal digits after \\u";
    case rapid::kParseErrorStringEscapeInvalid: return "expected another character, or an escape that JSON knows";
    case rapid::kParseErrorStringMissQuotationMark: return "expected '\"' at the end of the string";
    case rapid::kParseErrorNumberTooBig: return "expected a number within the range of a double";
    case rapid::kParseErrorNumberMissFraction: return "expected a digit after the decimal point";
    case rapid::kParseErrorNumberMissExponent: return "expected a digit in the exponent";
    default: return "expected JSON";
  }
}

constexpr bool is_hex(char c) noexcept { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/// What the reader calls with each value.
class JsonDocument::Builder {
 public:
  using Ch = char;

  Builder(JsonDocument& document, std::string_view text, bool unicode_escapes) : document_(document), text_(text) {
    const std::size_t scratch = (text.size() + 1 + InsituText::kSlack) / sizeof(JsonNode) + 1;
    // A push has a value for every 16 to 30 bytes; where there are more of them, the nodes move once or twice.
    const std::size_t least = scratch + text.size() / 16 + 16;
    if (static_cast<std::size_t>(document.free_end_ - document.free_) < least) {
      const bool first = document.first_ == nullptr;
      // The texts inside of a push are about two thirds of it, and need three times their own size.
      const std::size_t size = first ? least : std::max(least, 2 * document.source_.size() / sizeof(JsonNode));
      JsonDocument::Block& block = first ? document.first_ : document.more_.emplace_back();
      block = JsonDocument::Block(new JsonNode[size]);
      document.free_ = block.get();
      document.free_end_ = document.free_ + size;
    }
    scratch_ = reinterpret_cast<char*>(document.free_);
    nodes_ = document.free_ + scratch;
    end_ = document.free_end_;
    char* const end = scratch_ + text.copy(scratch_, text.size());
    std::fill(end, reinterpret_cast<char*>(nodes_), '\0');
    if (unicode_escapes) mend_surrogates();
  }

  /// @param root what the text is.
  Error run(const JsonNode*& root) {
    const std::size_t mark = text_.compare(0, 3, "\xEF\xBB\xBF") == 0 ? 3 : 0;
    InsituText stream(scratch_ + mark);
    stream_ = &stream;
    // Not the iterative reader, which is slower: open() ends the recursion at 64 levels. In situ, no reader allocates.
    rapid::Reader reader;
    constexpr unsigned kFlags = rapid::kParseInsituFlag | rapid::kParseNumbersAsStringsFlag;
    const rapid::ParseResult result = reader.Parse<kFlags>(stream, *this);
    if (result.IsError()) {
      const std::size_t position = mark + result.Offset();
      if (too_deep_) return json_error(Errc::json_too_deep, position - 1, "nested deeper than 64 levels");
      return json_error(Errc::json_malformed, position, describe(result.Code()));
    }
    root = nodes_;
    document_.free_ = nodes_ + count_;
    document_.free_end_ = end_;
    if (grown_ != nullptr) document_.more_.push_back(std::move(grown_));
    return Error{};
  }

  bool Null() { return add(JsonType::null, "null", 4); }
  bool Bool(bool value) { return value ? add(JsonType::boolean, "true", 4) : add(JsonType::boolean, "false", 5); }
  bool RawNumber(const char* text, rapid::SizeType size, bool) { return add(JsonType::number, text, size); }
  bool String(const char* text, rapid::SizeType size, bool) { return add(JsonType::string, text, size); }
  bool Key(const char* text, rapid::SizeType size, bool) {
    key_ = text;
    key_size_ = size;
    return true;
  }
  bool StartObject() { return open(JsonType::object); }
  bool EndObject(rapid::SizeType) { return close(); }
  bool StartArray() { return open(JsonType::array); }
  bool EndArray(rapid::SizeType) { return close(); }

  // The reader wants them; it has numbers as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  bool add(JsonType type, const char* text, std::size_t size) {
    if (nodes_ + count_ == end_) grow();
    nodes_[count_++] = {text, key_, static_cast<std::uint32_t>(size), key_size_, 1, type};
    key_ = nullptr;
    key_size_ = 0;
    return true;
  }

  bool open(JsonType type) {
    if (depth_ == kMaxDepth) {
      too_deep_ = true;
      return false;
    }
    parents_[depth_++] = static_cast<std::uint32_t>(count_);
    return add(type, here() - 1, 0);
  }

  bool close() {
    JsonNode& node = nodes_[parents_[--depth_]];
    node.size = static_cast<std::uint32_t>(here() - node.text);
    node.span = static_cast<std::uint32_t>(count_ - parents_[depth_]);
    return true;
  }

  /// @return where the reader stands, behind the bracket; in the text, because the copy has changed.
  const char* here() const noexcept { return text_.data() + (stream_->position() - scratch_); }

  /// Makes U+FFFD of each escape that is half a surrogate pair. Senders cut texts in the middle of an emoji, and no
  /// push is worth losing for that; RapidJSON refuses the first half, and makes no UTF-8 of the second.
  void mend_surrogates() noexcept {
    char* const end = scratch_ + text_.size();
    const auto surrogate = [end](const char* at) {  // its third digit, in lower case; 0 where there is none
      if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || (at[2] | 0x20) != 'd') return 0;
      if (!is_hex(at[4]) || !is_hex(at[5])) return 0;
      const int digit = at[3] | 0x20;
      return digit == '8' || digit == '9' || (digit >= 'a' && digit <= 'f') ? digit : 0;
    };
    for (char* at = scratch_; at < end; at += 2) {
      at = static_cast<char*>(std::memchr(at, '\\', static_cast<std::size_t>(end - at)));
      if (at == nullptr) return;
      const int first = surrogate(at);
      if (first == 0) continue;
      if (first <= 'b' && surrogate(at + 6) >= 'c') {
        at += 10;
      } else {
        std::copy_n("fffd", 4, at + 2);
      }
    }
  }

  void grow() {
    const std::size_t capacity = 2 * count_;
    JsonDocument::Block nodes(new JsonNode[capacity]);
    std::memcpy(static_cast<void*>(nodes.get()), nodes_, count_ * sizeof(JsonNode));
    nodes_ = nodes.get();
    end_ = nodes_ + capacity;
    grown_ = std::move(nodes);
  }

  JsonDocument& document_;
  const std::string_view text_;
  InsituText* stream_ = nullptr;
  char* scratch_ = nullptr;
  JsonNode* nodes_ = nullptr;
  JsonNode* end_ = nullptr;    // of the room for nodes
  JsonDocument::Block grown_;  // all nodes, where the room did not suffice
  std::size_t count_ = 0;
  const char* key_ = nullptr;
  std::uint32_t key_size_ = 0;
  bool too_deep_ = false;
  std::size_t depth_ = 0;
  std::uint32_t parents_[kMaxDepth];
};

DINGCB_INLINE Error JsonDocument::read(std::string_view text, const JsonNode*& root) {
  // Sizes and spans have 32 bits, and RapidJSON counts the digits of a number in an int.
  if (text.size() > 0x7FFFFFFF) {
    return Error{Errc::input_too_large, Message::literal("the JSON text is larger than 2 GB"), nullptr};
  }
  bool unicode_escapes = false;
  Error error = check_characters(text, unicode_escapes);
  return error.code != Errc{} ? error : Builder(*this, text, unicode_escapes).run(root);
}

DINGCB_INLINE Error JsonDocument::read(std::string source) {
  source_ = std::move(source);
  return read(source_, root_);
}

DINGCB_INLINE Json JsonDocument::read_inside(Json value) {
  if (!value.is_string()) return value;
  const JsonNode* root = nullptr;
  return read(value.raw(), root).code == Errc{} ? Json(root) : value;
}

DINGCB_INLINE Result<std::shared_ptr<const JsonDocument>> JsonDocument::parse(std::string source) {
  auto document = std::make_shared<JsonDocument>();
  Error error = document->read(std::move(source));
  if (error.code != Errc{}) return error;
  return std::shared_ptr<const JsonDocument>(std::move(document));
}

/// @return whether a text is a number as JSON writes them, leading zeros aside, which are common in ids.
inline bool is_number(std::string_view text) noexcept {
  std::size_t i = 0;
  const auto take = [&](char first, char second) {
    const bool taken = i < text.size() && (text[i] == first || text[i] == second);
    i += taken ? 1 : 0;
    return taken;
  };
  const auto digits = [&] {
    const std::size_t begin = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i > begin;
  };
  take('-', '-');
  if (!digits()) return false;
  if (take('.', '.') && !digits()) return false;
  if (take('e', 'E')) {
    take('+', '-');
    if (!digits()) return false;
  }
  return i == text.size();
}

/// Reads an integer exactly, however it is written: `12`, `1.2E1`, `120e-1`.
inline std::optional<std::int64_t> parse_int64(std::string_view text) noexcept {
  // Nearly all numbers are a few digits.
  if (text.size() - 1 < 18) {
    std::int64_t value = 0;
    std::size_t i = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) value = value * 10 + (text[i] - '0');
    if (i == text.size()) return value;
  }
  if (!is_number(text)) return std::nullopt;
  const bool negative = text[0] == '-';
  if (negative) text.remove_prefix(1);
  const std::size_t end = std::min(text.find_first_of("eE"), text.size());

  // The number is `value` times ten to the power of `exponent`. Zeros wait until another digit follows, so that those
  // at the end cost no precision.
  std::uint64_t value = 0;
  std::int64_t exponent = 0;
  bool overflow = false;
  const auto scale = [&](std::int64_t power) {
    for (; power > 0 && value != 0 && !overflow; --power) {
      overflow = value > UINT64_MAX / 10;
      value *= 10;
    }
  };
  std::int64_t zeros = 0;
  bool fraction = false;
  for (const char c : text.substr(0, end)) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    if (fraction) --exponent;
    ++zeros;
    if (c == '0') continue;
    scale(zeros);
    zeros = 0;
    const auto digit = static_cast<unsigned>(c - '0');
    overflow = overflow || value > UINT64_MAX - digit;
    value += digit;
  }
  if (end < text.size()) {
    const bool down = text[end + 1] == '-';
    std::int64_t power = 0;
    for (const char c : text.substr(end + 1)) {
      if (c >= '0') power = std::min<std::int64_t>(power * 10 + (c - '0'), std::int64_t{1} << 40);
    }
    exponent += down ? -power : power;
  }
  exponent += zeros;
  if (value == 0 && !overflow) return 0;
  if (exponent < 0) return std::nullopt;
  scale(exponent);
  const std::uint64_t limit = std::uint64_t{INT64_MAX} + (negative ? 1 : 0);
  if (overflow || value > limit) return std::nullopt;
  return static_cast<std::int64_t>(negative ? ~value + 1 : value);
}

/// Not RapidJSON, whose conversion reads out of bounds for large exponents.
/// @param text ends with a character that is no part of a number, as it always does inside a document.
inline std::optional<double> parse_double(std::string_view text) noexcept {
  if (!is_number(text)) return std::nullopt;
#if defined(_WIN32)
  static const _locale_t plain = _create_locale(LC_ALL, "C");
  const double value = _strtod_l(text.data(), nullptr, plain);
#else
  static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
  const double value = strtod_l(text.data(), nullptr, plain);
#endif
  if (value - value != 0) return std::nullopt;  // infinite
  return value;
}

}  // namespace detail

DINGCB_INLINE Json Json::operator[](std::string_view name) const noexcept {
  Json found;
  if (!is_object()) return found;
  for (const Json member : *this) {
    if (member.key() == name) found = member;
  }
  return found;
}

DINGCB_INLINE Json Json::at(std::size_t index) const noexcept {
  for (const Json child : *this) {
    if (index-- == 0) return child;
  }
  return Json();
}

DINGCB_INLINE std::size_t Json::size() const noexcept {
  std::size_t count = 0;
  for (Iterator child = begin(); child != end(); ++child) ++count;
  return count;
}

DINGCB_INLINE std::string_view Json::as_text() const noexcept {
  return is_string() || is_number() || is_bool() ? raw() : std::string_view();
}

DINGCB_INLINE std::optional<std::int64_t> Json::as_int64() const noexcept {
  return is_number() || is_string() ? detail::parse_int64(raw()) : std::nullopt;
}

DINGCB_INLINE std::optional<double> Json::as_double() const noexcept {
  return is_number() || is_string() ? detail::parse_double(raw()) : std::nullopt;
}

DINGCB_INLINE std::optional<bool> Json::as_bool() const noexcept {
  const std::string_view text = as_text();
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

DINGCB_NAMESPACE_END
