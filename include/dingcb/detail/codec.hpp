// Structs from JSON and back: a table of fields for each struct, made once, and one interpreter for all tables.
#pragma once

#include <dingcb/detail/json.hpp>
#include <dingcb/open_enum.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// Says how a struct is spelt in JSON. Specialise it for a struct of your own:
///
///     template <>
///     struct dingcb::EventTraits<Invented> {
///       static constexpr std::string_view type = "invented";  // of events only, not of structs inside them
///       template <class Self, class Visitor>
///       static void fields(Self& self, Visitor& visit) {
///         visit("userIds", self.user_ids, "UserIds");  // the key, the field, and other spellings of the key
///       }
///     };
///
/// All keys are string literals. A field is a std::string, std::int64_t, double, bool, OpenEnum, RawJson, another such
/// struct, or a std::optional or std::vector of one of these.
template <class T>
struct EventTraits;

namespace detail {

class JsonWriter;

/// The field that did not fit, and why; also what one reading has to remember on its way.
struct Misfit {
  std::string path;  // `roles[2].id`, in the spelling of the JSON text
  const char* expected = "";
  const char* found = "";
  std::uint8_t texts = 0;  // texts inside texts that are being read as JSON
};

/// @error field_unfit. The message names the field and never its value.
Error misfit_error(const Misfit& misfit);

/// What reading a value came to.
enum class Fit : std::uint8_t {
  filled,
  absent,  // null, or an empty text where a number is expected: the field stays as it is
  misfit,
};

/// What the interpreter does with a field, for each type a field can have.
struct ValueOps {
  Fit (*read)(Json json, void* value, Misfit& misfit);
  bool (*present)(const void* value);
  void (*write)(const void* value, JsonWriter& writer);
};

DINGCB_API Fit read_value(Json json, std::string& value, Misfit& misfit);
DINGCB_API Fit read_value(Json json, std::int64_t& value, Misfit& misfit);
DINGCB_API Fit read_value(Json json, double& value, Misfit& misfit);
DINGCB_API Fit read_value(Json json, bool& value, Misfit& misfit);
DINGCB_API Fit read_value(Json json, RawJson& value, Misfit& misfit);
DINGCB_API void write_value(const std::string& value, JsonWriter& writer);
DINGCB_API void write_value(std::int64_t value, JsonWriter& writer);
DINGCB_API void write_value(double value, JsonWriter& writer);
DINGCB_API void write_value(bool value, JsonWriter& writer);
DINGCB_API void write_value(const RawJson& value, JsonWriter& writer);

/// The elements of a list, for code that does not know their type.
struct ListOps {
  const ValueOps* element;
  std::size_t size;             // bytes of an element
  void* (*append)(void* list);  // and gives the new element
  void (*remove)(void* list);   // the last element
};
DINGCB_API Fit read_list(Json json, void* list, const ListOps& ops, Misfit& misfit);
DINGCB_API void write_list(const void* elements, std::size_t count, const ListOps& ops, JsonWriter& writer);

class Codec;

/// Gives the table of a struct, made by the first call. Generated code specialises it for the events of this release.
template <class T>
const Codec& codec_of();

template <class T>
struct Value;

template <class T>
inline constexpr ValueOps kValueOps{Value<T>::read, Value<T>::present, Value<T>::write};

template <class T>
inline constexpr bool kIsScalar = std::is_same_v<T, std::string> || std::is_same_v<T, std::int64_t> ||
                                  std::is_same_v<T, double> || std::is_same_v<T, bool> || std::is_same_v<T, RawJson>;

/// Collects the fields of a struct while EventTraits<T>::fields, or generated code, visits them.
class TableBuilder {
 public:
  template <class T, class... Aliases>
  void operator()(const char* key, T& field, Aliases... aliases) {
    constexpr bool literals = (... && std::is_same_v<Aliases, const char*>);
    static_assert(literals, "dingcb: what follows the field are other spellings of its key, as string literals");
    if constexpr (literals) add(&field, kValueOps<T>, {key, aliases...});
  }

 private:
  friend class Codec;
  explicit TableBuilder(Codec& codec, const void* object, std::size_t size) noexcept
      : codec_(codec), object_(object), size_(size) {}
  DINGCB_API void add(const void* field, const ValueOps& ops, std::initializer_list<const char*> keys);

  Codec& codec_;
  const void* object_;
  std::size_t size_;
};

/// The table of a struct, and the interpreter.
class Codec {
 public:
  /// @param visit called with a T and a TableBuilder.
  template <class T, class Visit>
  static Codec make(Visit visit) {
    T object{};
    Codec codec;
    TableBuilder builder(codec, &object, sizeof(T));
    visit(object, builder);
    codec.index();
    return codec;
  }

  /// Fills the fields of a default-constructed struct from an object, or from a text that holds one. Keys that no field
  /// has are skipped. Linear in the size of the value.
  DINGCB_API Fit read(Json json, void* object, Misfit& misfit) const;

  /// Fills one field where it is absent from the struct. @param key canonical. @return Fit::absent also where no field
  /// has the key, or where it is filled already.
  Fit read_absent(std::string_view key, Json json, void* object, Misfit& misfit) const;

  /// @return whether the field of a canonical key is present; false also where no field has the key.
  bool present(std::string_view key, const void* object) const;

  /// @return whether any field is present.
  DINGCB_API bool present(const void* object) const;

  /// Writes the present fields under their canonical keys.
  DINGCB_API void write(const void* object, JsonWriter& writer) const;
  /// The same without the braces, for an object that has other members, too.
  void write_members(const void* object, JsonWriter& writer) const;

 private:
  friend class TableBuilder;

  struct Field {
    std::string_view key;
    const ValueOps* ops;
    std::size_t offset;
  };
  struct Spelling {
    std::string_view key;
    std::uint32_t field;
    std::uint32_t rank;  // 0: canonical
  };
  struct Found;

  Codec() noexcept = default;
  DINGCB_API void index();
  void find(Json json, Found* found) const noexcept;

  std::vector<Field> fields_;
  std::vector<Spelling> spellings_;  // after index(): an open hash table, whose empty places have no key
  std::string_view stray_;           // key of a field that is no part of the struct
};

/// @see Codec::make
/// @return a table that is never destroyed: events may still be read while the process ends.
template <class T, class Visit>
const Codec& make_codec(Visit visit) {
  return *new const Codec(Codec::make<T>(visit));
}

template <class T, class = void>
inline constexpr bool kHasFields = false;
template <class T>
inline constexpr bool
    kHasFields<T, std::void_t<decltype(EventTraits<T>::fields(std::declval<T&>(), std::declval<TableBuilder&>()))>> =
        true;

template <class T>
const Codec& codec_of() {
  static_assert(std::is_class_v<T>,
                "dingcb: a field cannot have this type; take std::string, std::int64_t, double, bool, "
                "dingcb::OpenEnum<E>, dingcb::RawJson, a struct with dingcb::EventTraits, or a std::optional or "
                "std::vector of one of them");
  static_assert(!std::is_class_v<T> || kHasFields<T>,
                "dingcb: this type has no fields; specialise dingcb::EventTraits<T> with `template <class Self, class "
                "Visitor> static void fields(Self& self, Visitor& visit)` that calls visit(\"key\", self.field)");
  static_assert(!std::is_class_v<T> || std::is_default_constructible_v<T>,
                "dingcb: a struct that is read from JSON needs a default constructor");
  if constexpr (kHasFields<T> && std::is_default_constructible_v<T>) {
    static const Codec& codec =
        make_codec<T>([](T& object, TableBuilder& visit) { EventTraits<T>::fields(object, visit); });
    return codec;
  } else {
    return codec_of<T>();
  }
}

// A scalar, or else a struct.
template <class T>
struct Value {
  static Fit read(Json json, void* value, Misfit& misfit) {
    if constexpr (kIsScalar<T>) {
      return read_value(json, *static_cast<T*>(value), misfit);
    } else {
      return codec_of<T>().read(json, value, misfit);
    }
  }
  static bool present(const void* value) {
    if constexpr (std::is_same_v<T, std::string>) {
      return !static_cast<const std::string*>(value)->empty();
    } else if constexpr (std::is_same_v<T, RawJson>) {
      return !static_cast<const RawJson*>(value)->text.empty();
    } else if constexpr (kIsScalar<T>) {
      return true;
    } else {
      return codec_of<T>().present(value);
    }
  }
  static void write(const void* value, JsonWriter& writer) {
    if constexpr (kIsScalar<T>) {
      write_value(*static_cast<const T*>(value), writer);
    } else {
      codec_of<T>().write(value, writer);
    }
  }
};

template <class E>
struct Value<OpenEnum<E>> {
  static Fit read(Json json, void* value, Misfit& misfit) {
    std::string text;
    const Fit fit = read_value(json, text, misfit);
    if (fit == Fit::filled) *static_cast<OpenEnum<E>*>(value) = OpenEnum<E>(std::move(text));
    return fit;
  }
  static bool present(const void* value) { return !static_cast<const OpenEnum<E>*>(value)->empty(); }
  static void write(const void* value, JsonWriter& writer) {
    write_value(static_cast<const OpenEnum<E>*>(value)->text(), writer);
  }
};

template <class T>
struct Value<std::optional<T>> {
  static Fit read(Json json, void* value, Misfit& misfit) {
    auto& optional = *static_cast<std::optional<T>*>(value);
    const Fit fit = Value<T>::read(json, &optional.emplace(), misfit);
    if (fit != Fit::filled) optional.reset();
    return fit;
  }
  static bool present(const void* value) { return static_cast<const std::optional<T>*>(value)->has_value(); }
  static void write(const void* value, JsonWriter& writer) {
    Value<T>::write(&**static_cast<const std::optional<T>*>(value), writer);
  }
};

template <class T>
struct Value<std::vector<T>> {
  static_assert(!std::is_same_v<T, bool>, "dingcb: std::vector<bool> has no elements to point to; take std::int64_t");

  static void* append(void* list) { return &static_cast<std::vector<T>*>(list)->emplace_back(); }
  static void remove(void* list) { static_cast<std::vector<T>*>(list)->pop_back(); }
  static constexpr ListOps ops{&kValueOps<T>, sizeof(T), append, remove};

  static Fit read(Json json, void* value, Misfit& misfit) { return read_list(json, value, ops, misfit); }
  static bool present(const void* value) { return !static_cast<const std::vector<T>*>(value)->empty(); }
  static void write(const void* value, JsonWriter& writer) {
    const auto& list = *static_cast<const std::vector<T>*>(value);
    write_list(list.data(), list.size(), ops, writer);
  }
};

// Lists of lists stand in no event, and a text could stand for either of them. With the base, compilers say this alone.
template <class T>
struct Value<std::vector<std::vector<T>>> : Value<RawJson> {
  static_assert(!std::is_same_v<T, T>, "dingcb: a list of lists cannot be a field; take dingcb::RawJson");
};

/// Writes JSON without white space.
class JsonWriter {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  /// Begins a member; its value follows.
  DINGCB_API void key(std::string_view name);
  /// Writes a string. What is not UTF-8 in it becomes U+FFFD.
  DINGCB_API void text(std::string_view value);
  DINGCB_API void number(std::int64_t value);
  /// Writes the shortest digits that read back the same; null where JSON has no number (infinite, or not a number).
  DINGCB_API void number(double value);
  void boolean(bool value) { literal(value ? "true" : "false"); }
  void null() { literal("null"); }
  /// Writes a JSON text as it is, without looking into it.
  void raw(std::string_view json) { literal(json); }

  /// Gives what was written, and begins anew.
  std::string take() noexcept {
    comma_ = false;
    return std::exchange(text_, std::string());
  }

 private:
  void literal(std::string_view json) {
    separate();
    text_ += json;
  }
  void open(char bracket) {
    separate();
    text_ += bracket;
    comma_ = false;
  }
  void close(char bracket) {
    text_ += bracket;
    comma_ = true;
  }
  void separate() {
    if (comma_) text_ += ',';
    comma_ = true;
  }
  void quote(std::string_view value);

  std::string text_;
  bool comma_ = false;
};

}  // namespace detail
DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/codec.ipp>
#endif
