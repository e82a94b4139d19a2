// JSON that was read: an immutable document, and Json, the view of a value in it.
#pragma once

#include <dingcb/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// What a JSON value is.
enum class JsonType : std::uint8_t { null, boolean, number, string, array, object };

namespace detail {

class Codec;
class JsonDocument;

// A value in a document. Values stand in one array in the order of the text: children follow their parent, and the next
// sibling follows the last descendant.
struct JsonNode {
  const char* text;    // string: unescaped; null, boolean, number: the literal; array, object: its part of the source
  const char* key;     // member name, unescaped; null where the parent is no object
  std::uint32_t size;  // bytes of text
  std::uint32_t key_size;  // bytes of key
  std::uint32_t span;      // this value and all its descendants
  JsonType type;
};

}  // namespace detail

/// A view of one JSON value, for fields that no struct names. It may stand for a value that does not exist, so that
/// look-ups chain without a test: `event.json()["order"]["items"].at(0)["price"].as_double()`.
/// Cheap to copy; valid as long as the Event (or document) it was taken from.
/// Texts are valid UTF-8 and may hold NUL characters.
class Json {
 public:
  class Iterator;

  /// Makes the view of a value that does not exist.
  Json() noexcept = default;

  /// Gives the type; JsonType::null also where the value does not exist.
  JsonType type() const noexcept { return node_ == nullptr ? JsonType::null : node_->type; }
  bool exists() const noexcept { return node_ != nullptr; }
  bool is_null() const noexcept { return exists() && type() == JsonType::null; }
  bool is_bool() const noexcept { return type() == JsonType::boolean; }
  bool is_number() const noexcept { return type() == JsonType::number; }
  bool is_string() const noexcept { return type() == JsonType::string; }
  bool is_array() const noexcept { return type() == JsonType::array; }
  bool is_object() const noexcept { return type() == JsonType::object; }

  /// Gives the member of an object, the last one where several have the same name. Names are compared byte by byte.
  /// Linear in the number of members.
  /// @return A view that does not exist where there is no such member, or where this is no object.
  DINGCB_API Json operator[](std::string_view name) const noexcept;

  /// Gives the element of an array (or the member of an object) at a position counted from 0. Linear in the position:
  /// iterate to see all of them.
  DINGCB_API Json at(std::size_t index) const noexcept;

  /// Counts elements or members; 0 for everything else. Linear in the result.
  DINGCB_API std::size_t size() const noexcept;

  /// The elements of an array, or the members of an object with their key(), in the order of the text.
  Iterator begin() const noexcept;
  Iterator end() const noexcept;

  /// Gives the name under which this value stands in its object; empty elsewhere.
  std::string_view key() const noexcept {
    return node_ == nullptr || node_->key == nullptr ? std::string_view()
                                                     : std::string_view(node_->key, node_->key_size);
  }

  /// Gives a string without quotes and escapes, a number or boolean as it is written, and "" for everything else.
  DINGCB_API std::string_view as_text() const noexcept;
  /// Gives a number, or the number that a string consists of. Exact: `1.5E12` and `3.0` are integers, `3.5` and what
  /// does not fit into 64 bits are not.
  DINGCB_API std::optional<std::int64_t> as_int64() const noexcept;
  /// Gives a number, or the number that a string consists of, correctly rounded whatever the locale is.
  DINGCB_API std::optional<double> as_double() const noexcept;
  /// Gives a boolean; the strings `true` and `false` and the numbers 0 and 1, also as strings, count as such.
  DINGCB_API std::optional<bool> as_bool() const noexcept;

  /// Gives the text of an array or object as it was received, white space and escapes included; of a string the same as
  /// as_text(), and of null, a number or a boolean the literal. Empty where the value does not exist.
  std::string_view raw() const noexcept {
    return node_ == nullptr ? std::string_view() : std::string_view(node_->text, node_->size);
  }

 private:
  friend class detail::Codec;
  friend class detail::JsonDocument;
  explicit Json(const detail::JsonNode* node) noexcept : node_(node) {}

  const detail::JsonNode* node_ = nullptr;
};

/// Goes from one child of a JSON value to the next.
class Json::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;  // from <string>; <iterator> costs as much as <vector>
  using value_type = Json;
  using difference_type = std::ptrdiff_t;
  using pointer = const Json*;
  using reference = Json;

  Iterator() noexcept = default;

  Json operator*() const noexcept { return Json(node_); }
  Iterator& operator++() noexcept {
    node_ += node_->span;
    return *this;
  }
  Iterator operator++(int) noexcept {  // NOLINT(cert-dcl21-cpp): const would make it no iterator for C++20
    const Iterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(Iterator left, Iterator right) noexcept { return left.node_ == right.node_; }
  friend bool operator!=(Iterator left, Iterator right) noexcept { return left.node_ != right.node_; }

 private:
  friend class Json;
  explicit Iterator(const detail::JsonNode* node) noexcept : node_(node) {}

  const detail::JsonNode* node_ = nullptr;
};

// A value without children spans itself alone, so that both ends are the same.
inline Json::Iterator Json::begin() const noexcept { return Iterator(node_ == nullptr ? nullptr : node_ + 1); }
inline Json::Iterator Json::end() const noexcept { return Iterator(node_ == nullptr ? nullptr : node_ + node_->span); }

namespace detail {

/// A JSON text and all its values. Immutable once it and the texts inside were read, so safe from any thread.
class JsonDocument {
 public:
  /// How deep arrays and objects may nest.
  static constexpr std::size_t kMaxDepth = 64;

  /// Reads a JSON text (RFC 8259, with or without a byte order mark). Linear in time; memory is at most 29 times the
  /// text, for texts without any content (`[1,1,1,...]`), and five times for ordinary ones.
  /// @error not_utf8, json_malformed, json_too_deep; input_too_large from 2 GB on. Messages name the position, never
  ///   the text.
  DINGCB_API static Result<std::shared_ptr<const JsonDocument>> parse(std::string source);

  /// Makes a document without a value; read() fills it.
  JsonDocument() noexcept = default;
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  /// Does what parse() does for a document that is part of something greater. For documents without a value.
  Error read(std::string source);
  /// Reads the JSON that a string of this document holds, and makes it part of the document. Many strings share a block
  /// of memory. Not while another thread reads the document.
  /// @return the string itself where it holds no JSON; any other value as it is.
  Json read_inside(Json value);

  Json root() const noexcept { return Json(root_); }
  std::string_view source() const noexcept { return source_; }

 private:
  class Builder;
  using Block = std::unique_ptr<JsonNode[]>;

  Error read(std::string_view text, const JsonNode*& root);

  std::string source_;
  const JsonNode* root_ = nullptr;
  // Memory for nodes, and for the copies of texts that strings are unescaped in. Most documents need the first alone.
  Block first_;
  std::vector<Block> more_;
  JsonNode* free_ = nullptr;  // what is left of the newest block
  JsonNode* free_end_ = nullptr;
};

}  // namespace detail
DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/json.ipp>
#endif
