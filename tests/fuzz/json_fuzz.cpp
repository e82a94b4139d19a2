// The JSON reader and the codecs: what is JSON, and nothing else, is read; what was read can be written and is read
// again the same; numbers are those of the C library; and a struct with fields of every type takes any of it.
#include <dingcb/detail/codec.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::Json;
using dingcb::JsonType;
using dingcb::detail::codec_of;
using dingcb::detail::Fit;
using dingcb::detail::JsonDocument;
using dingcb::detail::JsonWriter;
using dingcb::detail::Misfit;

enum class Scope { org, space };

struct Item {
  std::optional<std::int64_t> id;
  std::string name;
  std::vector<Item> items;
};

struct Everything {
  std::string text;
  std::optional<std::string> note;
  std::int64_t plain = 0;
  std::optional<std::int64_t> time;
  std::optional<double> price;
  std::optional<bool> active;
  dingcb::OpenEnum<Scope> scope;
  dingcb::RawJson extra;
  std::vector<std::string> texts;
  std::vector<double> numbers;
  std::vector<dingcb::RawJson> values;
  std::optional<Item> owner;
  std::vector<Item> items;
};

void require(bool holds) {
  if (!holds) std::abort();
}

/// The grammar of RFC 8259, written a second time; of strings it sees only where they end.
class Grammar {
 public:
  explicit Grammar(std::string_view text) : text_(text) {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
  }

  bool matches() {
    const bool value = element(0);
    return value && at_ == text_.size();
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void space() {
    while (take(' ') || take('\t') || take('\r') || take('\n')) {
    }
  }
  bool digits() {
    const std::size_t first = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > first;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits();
  }
  bool hexadecimal() {
    if (!take("\\u") || text_.size() - at_ < 4) return false;
    for (int i = 0; i < 4; ++i) {
      if (std::string_view("0123456789abcdefABCDEF").find(text_[at_++]) == std::string_view::npos) return false;
    }
    return true;
  }
  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      if (take('"')) return true;
      if (static_cast<unsigned char>(peek()) < 0x20) return false;
      if (peek() != '\\') {
        ++at_;
      } else if (text_.substr(at_, 2) == "\\u") {
        if (!hexadecimal()) return false;  // half a surrogate pair is read as U+FFFD
      } else {
        ++at_;
        if (std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos || peek() == '\0') return false;
        ++at_;
      }
    }
    return false;
  }
  bool element(std::size_t depth) {
    space();
    const bool value = this->value(depth);
    space();
    return value;
  }
  bool value(std::size_t depth) {
    switch (peek()) {
      case '"': return string();
      case 't': return take("true");
      case 'f': return take("false");
      case 'n': return take("null");
      case '[':
      case '{': return depth < JsonDocument::kMaxDepth && children(depth + 1);
      default: return number();
    }
  }
  bool children(std::size_t depth) {
    const bool object = take('{');
    if (!object) ++at_;
    const char end = object ? '}' : ']';
    space();
    if (take(end)) return true;
    do {
      if (object) {
        space();
        if (!string()) return false;
        space();
        if (!take(':')) return false;
      }
      if (!element(depth)) return false;
    } while (take(','));
    return take(end);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void check_number(Json json) {
  const std::string literal(json.raw());
  const double expected = std::strtod(literal.c_str(), nullptr);
  const auto number = json.as_double();
  require(number.has_value() == (std::isfinite(expected) != 0));
  if (number) require(*number == expected);
  const auto integer = json.as_int64();
  if (integer) require(static_cast<double>(*integer) == expected);
  if (literal.find_first_not_of("-0123456789") == std::string::npos && literal.size() < 19) {
    require(integer == std::strtoll(literal.c_str(), nullptr, 10));
  }
}

void rewrite(Json json, JsonWriter& writer) {
  switch (json.type()) {
    case JsonType::null:
    case JsonType::boolean: writer.raw(json.raw()); break;
    case JsonType::number:
      check_number(json);
      writer.raw(json.raw());
      break;
    case JsonType::string: writer.text(json.as_text()); break;
    case JsonType::array:
      writer.begin_array();
      for (const Json element : json) rewrite(element, writer);
      writer.end_array();
      break;
    case JsonType::object:
      writer.begin_object();
      for (const Json member : json) {
        writer.key(member.key());
        rewrite(member, writer);
      }
      writer.end_object();
      break;
  }
}

void require_same(Json left, Json right) {
  require(left.type() == right.type() && left.key() == right.key() && left.size() == right.size());
  if (left.is_array() || left.is_object()) {
    require(JsonDocument::parse(std::string(left.raw())).has_value());
    auto other = right.begin();
    for (const Json child : left) require_same(child, *other++);
  } else {
    require(left.raw() == right.raw());
    require(left.as_int64() == right.as_int64() && left.as_bool() == right.as_bool());
    require(left.as_double() == right.as_double());
  }
}

std::string written(const Everything& object) {
  JsonWriter writer;
  codec_of<Everything>().write(&object, writer);
  return writer.take();
}

}  // namespace

template <>
struct dingcb::EnumTraits<Scope> {
  static constexpr std::string_view texts[] = {"ORG", "SPACE"};
};

template <>
struct dingcb::EventTraits<Item> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id, "i");
    visit("name", self.name, "n");
    visit("items", self.items, "s");
  }
};

template <>
struct dingcb::EventTraits<Everything> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("text", self.text, "t");
    visit("note", self.note, "n");
    visit("plain", self.plain, "p");
    visit("time", self.time, "i", "time_stamp");
    visit("price", self.price, "d");
    visit("active", self.active, "b");
    visit("scope", self.scope, "e");
    visit("extra", self.extra, "r");
    visit("texts", self.texts, "T");
    visit("numbers", self.numbers, "D");
    visit("values", self.values, "R");
    visit("owner", self.owner, "o");
    visit("items", self.items, "s");
  }
};

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto document = JsonDocument::parse(text);
  if (!document) {
    const auto& error = document.error();
    const bool out_of_range = error.message.find("range of a double") != std::string_view::npos;
    require(error.code == dingcb::Errc::not_utf8 || out_of_range || !Grammar(text).matches());
    return 0;
  }
  require(Grammar(text).matches());
  const Json root = (*document)->root();
  require((*document)->source() == text);

  JsonWriter writer;
  rewrite(root, writer);
  const auto again = JsonDocument::parse(writer.take());
  require(again.has_value());
  require_same(root, (*again)->root());

  Everything object;
  Misfit misfit;
  const Fit fit = codec_of<Everything>().read(root, &object, misfit);
  if (fit == Fit::misfit) require(!dingcb::detail::misfit_error(misfit).message.empty());
  if (fit != Fit::filled) return 0;
  if (const auto scope = object.scope.known()) require(object.scope == *scope);

  // Depth aside, which the text of a RawJson adds to, what was read is written and read again the same.
  const std::string first = written(object);
  const auto back = JsonDocument::parse(first);
  if (!back) {
    require(back.error().code == dingcb::Errc::json_too_deep);
    return 0;
  }
  Everything copy;
  require(codec_of<Everything>().read((*back)->root(), &copy, misfit) == Fit::filled);
  require(written(copy) == first);
  return 0;
}
