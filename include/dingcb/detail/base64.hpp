// Strict base64 (RFC 4648, section 4), decoded and encoded piece by piece so that a megabyte never needs a second
// buffer.
#pragma once

#include <dingcb/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Decodes base64 text in pieces. Strict: the standard alphabet, `=` only as the last one or two characters of a text
/// whose length is a multiple of four, no non-zero discarded bits. Only CR and LF are skipped, wherever they stand,
/// because several senders break lines.
class Base64Decoder {
 public:
  /// Decodes the next piece of the text. Pieces may be cut anywhere.
  /// @param out room for at least max_decoded_size(text.size()) bytes; must not overlap `text`.
  /// @return the bytes written; fewer than asked, or none, once the text turned out malformed (ok() is then false).
  std::size_t update(std::string_view text, unsigned char* out) noexcept;

  /// True until a character or the padding was wrong.
  bool ok() const noexcept { return ok_; }
  /// True when the text so far is complete: well-formed and a multiple of four characters (line breaks not counted).
  bool complete() const noexcept { return ok_ && pending_ == 0; }

  /// Most bytes that one update() with `text_size` characters writes, the held-back characters of earlier pieces
  /// included.
  static constexpr std::size_t max_decoded_size(std::size_t text_size) noexcept { return (text_size + 3) / 4 * 3; }

 private:
  std::uint32_t bits_ = 0;    // of up to three characters that wait for their fourth
  std::uint8_t pending_ = 0;  // how many characters wait
  std::uint8_t pads_ = 0;     // how many `=` came
  bool ok_ = true;
};

/// Characters that `size` bytes take: 4 for every 3 begun, no line breaks.
constexpr std::size_t base64_encoded_size(std::size_t size) noexcept { return (size + 2) / 3 * 4; }

/// Encodes `size` bytes, with `=` where size is no multiple of three. To encode in pieces, make every piece but the
/// last a multiple of three bytes.
/// @param out room for base64_encoded_size(size) characters; must not overlap `bytes`.
void base64_encode(const unsigned char* bytes, std::size_t size, char* out) noexcept;

}  // namespace detail
DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/base64.ipp>
#endif
