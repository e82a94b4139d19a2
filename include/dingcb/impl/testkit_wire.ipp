// The protocol once more, straight after its description and on OpenSSL's plain calls: DingTalk's side, for testkit.hpp
// and for dingcb's own tests. Of dingcb it takes public types only, so that it repeats no mistake of Encryptor.
#pragma once

#include <dingcb/encryptor.hpp>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace testkit::wire {

inline void require(bool condition, Errc code, const char* otherwise) {
  if (!condition) dingcb::detail::throw_exception(Error{code, Message(std::string(otherwise)), nullptr});
}

inline const unsigned char* bytes(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* bytes(std::string& text) noexcept { return reinterpret_cast<unsigned char*>(text.data()); }

inline std::string to_base64(std::string_view raw) {
  std::string text((raw.size() + 2) / 3 * 4 + 1, '\0');
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(bytes(text), bytes(raw), static_cast<int>(raw.size()))));
  return text;
}

/// Decodes base64 as leniently as OpenSSL does; empty where even that fails. It was base64 in one line where
/// to_base64() gives it back.
inline std::string from_base64(std::string_view text) {
  std::string raw(text.size() / 4 * 3 + 4, '\0');
  const int size = EVP_DecodeBlock(bytes(raw), bytes(text), static_cast<int>(text.size()));
  if (size < 0) return {};
  raw.resize(static_cast<std::size_t>(size));
  for (std::size_t i = text.size(); i-- > 0 && text[i] == '=' && !raw.empty();) raw.pop_back();
  return raw;
}

/// The four texts of a signature, sorted as the signature wants them.
using Parts = std::array<std::string_view, 4>;

inline Parts sorted(std::string_view token, std::string_view timestamp, std::string_view nonce,
                    std::string_view encrypt) {
  Parts parts{token, timestamp, nonce, encrypt};
  std::sort(parts.begin(), parts.end());
  return parts;
}

inline void append_hex(std::string& text, unsigned char byte) {
  text += "0123456789abcdef"[byte / 16];
  text += "0123456789abcdef"[byte % 16];
}

inline constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Encodes a value for a query string: everything but letters, digits, `-`, `.`, `_` and `~`.
inline std::string percent_encoded(std::string_view value) {
  std::string encoded;
  for (const char c : value) {
    if (kLetters.find(c) != std::string_view::npos || std::string_view("-._~").find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      append_hex(encoded += '%', static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

/// SHA-1 of the texts as they stand, in lower case.
inline std::string digest(const Parts& parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  std::array<unsigned char, 20> sha1{};
  require(EVP_Digest(text.data(), text.size(), sha1.data(), nullptr, EVP_sha1(), nullptr) == 1, Errc::signature_failed,
          "OpenSSL could not compute SHA-1");
  std::string hex;
  for (const unsigned char byte : sha1) append_hex(hex, byte);
  return hex;
}

inline std::string sign(std::string_view token, std::string_view timestamp, std::string_view nonce,
                        std::string_view encrypt) {
  return digest(sorted(token, timestamp, nonce, encrypt));
}

/// AES-256-CBC without padding. @param text a multiple of 16 bytes.
inline std::string aes(const std::string& aes_key, std::string_view text, bool encrypt) {
  const std::string key = from_base64(aes_key + "=");  // whatever the spare bits of its last character are
  require(key.size() == 32 && text.size() % 16 == 0, Errc::ciphertext_not_block_multiple,
          "a key of 43 characters and a multiple of 16 bytes are needed");
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string out(text.size() + 16, '\0');
  int size = 0;
  const bool done =
      context != nullptr &&
      EVP_CipherInit_ex(context.get(), EVP_aes_256_cbc(), nullptr, bytes(key), bytes(key), encrypt ? 1 : 0) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_CipherUpdate(context.get(), bytes(out), &size, bytes(text), static_cast<int>(text.size())) == 1;
  require(done && static_cast<std::size_t>(size) == text.size(),
          encrypt ? Errc::encryption_failed : Errc::decryption_failed, "OpenSSL could not run AES-256-CBC");
  out.resize(text.size());
  return out;
}

inline std::string length_field(std::size_t length) {
  std::string field;
  for (int shift = 24; shift >= 0; shift -= 8) field += static_cast<char>(length >> shift & 0xFF);
  return field;
}

inline std::size_t read_length(std::string_view field) noexcept {
  std::size_t length = 0;
  for (const char byte : field) length = length * 256 + static_cast<unsigned char>(byte);
  return length;
}

/// Counts the padding: 1 to 32 bytes that all have their number as value. 0 where there is none.
inline std::size_t padding_of(std::string_view plain) noexcept {
  if (plain.empty()) return 0;
  const auto pad = static_cast<std::size_t>(static_cast<unsigned char>(plain.back()));
  if (pad < 1 || pad > 32 || pad > plain.size()) return 0;
  return plain.find_first_not_of(plain.back(), plain.size() - pad) == std::string_view::npos ? pad : 0;
}

/// Pads and encrypts what stands before the padding. @param block 32, or 16 as some senders do.
inline std::string encrypt(const std::string& aes_key, std::string content, std::size_t block = 32) {
  const std::size_t pad = block - content.size() % block;
  content.append(pad, static_cast<char>(pad));
  return to_base64(aes(aes_key, content, true));
}

/// Seals a message as DingTalk does. @param prefix 16 bytes. @return base64
inline std::string seal(const std::string& aes_key, std::string_view prefix, std::string_view message,
                        std::string_view owner_key, std::size_t block = 32) {
  std::string content(prefix);
  content.append(length_field(message.size())).append(message).append(owner_key);
  return encrypt(aes_key, std::move(content), block);
}

}  // namespace testkit::wire
DINGCB_NAMESPACE_END
