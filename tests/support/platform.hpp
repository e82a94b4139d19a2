// DingTalk's side of a callback for tests of Encryptor, well-formed or not, on the test kit's own writing of the
// protocol, which shares nothing with Encryptor.
#pragma once

#include <dingcb/impl/testkit_wire.ipp>

#include <algorithm>
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

using dingcb::testkit::wire::aes;
using dingcb::testkit::wire::length_field;
using dingcb::testkit::wire::sign;

inline std::string base64(std::string_view raw) { return dingcb::testkit::wire::to_base64(raw); }
inline std::string decode_base64(std::string_view text) { return dingcb::testkit::wire::from_base64(text); }

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
  return signed_push(credential, dingcb::testkit::wire::seal(credential.aes_key, prefix, message, owner_key, pad_block),
                     timestamp, nonce);
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
  verdict.pad = dingcb::testkit::wire::padding_of(plain);
  if (verdict.pad == 0) return refused(Errc::padding);
  plain.resize(plain.size() - verdict.pad);

  if (plain.size() < 20) return refused(Errc::too_short);
  const std::size_t length = dingcb::testkit::wire::read_length(std::string_view(plain).substr(16, 4));
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
