// OpenEnum: an enumeration that DingTalk may extend at any time.
#pragma once

#include <dingcb/config.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

DINGCB_NAMESPACE_BEGIN

/// Names the texts of an enumeration, in the order of its enumerators, which count from 0:
/// `static constexpr std::string_view texts[] = {"ORG", "SPACE"};`
template <class E>
struct EnumTraits;

/// A value of the enumeration E, or a text that this release does not know. The text is always kept, so that nothing is
/// lost when DingTalk announces new values. Absent from the JSON text: empty.
template <class E>
class OpenEnum {
 public:
  OpenEnum() noexcept = default;
  OpenEnum(E value) : text_(text_of(value)) {}
  /// Takes any text, known or not.
  explicit OpenEnum(std::string text) noexcept : text_(std::move(text)) {}

  /// Gives the text as it stands in the JSON text; a number there is its digits here.
  const std::string& text() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }

  /// Gives the enumerator, std::nullopt for an absent or unknown value. Linear in the number of enumerators.
  std::optional<E> known() const noexcept {
    std::size_t index = 0;
    for (const std::string_view text : EnumTraits<E>::texts) {
      if (text == text_) return static_cast<E>(index);
      ++index;
    }
    return std::nullopt;
  }

  friend bool operator==(const OpenEnum& left, const OpenEnum& right) noexcept { return left.text_ == right.text_; }
  friend bool operator!=(const OpenEnum& left, const OpenEnum& right) noexcept { return left.text_ != right.text_; }
  friend bool operator==(const OpenEnum& left, E right) noexcept {
    return !left.empty() && left.text_ == text_of(right);
  }
  friend bool operator!=(const OpenEnum& left, E right) noexcept { return !(left == right); }
  friend bool operator==(E left, const OpenEnum& right) noexcept { return right == left; }
  friend bool operator!=(E left, const OpenEnum& right) noexcept { return right != left; }

 private:
  static std::string_view text_of(E value) noexcept {
    const auto index = static_cast<std::size_t>(value);
    return index < std::size(EnumTraits<E>::texts) ? EnumTraits<E>::texts[index] : std::string_view();
  }

  std::string text_;
};

/// JSON text exactly as it came, for values whose shape the documentation leaves open. Absent: empty.
struct RawJson {
  std::string text;

  friend bool operator==(const RawJson& left, const RawJson& right) noexcept { return left.text == right.text; }
  friend bool operator!=(const RawJson& left, const RawJson& right) noexcept { return left.text != right.text; }
};

DINGCB_NAMESPACE_END
