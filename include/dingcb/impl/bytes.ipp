// Bodies of detail/bytes.hpp.
#pragma once

#include <dingcb/detail/bytes.hpp>

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstring>

DINGCB_NAMESPACE_BEGIN
namespace detail {

DINGCB_INLINE bool constant_time_equal(std::string_view left, std::string_view right) noexcept {
  if (left.size() != right.size()) return false;
  // CRYPTO_memcmp() goes byte by byte, which shows beside a short message. The volatile keeps the compiler from leaving
  // early.
  volatile std::uint64_t difference = 0;
  std::size_t i = 0;
  for (; i + 8 <= left.size(); i += 8) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, left.data() + i, 8);
    std::memcpy(&b, right.data() + i, 8);
    difference = difference | (a ^ b);
  }
  for (; i < left.size(); ++i) difference = difference | static_cast<unsigned char>(left[i] ^ right[i]);
  return difference == 0;
}

DINGCB_INLINE void wipe(void* bytes, std::size_t size) noexcept { OPENSSL_cleanse(bytes, size); }

DINGCB_INLINE void wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // never allocates: makes the spare bytes, which may hold older text, writable
  wipe(text.data(), text.size());
  text.clear();
}

DINGCB_INLINE void hex(const unsigned char* bytes, std::size_t size, char* out) noexcept {
  static constexpr auto pairs = [] {
    std::array<std::array<char, 2>, 256> table{};
    for (std::size_t byte = 0; byte < 256; ++byte) {
      table[byte] = {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    }
    return table;
  }();
  for (std::size_t i = 0; i < size; ++i) std::memcpy(out + 2 * i, pairs[bytes[i]].data(), 2);
}

DINGCB_INLINE std::uint32_t load_big_endian(const unsigned char* bytes) noexcept {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

DINGCB_INLINE void store_big_endian(std::uint32_t value, unsigned char* out) noexcept {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<unsigned char>(value >> (24 - 8 * i));
}

DINGCB_INLINE std::string mask(std::string_view key) {
  const bool plain = std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (key.size() < 12 || !plain) return "****";
  return std::string(key.substr(0, 4)).append("****").append(key.substr(key.size() - 4));
}

}  // namespace detail
DINGCB_NAMESPACE_END
