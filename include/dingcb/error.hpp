// What can go wrong, as values: Errc, its std::error_category, DingTalk's own numbers, and Error.
#pragma once

#include <dingcb/config.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

DINGCB_NAMESPACE_BEGIN

/// Every reason for which dingcb refuses something. The comment gives DingTalk's number where the platform has one
/// (official_code()); the numbers of this enumeration itself are stable within a minor release and never printed.
/// @see https://open.dingtalk.com/document/ (error codes 900001 to 900010), read 2026-08
enum class Errc : int {
  plaintext_too_long = 1,         ///< 900001: a reply longer than the 32-bit length field can say.
  timestamp_missing,              ///< 900002: the push has no timestamp.
  nonce_missing,                  ///< 900003: the push has no nonce.
  aes_key_length,                 ///< 900004: the EncodingAESKey has not 43 characters.
  aes_key_charset,                ///< 900004: the EncodingAESKey holds something else than letters and digits.
  signature_mismatch,             ///< 900005: no credential's token gives the signature of the push.
  signature_failed,               ///< 900006: OpenSSL could not compute a SHA-1 digest.
  encryption_failed,              ///< 900007: OpenSSL could not encrypt.
  random_failed,                  ///< 900007: the random source could not deliver bytes for nonce and prefix.
  ciphertext_empty,               ///< 900008: `encrypt` is empty.
  base64_malformed,               ///< 900008: `encrypt` is not strict base64.
  ciphertext_not_block_multiple,  ///< 900008: the ciphertext is no multiple of 16 bytes.
  decryption_failed,              ///< 900008: OpenSSL could not decrypt.
  padding,                        ///< 900008: the padding is not PKCS#7 with 1 to 32 bytes (usually: wrong AES key).
  too_short,                      ///< 900009: fewer than 20 bytes are left after unpadding.
  length_field,                   ///< 900009: the message length points beyond the end (usually: wrong AES key).
  owner_mismatch,                 ///< 900010: the sealed owner key is none of the credential's owner keys.
  timestamp_malformed,            ///< No number. Replay window on: the timestamp has not exactly 10 or 13 digits.
  timestamp_outside_window,       ///< No number. Replay window on: the push is too old, or from the future.
  input_too_large,                ///< No number. The push exceeds EncryptorOptions::max_input_size.
  credential_missing,             ///< No number. No credential was given, or an Opened that no decrypt() filled.
  token_missing,                  ///< No number. A credential has an empty token.
  owner_key_missing,              ///< No number. A credential has no owner key, or an empty one.
  credential_duplicate,           ///< No number. Two credentials agree in token, AES key and owner key.
  crypto_unavailable,  ///< No number. OpenSSL has no SHA-1 or AES-256-CBC (or no memory) for a new Encryptor.
  not_utf8,            ///< No number. The plaintext is not UTF-8.
  json_malformed,      ///< No number. The plaintext is not JSON.
  json_too_deep,       ///< No number. The JSON text is nested deeper than 64 levels.
  field_unfit,         ///< No number. A field of a known event has a value of another type.
  envelope_malformed,  ///< No number. The JSON text is no push, row, frame or list as DingTalk sends them.
  event_type_missing,  ///< No number. The push or frame does not say what happened.
  kind_mismatch,       ///< No number. Event::why_not() was asked for another event than this one is.
  duplicate_handler,   ///< No number. Two handlers of one event were given to a Dispatcher::Builder.
  handler_missing,     ///< No number. A Dispatcher::Builder was given an empty handler, or one without a type.
  handler_failed,      ///< No number. A handler threw.
  request_malformed,   ///< No number. The request is no push: its body has no `encrypt`, or its query is odd.
  sender_refused,      ///< No number. The sender's address is not in CallbackOptions::senders.
  answer_late,         ///< No number. The answer was given after DingTalk's deadline.
  address_malformed,   ///< No number. A text is no range of IP addresses.
  registration_unfit,  ///< No number. A callback cannot be registered with such a URL, list of types or token.
  callback_exists,     ///< No number. DingTalk's API: a callback is registered already (71006, 400041).
  callback_unknown,    ///< No number. DingTalk's API: no callback is registered (71007, 400040).
  platform_refused,    ///< No number. DingTalk's API answered with another errcode; the message explains it.
  out_of_memory,       ///< No number. A call failed for want of memory.
  inbox_full,          ///< No number. The inbox has no room for another event, or its disk has none.
  inbox_locked,        ///< No number. Another program holds the lock of the inbox for too long.
  inbox_corrupt,       ///< No number. The storage of the inbox is damaged, or is none.
  inbox_schema,        ///< No number. The inbox was made by a newer release, or the database belongs to something else.
  inbox_failed,        ///< No number. The storage of the inbox failed for another reason.
  inbox_unsupported,   ///< No number. This kind of inbox cannot do what was asked.
  lease_lost,          ///< No number. An event was claimed again before it could be settled.
};

/// Gives DingTalk's number (900001 to 900010) for an error, 0 where the platform has none.
/// Several errors share one number; the Errc tells them apart.
DINGCB_API int official_code(Errc code) noexcept;

/// Gives the category of Errc, named "dingcb". Its message() is one English sentence without details.
/// Valid for the whole life of the process; safe from any thread.
DINGCB_API const std::error_category& error_category() noexcept;

/// Makes a std::error_code, found by argument-dependent lookup: `std::error_code ec = Errc::padding;`.
inline std::error_code make_error_code(Errc code) noexcept { return {static_cast<int>(code), error_category()}; }

/// Immutable text of an error. It refers to a literal or shares one heap string, so that refusing a forged push
/// allocates nothing. Copies never allocate; a view taken from it lives as long as any copy.
class Message {
 public:
  Message() noexcept = default;
  /// Shares ownership of a text made at run time.
  Message(std::string text) : owner_(std::make_shared<const std::string>(std::move(text))), text_(*owner_) {}

  /// Refers to a string literal, whose storage never ends.
  template <std::size_t N>
  static Message literal(const char (&text)[N]) noexcept {
    Message message;
    message.text_ = std::string_view(text, N - 1);
    return message;
  }

  operator std::string_view() const noexcept { return text_; }
  std::string str() const { return std::string(text_); }
  const char* c_str() const noexcept { return text_.data(); }  ///< Always NUL-terminated.
  const char* data() const noexcept { return text_.data(); }
  std::size_t size() const noexcept { return text_.size(); }
  bool empty() const noexcept { return text_.empty(); }
  /// Gives the position of `part`, or std::string_view::npos.
  std::size_t find(std::string_view part) const noexcept { return text_.find(part); }

  // Two messages: a template, so that nothing else is converted to one, and C++20 has no other way to read it.
  template <class Same, class = std::enable_if_t<std::is_same_v<Same, Message>>>
  friend bool operator==(const Message& left, const Same& right) noexcept {
    return left.text_ == right.text_;
  }
  friend bool operator==(const Message& left, std::string_view right) noexcept { return left.text_ == right; }
  template <class Same, class = std::enable_if_t<std::is_same_v<Same, Message>>>
  friend bool operator!=(const Message& left, const Same& right) noexcept {
    return left.text_ != right.text_;
  }
  friend bool operator!=(const Message& left, std::string_view right) noexcept { return left.text_ != right; }
  /// Prints to anything that prints a std::string_view; a template, so that this header needs no stream header.
  template <class Stream>
  friend auto operator<<(Stream& stream, const Message& message) -> decltype(stream << std::string_view()) {
    return stream << message.text_;
  }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view text_ = "";
};

/// The part of a callback's configuration or transport that a Diagnosis blames.
enum class Suspect {
  none,         ///< The push opens; nothing is wrong.
  token,        ///< The callback token.
  aes_key,      ///< The EncodingAESKey.
  owner_key,    ///< The list of owner keys (AppKey, CorpId, SuiteKey, customKey).
  credentials,  ///< The push belongs to an app that is not configured: neither token nor AES key fits.
  signature,    ///< The query parameter `signature` or `msg_signature`.
  timestamp,    ///< The query parameter `timestamp`, or this machine's clock.
  nonce,        ///< The query parameter `nonce`.
  body,         ///< The text in `encrypt` was changed on its way, or is not what DingTalk sent.
};

/// What Encryptor::diagnose() found. Keys are masked (`ding****1f2c`); neither text holds a token, an AES key or
/// plaintext.
struct Diagnosis {
  Suspect suspect = Suspect::none;
  std::string_view cause = "none";  ///< Stable identifier of the exact finding, listed in docs/errors.md; a literal.
  std::string en;                   ///< English: what was seen, and what to do.
  std::string zh;                   ///< The same in Simplified Chinese.
};

/// Why a call failed. A plain value: no exception is thrown unless Result::value() is called on it.
struct Error {
  Errc code{};
  Message message;  ///< English; names the input and the remedy; never a secret or plaintext.
  /// More about the cause, in two languages. Filled by Encryptor::decrypt() for errors behind a valid signature, unless
  /// `encrypt` holds a NUL, the mark of an extended one. Null otherwise (a forged push is refused as cheaply as
  /// possible); Encryptor::diagnose() then tells more.
  std::shared_ptr<const Diagnosis> diagnosis;
};

/// Converts an error to a std::error_code of error_category().
inline std::error_code make_error_code(const Error& error) noexcept { return make_error_code(error.code); }

DINGCB_NAMESPACE_END

template <>
struct std::is_error_code_enum<dingcb::Errc> : std::true_type {};

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/error.ipp>
#endif
