// DingTalk's side of a callback, written a second time: straight after the protocol, on OpenSSL's plain calls, with
// nothing of dingcb but its public types. Tests check the library against it.
#pragma once

#include <dingcb/encryptor.hpp>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace platform {

/// A push (or a reply) as it goes over the wire.
struct Sealed {
  std::string signature;
  std::string timestamp;
  std::string nonce;
  std::string encrypt;

  dingcb::Push push() const { return {signature, timestamp, nonce, encrypt}; }
};

/// What the protocol says about a push: its three parts, or the first check that failed.
struct Verdict {
  dingcb::Errc failure{};  // Errc{} where it opened
  std::string prefix;
  std::string message;
  std::string owner_key;
  std::size_t pad = 0;
};

inline void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(std::string("platform.hpp: ") + what);
}

inline const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
inline unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

inline std::string base64(std::string_view raw) {
  std::string text(raw.size() / 3 * 4 + 5, '\0');
  const int size = EVP_EncodeBlock(bytes(text), bytes(raw), static_cast<int>(raw.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

/// Decodes base64 without line breaks, as leniently as OpenSSL does; empty where even that fails.
inline std::string decode_base64(std::string_view text) {
  std::string raw(text.size() / 4 * 3 + 4, '\0');
  const int size = EVP_DecodeBlock(bytes(raw), bytes(text), static_cast<int>(text.size()));
  if (size < 0) return {};
  raw.resize(static_cast<std::size_t>(size));
  for (std::size_t i = text.size(); i-- > 0 && text[i] == '=' && !raw.empty();) raw.pop_back();
  return raw;
}

inline std::string sign(std::string_view token, std::string_view timestamp, std::string_view nonce,
                        std::string_view encrypt) {
  std::array<std::string_view, 4> parts{token, timestamp, nonce, encrypt};
  std::sort(parts.begin(), parts.end());
  std::string text;
  for (const std::string_view part : parts) text += part;
  std::array<unsigned char, 20> digest{};
  require(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1, "SHA-1");
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte / 16];
    hex += "0123456789abcdef"[byte % 16];
  }
  return hex;
}

/// AES-256-CBC without padding; `text` must be a multiple of 16 bytes.
inline std::string aes(const std::string& aes_key, std::string_view text, bool encrypt) {
  const std::string key = decode_base64(aes_key + "=");
  require(key.size() == 32 && text.size() % 16 == 0, "AES input");
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  std::string out(text.size() + 16, '\0');
  int size = 0;
  const bool done =
      EVP_CipherInit_ex(context, EVP_aes_256_cbc(), nullptr, bytes(key), bytes(key), encrypt ? 1 : 0) == 1 &&
      EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
      EVP_CipherUpdate(context, bytes(out), &size, bytes(text), static_cast<int>(text.size())) == 1;
  EVP_CIPHER_CTX_free(context);
  require(done && static_cast<std::size_t>(size) == text.size(), "AES");
  out.resize(text.size());
  return out;
}

inline std::string length_field(std::size_t length) {
  std::string field;
  for (int shift = 24; shift >= 0; shift -= 8) field += static_cast<char>(length >> shift & 0xff);
  return field;
}

/// Signs a ciphertext, well-formed or not.
inline Sealed signed_push(const dingcb::Credential& credential, std::string_view encrypt,
                          std::string_view timestamp = "1700000000000", std::string_view nonce = "nOnce123") {
  return {sign(credential.token, timestamp, nonce, encrypt), std::string(timestamp), std::string(nonce),
          std::string(encrypt)};
}

/// Encrypts and signs a padded plaintext, well-formed or not.
inline Sealed seal_raw(const dingcb::Credential& credential, std::string_view padded,
                       std::string_view timestamp = "1700000000000", std::string_view nonce = "nOnce123") {
  return signed_push(credential, base64(aes(credential.aes_key, padded, true)), timestamp, nonce);
}

/// Seals a message as DingTalk does. @param pad_block 32, or 16 as some senders do. @param prefix 16 bytes.
inline Sealed seal(const dingcb::Credential& credential, std::string_view owner_key, std::string_view timestamp,
                   std::string_view nonce, std::string_view message, std::size_t pad_block = 32,
                   std::string_view prefix = "0123456789abcdef") {
  require(prefix.size() == 16, "the prefix has 16 bytes");
  std::string plain(prefix);
  plain += length_field(message.size());
  plain += message;
  plain += owner_key;
  const std::size_t pad = pad_block - plain.size() % pad_block;
  plain.append(pad, static_cast<char>(pad));
  return seal_raw(credential, plain, timestamp, nonce);
}

/// Opens a push with exactly one credential, in the order that the protocol's description gives.
inline Verdict open(const dingcb::Credential& credential, const dingcb::Push& push) {
  using dingcb::Errc;
  Verdict verdict;
  const auto refused = [](Errc failure) {
    Verdict refusal;
    refusal.failure = failure;
    return refusal;
  };
  if (sign(credential.token, push.timestamp, push.nonce, push.encrypt) != push.signature) {
    return refused(Errc::signature_mismatch);
  }
  std::string text(push.encrypt);
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }), text.end());
  if (text.empty()) return refused(Errc::ciphertext_empty);
  const std::string cipher = decode_base64(text);
  if (base64(cipher) != text) return refused(Errc::base64_malformed);
  if (cipher.size() % 16 != 0) return refused(Errc::ciphertext_not_block_multiple);

  std::string plain = aes(credential.aes_key, cipher, false);
  verdict.pad = static_cast<unsigned char>(plain.back());
  if (verdict.pad < 1 || verdict.pad > 32 || verdict.pad > plain.size()) return refused(Errc::padding);
  if (plain.substr(plain.size() - verdict.pad) != std::string(verdict.pad, plain.back())) return refused(Errc::padding);
  plain.resize(plain.size() - verdict.pad);

  if (plain.size() < 20) return refused(Errc::too_short);
  std::size_t length = 0;
  for (std::size_t i = 16; i < 20; ++i) length = length * 256 + static_cast<unsigned char>(plain[i]);
  if (length > plain.size() - 20) return refused(Errc::length_field);
  verdict.prefix = plain.substr(0, 16);
  verdict.message = plain.substr(20, length);
  verdict.owner_key = plain.substr(20 + length);
  const auto& owners = credential.owner_keys;
  if (std::find(owners.begin(), owners.end(), verdict.owner_key) == owners.end()) return refused(Errc::owner_mismatch);
  return verdict;
}

/// Opens a reply the way DingTalk does.
inline Verdict open(const dingcb::Credential& credential, const dingcb::Reply& reply) {
  return open(credential, dingcb::Push{reply.msg_signature, reply.timestamp, reply.nonce, reply.encrypt});
}

}  // namespace platform
