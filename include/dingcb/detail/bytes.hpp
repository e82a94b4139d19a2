// Small things that are done to bytes: comparing in constant time, wiping, hexadecimal, masking.
#pragma once

#include <dingcb/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Compares without telling by its duration where two texts differ; only the sizes may be told.
bool constant_time_equal(std::string_view left, std::string_view right) noexcept;

/// Overwrites memory in a way that the compiler does not remove.
void wipe(void* bytes, std::size_t size) noexcept;
/// Overwrites everything that a string holds, its spare capacity included, and empties it.
void wipe(std::string& text) noexcept;

/// Writes two lower-case hex digits for each byte.
void hex(const unsigned char* bytes, std::size_t size, char* out) noexcept;

std::uint32_t load_big_endian(const unsigned char* bytes) noexcept;
void store_big_endian(std::uint32_t value, unsigned char* out) noexcept;

/// Makes a key fit for a log: the first and last four characters (`ding****1f2c`). Only `****` where fewer than twelve
/// would leave too little hidden, and for anything but letters, digits, `-` and `_`: that is no key, and may be
/// plaintext.
std::string mask(std::string_view key);

/// Owns a text that is wiped when it is dropped.
class Secret {
 public:
  explicit Secret(std::string_view text) : text_(text) {}
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(text_); }

  operator std::string_view() const noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace detail
DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/bytes.ipp>
#endif
