// Bodies of detail/base64.hpp: tables for every machine, AVX2 where the processor has it.
#pragma once

#include <dingcb/detail/base64.hpp>

#include <array>

#if defined(__GNUC__) && defined(__x86_64__)
#define DINGCB_HAS_AVX2_CODE
#include <immintrin.h>
#endif

DINGCB_NAMESPACE_BEGIN
namespace detail {

inline constexpr char kBase64Alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// What the decoder makes of a character: its six bits, or one of these.
inline constexpr std::uint8_t kBase64Pad = 64;
inline constexpr std::uint8_t kBase64Skip = 65;
inline constexpr std::uint8_t kBase64Foreign = 66;

inline std::uint8_t base64_value(char c) noexcept {
  static constexpr auto table = [] {
    std::array<std::uint8_t, 256> values{};
    for (std::uint8_t& value : values) value = kBase64Foreign;
    for (std::uint8_t i = 0; i < 64; ++i) values[static_cast<unsigned char>(kBase64Alphabet[i])] = i;
    values[static_cast<unsigned char>('=')] = kBase64Pad;
    values[static_cast<unsigned char>('\r')] = kBase64Skip;
    values[static_cast<unsigned char>('\n')] = kBase64Skip;
    return values;
  }();
  return table[static_cast<unsigned char>(c)];
}

inline void store_three(std::uint32_t bits, unsigned char* out) noexcept {
  out[0] = static_cast<unsigned char>(bits >> 16);
  out[1] = static_cast<unsigned char>(bits >> 8);
  out[2] = static_cast<unsigned char>(bits);
}

/// Decodes groups of four letters from the front of `text` and stops before the first group that holds anything else.
/// @return the characters consumed, a multiple of four.
inline std::size_t base64_decode_groups(std::string_view text, unsigned char* out) noexcept {
  std::size_t done = 0;
  for (; text.size() - done >= 4; done += 4, out += 3) {
    const char* const in = text.data() + done;
    const std::uint8_t a = base64_value(in[0]);
    const std::uint8_t b = base64_value(in[1]);
    const std::uint8_t c = base64_value(in[2]);
    const std::uint8_t d = base64_value(in[3]);
    if ((a | b | c | d) >= 64) break;
    store_three(std::uint32_t{a} << 18 | std::uint32_t{b} << 12 | std::uint32_t{c} << 6 | d, out);
  }
  return done;
}

/// Encodes whole groups of three bytes. @return the bytes consumed.
inline std::size_t base64_encode_groups(const unsigned char* bytes, std::size_t size, char* out) noexcept {
  std::size_t done = 0;
  for (; size - done >= 3; done += 3, out += 4) {
    const unsigned char* const in = bytes + done;
    const std::uint32_t bits = std::uint32_t{in[0]} << 16 | std::uint32_t{in[1]} << 8 | in[2];
    out[0] = kBase64Alphabet[bits >> 18];
    out[1] = kBase64Alphabet[bits >> 12 & 63];
    out[2] = kBase64Alphabet[bits >> 6 & 63];
    out[3] = kBase64Alphabet[bits & 63];
  }
  return done;
}

#if defined(DINGCB_HAS_AVX2_CODE)

// A load and a test: the compiler's runtime asked the processor before main(). Earlier than that the answer is no.
inline bool has_avx2() noexcept { return __builtin_cpu_supports("avx2") != 0; }

/// The same as base64_decode_groups(), 32 characters at a time; leaves the last few, and what it cannot decode, to it.
/// Characters are classed by their two halves: `low` and `high` share a bit exactly where the character is foreign.
/// The method is that of W. Muła and D. Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions" (2018).
__attribute__((target("avx2"))) inline std::size_t base64_decode_groups_avx2(std::string_view text,
                                                                             unsigned char* out) noexcept {
  const __m256i low_classes =
      _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A,
                       0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A);
  const __m256i high_classes =
      _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
                       0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
  // From the character to its six bits, by the upper half; '/' has an offset of its own.
  const __m256i offsets = _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 19, 4, -65,
                                           -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i slash = _mm256_set1_epi8('/');
  const __m256i gather = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2, 1, 0, 6, 5, 4, 10,
                                          9, 8, 14, 13, 12, -1, -1, -1, -1);
  std::size_t done = 0;
  // 32 bytes are stored of which 24 count: 12 characters more must be there for the room of the other 8.
  for (; text.size() - done >= 44; done += 32, out += 24) {
    const __m256i in = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + done));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi32(in, 4), slash);
    const __m256i low = _mm256_and_si256(in, slash);
    if (!_mm256_testz_si256(_mm256_shuffle_epi8(low_classes, low), _mm256_shuffle_epi8(high_classes, high))) break;
    const __m256i offset = _mm256_shuffle_epi8(offsets, _mm256_add_epi8(_mm256_cmpeq_epi8(in, slash), high));
    const __m256i bits = _mm256_add_epi8(in, offset);
    const __m256i pairs = _mm256_maddubs_epi16(bits, _mm256_set1_epi32(0x01400140));
    const __m256i quads = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    const __m256i bytes =
        _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(quads, gather), _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
  }
  return done;
}

/// The same as base64_encode_groups(), 24 bytes at a time.
__attribute__((target("avx2"))) inline std::size_t base64_encode_groups_avx2(const unsigned char* bytes,
                                                                             std::size_t size, char* out) noexcept {
  const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 1, 0, 2, 1, 4, 3, 5, 4, 7,
                                          6, 8, 7, 10, 9, 11, 10);
  const __m256i offsets = _mm256_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                           '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0,
                                           'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                           '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
  std::size_t done = 0;
  // 28 bytes are read, of which 24 count.
  for (; size - done >= 28; done += 24, out += 32) {
    const auto* const in = reinterpret_cast<const __m128i*>(bytes + done);
    const auto* const next = reinterpret_cast<const __m128i*>(bytes + done + 12);
    const __m256i triples = _mm256_shuffle_epi8(_mm256_set_m128i(_mm_loadu_si128(next), _mm_loadu_si128(in)), spread);
    const __m256i odd =
        _mm256_mulhi_epu16(_mm256_and_si256(triples, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
    const __m256i even =
        _mm256_mullo_epi16(_mm256_and_si256(triples, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
    const __m256i bits = _mm256_or_si256(odd, even);
    // 0 for a..z, 1..10 for the digits, 11 and 12 for + and /, 13 for A..Z.
    const __m256i range =
        _mm256_or_si256(_mm256_subs_epu8(bits, _mm256_set1_epi8(51)),
                        _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(26), bits), _mm256_set1_epi8(13)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_add_epi8(_mm256_shuffle_epi8(offsets, range), bits));
  }
  return done;
}

#endif

DINGCB_INLINE std::size_t Base64Decoder::update(std::string_view text, unsigned char* out) noexcept {
  const unsigned char* const begin = out;
  const auto advance = [&](std::size_t consumed) {
    text.remove_prefix(consumed);
    out += consumed / 4 * 3;
  };
  while (ok_) {
    // Here, because a try to decode groups costs more than a line break.
    while (!text.empty() && base64_value(text.front()) == kBase64Skip) text.remove_prefix(1);
    if (pending_ == 0 && pads_ == 0) {
#if defined(DINGCB_HAS_AVX2_CODE)
      if (has_avx2()) advance(base64_decode_groups_avx2(text, out));
#endif
      advance(base64_decode_groups(text, out));
    }
    if (text.empty()) break;
    // A group with a line break or padding in it, or cut by the end of the piece: character by character.
    const std::uint8_t value = base64_value(text.front());
    text.remove_prefix(1);
    if (value < 64) {
      bits_ = bits_ << 6 | value;
      ok_ = pads_ == 0;
      if (++pending_ == 4) {
        store_three(bits_, out);
        out += 3;
        bits_ = pending_ = 0;
      }
    } else if (value == kBase64Pad) {
      // Two letters and "==" make one byte, three and "=" make two; the bits that are left over must be zero.
      const unsigned spare = pending_ == 2 ? 4 : 2;
      ok_ = pending_ >= 2 && (bits_ & ((1U << spare) - 1)) == 0;
      if (ok_ && ++pads_ == 4 - pending_) {
        if (pending_ == 3) *out++ = static_cast<unsigned char>(bits_ >> 10);
        *out++ = static_cast<unsigned char>(bits_ >> spare);
        bits_ = pending_ = 0;
      }
    } else if (value == kBase64Foreign) {
      ok_ = false;
    }
  }
  return static_cast<std::size_t>(out - begin);
}

DINGCB_INLINE void base64_encode(const unsigned char* bytes, std::size_t size, char* out) noexcept {
  const auto advance = [&](std::size_t consumed) {
    bytes += consumed;
    size -= consumed;
    out += consumed / 3 * 4;
  };
#if defined(DINGCB_HAS_AVX2_CODE)
  if (has_avx2()) advance(base64_encode_groups_avx2(bytes, size, out));
#endif
  advance(base64_encode_groups(bytes, size, out));
  if (size == 0) return;
  const std::uint32_t bits = std::uint32_t{bytes[0]} << 16 | (size == 2 ? std::uint32_t{bytes[1]} << 8 : 0);
  out[0] = kBase64Alphabet[bits >> 18];
  out[1] = kBase64Alphabet[bits >> 12 & 63];
  out[2] = size == 2 ? kBase64Alphabet[bits >> 6 & 63] : '=';
  out[3] = '=';
}

}  // namespace detail
DINGCB_NAMESPACE_END
