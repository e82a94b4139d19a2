// Encryptor: verifies and decrypts what DingTalk sends, encrypts what is sent back. Bytes in, bytes out.
#pragma once

#include <dingcb/clock.hpp>
#include <dingcb/config.hpp>
#include <dingcb/random.hpp>
#include <dingcb/result.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

DINGCB_NAMESPACE_BEGIN

namespace detail {
class Engine;
struct EngineOf;
struct Identity;
}  // namespace detail

/// The callback settings of one app, as they stand in DingTalk's developer console or were given to the registration
/// API.
struct Credential {
  std::string
      token;  ///< Signature token. The console allows 3 to 32 letters and digits, the registration API any text.
  std::string aes_key;  ///< EncodingAESKey: exactly 43 letters and digits.
  /// The keys that may be sealed at the end of a message; usually one. Internal app with events ticked in the console:
  /// AppKey (Client ID). Internal app registered through the API: CorpId. Third-party app: SuiteKey. Customised app:
  /// customKey. Compared byte for byte.
  std::vector<std::string> owner_keys;
  std::string label{};  ///< Your name for it, handed back in Opened::label. May be empty.
};

/// What DingTalk sent: three query parameters, percent-decoded, and the field `encrypt` of the JSON body. Views only:
/// the text must live until the call returns.
struct Push {
  std::string_view signature;  ///< Query parameter `signature` (or `msg_signature`): 40 lower-case hex digits.
  std::string_view timestamp;  ///< Query parameter `timestamp`, unchanged: never parse and reprint it.
  std::string_view nonce;      ///< Query parameter `nonce`, unchanged.
  std::string_view encrypt;    ///< The base64 text exactly as it came; line breaks inside it are part of the signature.
};

/// An opened push. Keep it as long as the push may have to be answered; reuse it for the next one to save allocations.
class Opened {
 public:
  std::string plaintext;  ///< The message: nearly always JSON in UTF-8, but any bytes are possible, or none.
  std::string owner_key;  ///< The owner key that was sealed in the push; one of the credential's owner_keys.
  std::string label;      ///< Credential::label of the credential that opened it.

 private:
  friend class detail::Engine;
  // Seals the reply with the credential that opened the push, even when it has been replaced meanwhile.
  std::shared_ptr<const detail::Identity> identity_;
};

/// The four texts of an encrypted reply.
struct Reply {
  std::string msg_signature;  ///< 40 lower-case hex digits.
  std::string timestamp;      ///< 13 digits, milliseconds; the JSON key is `timeStamp`.
  std::string nonce;          ///< 16 letters and digits.
  std::string encrypt;        ///< Base64 without line breaks.

  /// Gives the HTTP body: `{"msg_signature":"...","timeStamp":"...","nonce":"...","encrypt":"..."}`.
  DINGCB_API std::string to_json() const;
  /// Appends the same to `out`, allocating only where its capacity does not suffice.
  DINGCB_API void append_json(std::string& out) const;
};

/// Settings of an Encryptor; the defaults suit a callback behind any HTTP server.
struct EncryptorOptions {
  /// Most bytes of signature, timestamp, nonce and encrypt together; a longer push is refused unread (input_too_large).
  /// Memory is bounded by it: opening a push needs about 3/4 of its own size, refusing one less than twice its size.
  std::size_t max_input_size = std::size_t{16} * 1024 * 1024;
  /// How far the timestamp of a push may lie in the past or future; zero accepts any. Off by default: DingTalk is
  /// documented to repeat failed pushes, and not documented to sign them anew. When on, a timestamp must have exactly
  /// 10 (seconds) or 13 digits (milliseconds), since the signature does not tell where the timestamp ends and the nonce
  /// begins.
  Milliseconds replay_window{};
  std::shared_ptr<const Clock> clock;          ///< Null: the system's clock. Dates replies, judges the replay window.
  std::shared_ptr<const RandomSource> random;  ///< Null: OpenSSL's CSPRNG. Makes nonces and message prefixes.
};

/// Opens DingTalk's pushes and seals the replies, for one or more credentials.
///
/// A push is checked in this order, and nothing is decoded before the first check has passed: signature (constant time,
/// over `encrypt` exactly as received), base64, block length, padding (every byte; 1 to 32, block 16 or 32), size,
/// length field, owner key. The credential is found by the signature; plaintext is handed out only after the owner key
/// matched.
///
/// An Encryptor is a handle: copies share the credentials and the memory that calls reuse, and see a replace(). All
/// calls are safe from any number of threads at once. It never logs, never touches process-wide OpenSSL state, and
/// wipes keys when they are dropped. Bad input leaves the thread's OpenSSL error queue alone; where OpenSSL itself
/// fails (signature_failed, encryption_failed, decryption_failed, random_failed, crypto_unavailable) the queue is
/// cleared.
///
/// @see https://open.dingtalk.com/document/orgapp/configure-stream-push, read 2026-08; docs/protocol.md
class Encryptor {
 public:
  using Options = EncryptorOptions;

  /// Makes an Encryptor. The credentials are copied into memory that is wiped; the arguments are wiped too.
  /// @error token_missing, owner_key_missing, aes_key_length (900004), aes_key_charset (900004), credential_missing (an
  /// empty list), credential_duplicate (two agree in token, AES key and owner key), crypto_unavailable.
  DINGCB_API static Result<Encryptor> create(Credential credential, Options options = {});
  DINGCB_API static Result<Encryptor> create(std::vector<Credential> credentials, Options options = {});

  Encryptor(const Encryptor&) = default;
  Encryptor& operator=(const Encryptor&) = default;

  /// Replaces all credentials, for all copies of this Encryptor, under live traffic: each call uses either the old or
  /// the new ones, and a push opened with an old one is still answered with it. To rotate without losing a push, list
  /// old and new credentials together until DingTalk has switched. On an error nothing changes.
  /// @error those of create().
  DINGCB_API Result<void> replace(std::vector<Credential> credentials);

  /// Checks the signature (and the replay window), decodes nothing.
  /// @error timestamp_missing (900002), nonce_missing (900003), signature_mismatch (900005), signature_failed (900006),
  /// timestamp_malformed, timestamp_outside_window, input_too_large.
  DINGCB_API Result<void> verify(const Push& push) const;

  /// Verifies and decrypts a push.
  /// @error those of verify(), and ciphertext_empty, base64_malformed, ciphertext_not_block_multiple,
  /// decryption_failed, padding (900008); too_short, length_field (900009); owner_mismatch (900010).
  DINGCB_API Result<Opened> decrypt(const Push& push) const;
  /// The same into an `Opened` whose memory is reused; its plaintext is empty after an error.
  DINGCB_API Result<void> decrypt(const Push& push, Opened& into) const;

  /// Encrypts and signs a reply (for nearly every event the text `success`), with the credential and owner key that
  /// opened the push, a fresh nonce and prefix, and the current time. Any bytes may be sealed, none included.
  /// @error credential_missing (`opened` comes from no decrypt()), plaintext_too_long (900001), random_failed,
  /// encryption_failed (900007), signature_failed (900006).
  DINGCB_API Result<Reply> encrypt_reply(std::string_view plaintext, const Opened& opened) const;
  /// The same into a `Reply` whose memory is reused; its fields are unspecified after an error.
  DINGCB_API Result<void> encrypt_reply(std::string_view plaintext, const Opened& opened, Reply& into) const;

  /// Says why a captured push does not open: which of token, AES key and owner key is wrong, or what happened to the
  /// text on its way. Meant for a person at a console: it tries hundreds of repairs and is slow; do not call it per
  /// push.
  DINGCB_API Diagnosis diagnose(const Push& push) const;

 private:
  friend struct detail::EngineOf;
  explicit Encryptor(std::shared_ptr<detail::Engine> engine) noexcept;

  std::shared_ptr<detail::Engine> engine_;
};

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/encryptor.ipp>
#endif
