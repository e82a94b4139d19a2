// Bodies of detail/codec.hpp.
#pragma once

#include <dingcb/detail/codec.hpp>
#include <dingcb/impl/json.ipp>

#include <array>
#include <cstring>

DINGCB_NAMESPACE_BEGIN
namespace detail {

DINGCB_INLINE Error misfit_error(const Misfit& misfit) {
  std::string text = misfit.path.empty() ? "the event" : "field \"" + misfit.path + "\"";
  text.append(" does not fit: expected ").append(misfit.expected).append(", found ").append(misfit.found);
  return Error{Errc::field_unfit, Message(std::move(text)), nullptr};
}

inline Fit unfit(Misfit& misfit, const char* expected, Json found) {
  static constexpr std::array<const char*, 6> kNames{"null", "a boolean", "a number", "a text", "a list", "an object"};
  misfit.expected = expected;
  misfit.found = kNames[static_cast<std::size_t>(found.type())];
  return Fit::misfit;
}

/// Puts a step before the path; reading finds the inmost step first.
inline void prefix(Misfit& misfit, std::string step) {
  if (!misfit.path.empty() && misfit.path[0] != '[') step += '.';
  misfit.path.insert(0, step);
}

/// Looks into a text that holds JSON of the type that is expected, as long as this object lives.
class Embedded {
 public:
  Embedded(Json& json, JsonType type, Misfit& misfit) : misfit_(misfit) {
    // A struct that contains itself could be read from texts within texts without end, and the stack has one.
    if (!json.is_string() || misfit.texts == kMaxTexts) return;
    const std::string_view text = json.raw();
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos || text[start] != (type == JsonType::array ? '[' : '{')) return;
    auto document = JsonDocument::parse(std::string(text));
    if (!document) return;
    document_ = *std::move(document);
    json = document_->root();
    ++misfit.texts;
  }
  Embedded(const Embedded&) = delete;
  Embedded& operator=(const Embedded&) = delete;
  ~Embedded() {
    if (document_) --misfit_.texts;
  }

 private:
  static constexpr std::uint8_t kMaxTexts = 4;

  Misfit& misfit_;
  std::shared_ptr<const JsonDocument> document_;
};

inline bool is_absent(Json json) noexcept {
  return json.type() == JsonType::null || (json.is_string() && json.raw().empty());
}

DINGCB_INLINE Fit read_value(Json json, std::string& value, Misfit& misfit) {
  switch (json.type()) {
    case JsonType::null: return Fit::absent;
    case JsonType::array:
    case JsonType::object: return unfit(misfit, "a text", json);
    default: value = json.raw(); return Fit::filled;
  }
}

template <class T>
Fit read_number(Json json, std::optional<T> number, T& value, const char* expected, Misfit& misfit) {
  if (is_absent(json)) return Fit::absent;
  if (!number) return unfit(misfit, expected, json);
  value = *number;
  return Fit::filled;
}

DINGCB_INLINE Fit read_value(Json json, std::int64_t& value, Misfit& misfit) {
  return read_number(json, json.as_int64(), value, "an integer of 64 bits", misfit);
}

DINGCB_INLINE Fit read_value(Json json, double& value, Misfit& misfit) {
  return read_number(json, json.as_double(), value, "a number", misfit);
}

DINGCB_INLINE Fit read_value(Json json, bool& value, Misfit& misfit) {
  return read_number(json, json.as_bool(), value, "a boolean", misfit);
}

DINGCB_INLINE Fit read_value(Json json, RawJson& value, Misfit&) {
  if (json.type() == JsonType::null) return Fit::absent;
  if (json.is_string()) {
    JsonWriter writer;
    writer.text(json.raw());
    value.text = writer.take();
  } else {
    value.text = json.raw();
  }
  return Fit::filled;
}

DINGCB_INLINE Fit read_list(Json json, void* list, const ListOps& ops, Misfit& misfit) {
  if (is_absent(json)) return Fit::absent;
  const Embedded embedded(json, JsonType::array, misfit);
  if (!json.is_array()) {
    // A list of one is often written as its element.
    const Fit fit = ops.element->read(json, ops.append(list), misfit);
    if (fit != Fit::filled) ops.remove(list);
    if (fit == Fit::misfit && misfit.path.empty()) misfit.expected = "a list";
    return fit;
  }
  std::size_t i = 0;
  for (const Json element : json) {
    if (element.type() != JsonType::null) {
      const Fit fit = ops.element->read(element, ops.append(list), misfit);
      if (fit != Fit::filled) ops.remove(list);
      if (fit == Fit::misfit) {
        prefix(misfit, "[" + std::to_string(i) + "]");
        return fit;
      }
    }
    ++i;
  }
  return Fit::filled;
}

DINGCB_INLINE void write_value(const std::string& value, JsonWriter& writer) { writer.text(value); }
DINGCB_INLINE void write_value(std::int64_t value, JsonWriter& writer) { writer.number(value); }
DINGCB_INLINE void write_value(double value, JsonWriter& writer) { writer.number(value); }
DINGCB_INLINE void write_value(bool value, JsonWriter& writer) { writer.boolean(value); }

DINGCB_INLINE void write_value(const RawJson& value, JsonWriter& writer) {
  // A text that a program made may be anything; what is written is JSON all the same.
  if (value.text.empty()) {
    writer.null();
  } else if (JsonDocument::parse(value.text)) {
    writer.raw(value.text);
  } else {
    writer.text(value.text);
  }
}

DINGCB_INLINE void write_list(const void* elements, std::size_t count, const ListOps& ops, JsonWriter& writer) {
  writer.begin_array();
  const char* const first = static_cast<const char*>(elements);
  for (std::size_t i = 0; i < count; ++i) ops.element->write(first + i * ops.size, writer);
  writer.end_array();
}

DINGCB_INLINE void TableBuilder::add(const void* field, const ValueOps& ops, std::initializer_list<const char*> keys) {
  const auto begin = reinterpret_cast<std::uintptr_t>(object_);
  const auto place = reinterpret_cast<std::uintptr_t>(field);
  if (place < begin || place >= begin + size_) {
    codec_.stray_ = *keys.begin();
    return;
  }
  std::uint32_t rank = 0;
  for (const char* key : keys) {
    codec_.spellings_.push_back({key, static_cast<std::uint32_t>(codec_.fields_.size()), rank++});
  }
  codec_.fields_.push_back({*keys.begin(), &ops, place - begin});
}

/// Looks at both ends of a key, where those of one struct differ. Nobody but the author of a struct chooses what stands
/// in its table, so that keys made to collide only find the same few places taken.
inline std::size_t hash_key(std::string_view key) noexcept {
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  if (key.size() >= 8) {
    std::memcpy(&head, key.data(), 8);
    std::memcpy(&tail, key.data() + key.size() - 8, 8);
  } else if (key.size() >= 4) {
    std::memcpy(&head, key.data(), 4);
    std::memcpy(&tail, key.data() + key.size() - 4, 4);
  } else {
    for (const char c : key) head = head << 8 | static_cast<unsigned char>(c);
  }
  const std::uint64_t mixed = (head ^ tail << 7 ^ tail >> 57 ^ key.size()) * 0x9E3779B97F4A7C15;
  return static_cast<std::size_t>(mixed >> 32);
}

DINGCB_INLINE void Codec::index() {
  std::size_t places = 2;
  while (places < 2 * spellings_.size()) places *= 2;
  std::vector<Spelling> table(places, Spelling{{}, 0, 0});
  for (const Spelling& spelling : spellings_) {
    std::size_t place = hash_key(spelling.key);
    while (table[place & (places - 1)].key.data() != nullptr) ++place;
    table[place & (places - 1)] = spelling;
  }
  spellings_ = std::move(table);
}

/// The member that a field is read from: the one with the best spelling, and of those the last. Old and new spellings
/// may stand side by side, and an empty text says nothing then.
struct Codec::Found {
  const JsonNode* member;
  const Spelling* spelling;
  bool empty;
};

inline void Codec::find(Json json, Found* found) const noexcept {
  const std::size_t mask = spellings_.size() - 1;
  for (const Json member : json) {
    if (member.type() == JsonType::null) continue;
    const std::string_view key = member.key();
    const bool empty = is_absent(member);
    for (std::size_t place = hash_key(key);; ++place) {
      const Spelling& spelling = spellings_[place & mask];
      if (spelling.key.data() == nullptr) break;
      if (spelling.key != key) continue;  // a key may belong to several fields
      Found& best = found[spelling.field];
      if (best.spelling == nullptr || (empty == best.empty ? spelling.rank <= best.spelling->rank : best.empty)) {
        best = {member.node_, &spelling, empty};
      }
    }
  }
}

DINGCB_INLINE Fit Codec::read(Json json, void* object, Misfit& misfit) const {
  if (is_absent(json)) return Fit::absent;
  const Embedded embedded(json, JsonType::object, misfit);
  if (!json.is_object()) return unfit(misfit, "an object", json);
  if (!stray_.empty()) {
    misfit.path = stray_;
    misfit.expected = "a member of the struct";
    misfit.found = "another variable in its fields()";
    return Fit::misfit;
  }

  std::array<Found, 64> few;
  std::vector<Found> many(fields_.size() > few.size() ? fields_.size() : 0);
  Found* const found = many.empty() ? few.data() : many.data();
  for (std::size_t i = 0; i < fields_.size(); ++i) found[i] = {nullptr, nullptr, false};
  find(json, found);
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (found[i].spelling == nullptr) continue;
    const Field& field = fields_[i];
    if (field.ops->read(Json(found[i].member), static_cast<char*>(object) + field.offset, misfit) == Fit::misfit) {
      prefix(misfit, std::string(found[i].spelling->key));
      return Fit::misfit;
    }
  }
  return Fit::filled;
}

DINGCB_INLINE Fit Codec::read_absent(std::string_view key, Json json, void* object, Misfit& misfit) const {
  for (const Field& field : fields_) {
    if (field.key != key) continue;
    void* const value = static_cast<char*>(object) + field.offset;
    if (field.ops->present(value)) return Fit::absent;
    const Fit fit = field.ops->read(json, value, misfit);
    if (fit == Fit::misfit) prefix(misfit, std::string(key));
    return fit;
  }
  return Fit::absent;
}

DINGCB_INLINE bool Codec::present(std::string_view key, const void* object) const {
  for (const Field& field : fields_) {
    if (field.key == key) return field.ops->present(static_cast<const char*>(object) + field.offset);
  }
  return false;
}

DINGCB_INLINE bool Codec::present(const void* object) const {
  for (const Field& field : fields_) {
    if (field.ops->present(static_cast<const char*>(object) + field.offset)) return true;
  }
  return false;
}

DINGCB_INLINE void Codec::write(const void* object, JsonWriter& writer) const {
  writer.begin_object();
  write_members(object, writer);
  writer.end_object();
}

DINGCB_INLINE void Codec::write_members(const void* object, JsonWriter& writer) const {
  for (const Field& field : fields_) {
    const void* const value = static_cast<const char*>(object) + field.offset;
    if (!field.ops->present(value)) continue;
    writer.key(field.key);
    field.ops->write(value, writer);
  }
}

DINGCB_INLINE void JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  text_ += ':';
  comma_ = false;
}

DINGCB_INLINE void JsonWriter::text(std::string_view value) {
  separate();
  quote(value);
}

DINGCB_INLINE void JsonWriter::number(std::int64_t value) { literal(std::to_string(value)); }

DINGCB_INLINE void JsonWriter::number(double value) {
  if (value - value != 0) return null();
  std::array<char, 32> digits;
  literal({digits.data(), static_cast<std::size_t>(rapid::internal::dtoa(value, digits.data()) - digits.data())});
}

DINGCB_INLINE void JsonWriter::quote(std::string_view value) {
  text_ += '"';
  while (!value.empty()) {
    const char c = value[0];
    std::size_t size = 1;
    if (static_cast<unsigned char>(c) >= 0x80) {
      size = utf8_sequence(value.data(), value.size());
      text_ += size == 0 ? std::string_view("\xEF\xBF\xBD") : value.substr(0, size);
      if (size == 0) size = 1;
    } else if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      text_ += "\\u00";
      text_ += c < 0x10 ? '0' : '1';
      text_ += "0123456789abcdef"[c & 15];
    } else {
      text_ += c;
    }
    value.remove_prefix(size);
  }
  text_ += '"';
}

}  // namespace detail
DINGCB_NAMESPACE_END
