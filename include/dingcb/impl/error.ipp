// Bodies of error.hpp.
#pragma once

#include <dingcb/error.hpp>

DINGCB_NAMESPACE_BEGIN

DINGCB_INLINE int official_code(Errc code) noexcept {
  switch (code) {
    case Errc::plaintext_too_long: return 900001;
    case Errc::timestamp_missing: return 900002;
    case Errc::nonce_missing: return 900003;
    case Errc::aes_key_length:
    case Errc::aes_key_charset: return 900004;
    case Errc::signature_mismatch: return 900005;
    case Errc::signature_failed: return 900006;
    case Errc::encryption_failed:
    case Errc::random_failed: return 900007;
    case Errc::ciphertext_empty:
    case Errc::base64_malformed:
    case Errc::ciphertext_not_block_multiple:
    case Errc::decryption_failed:
    case Errc::padding: return 900008;
    case Errc::too_short:
    case Errc::length_field: return 900009;
    case Errc::owner_mismatch: return 900010;
    case Errc::timestamp_malformed:
    case Errc::timestamp_outside_window:
    case Errc::input_too_large:
    case Errc::credential_missing:
    case Errc::token_missing:
    case Errc::owner_key_missing:
    case Errc::credential_duplicate:
    case Errc::crypto_unavailable:
    case Errc::not_utf8:
    case Errc::json_malformed:
    case Errc::json_too_deep:
    case Errc::field_unfit:
    case Errc::envelope_malformed:
    case Errc::event_type_missing:
    case Errc::kind_mismatch:
    case Errc::duplicate_handler:
    case Errc::handler_missing:
    case Errc::handler_failed:
    case Errc::request_malformed:
    case Errc::sender_refused:
    case Errc::answer_late:
    case Errc::address_malformed:
    case Errc::registration_unfit:
    case Errc::callback_exists:
    case Errc::callback_unknown:
    case Errc::platform_refused:
    case Errc::out_of_memory:
    case Errc::inbox_full:
    case Errc::inbox_locked:
    case Errc::inbox_corrupt:
    case Errc::inbox_schema:
    case Errc::inbox_failed:
    case Errc::inbox_unsupported:
    case Errc::lease_lost: return 0;
  }
  return 0;  // a number that was never an Errc
}

namespace detail {

inline const char* describe(Errc code) noexcept {
  switch (code) {
    case Errc::plaintext_too_long: return "the plaintext of the reply is too long";
    case Errc::timestamp_missing: return "the push has no timestamp";
    case Errc::nonce_missing: return "the push has no nonce";
    case Errc::aes_key_length: return "the EncodingAESKey has not 43 characters";
    case Errc::aes_key_charset: return "the EncodingAESKey holds something else than letters and digits";
    case Errc::signature_mismatch: return "the signature does not match";
    case Errc::signature_failed: return "the signature could not be computed";
    case Errc::encryption_failed: return "the reply could not be encrypted";
    case Errc::random_failed: return "the random source delivered nothing";
    case Errc::ciphertext_empty: return "encrypt is empty";
    case Errc::base64_malformed: return "encrypt is not base64";
    case Errc::ciphertext_not_block_multiple: return "the ciphertext is no multiple of 16 bytes";
    case Errc::decryption_failed: return "the push could not be decrypted";
    case Errc::padding: return "the padding is wrong";
    case Errc::too_short: return "the decrypted message is too short";
    case Errc::length_field: return "the message length points beyond the end";
    case Errc::owner_mismatch: return "the owner key in the message is not a configured one";
    case Errc::timestamp_malformed: return "the timestamp has not 10 or 13 digits";
    case Errc::timestamp_outside_window: return "the timestamp is outside the replay window";
    case Errc::input_too_large: return "the push is larger than the limit";
    case Errc::credential_missing: return "no credential";
    case Errc::token_missing: return "a credential has no token";
    case Errc::owner_key_missing: return "a credential has no owner key";
    case Errc::credential_duplicate: return "two credentials are the same";
    case Errc::crypto_unavailable: return "OpenSSL has no SHA-1 or AES-256-CBC";
    case Errc::not_utf8: return "the text is not UTF-8";
    case Errc::json_malformed: return "the text is not JSON";
    case Errc::json_too_deep: return "the JSON text is nested too deeply";
    case Errc::field_unfit: return "a field does not have the type of the event";
    case Errc::envelope_malformed: return "the JSON text is no push, row, frame or list of DingTalk";
    case Errc::event_type_missing: return "the push does not say what happened";
    case Errc::kind_mismatch: return "the event is of another type";
    case Errc::duplicate_handler: return "an event has two handlers";
    case Errc::handler_missing: return "a handler is missing";
    case Errc::handler_failed: return "a handler threw an exception";
    case Errc::request_malformed: return "the request is no push";
    case Errc::sender_refused: return "the sender is not in the list";
    case Errc::answer_late: return "the answer came after the deadline";
    case Errc::address_malformed: return "the text is no range of IP addresses";
    case Errc::registration_unfit: return "a callback cannot be registered so";
    case Errc::callback_exists: return "a callback is registered already";
    case Errc::callback_unknown: return "no callback is registered";
    case Errc::platform_refused: return "DingTalk's API refused the call";
    case Errc::out_of_memory: return "there is no memory";
    case Errc::inbox_full: return "the inbox is full";
    case Errc::inbox_locked: return "the inbox is locked by another program";
    case Errc::inbox_corrupt: return "the inbox is damaged";
    case Errc::inbox_schema: return "the inbox has another schema";
    case Errc::inbox_failed: return "the inbox failed";
    case Errc::inbox_unsupported: return "the inbox cannot do that";
    case Errc::lease_lost: return "the event was claimed again before it was settled";
  }
  return "unknown error";
}

class ErrorCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "dingcb"; }
  std::string message(int code) const override { return describe(static_cast<Errc>(code)); }
};

}  // namespace detail

DINGCB_INLINE const std::error_category& error_category() noexcept {
  static const detail::ErrorCategory category;
  return category;
}

DINGCB_NAMESPACE_END
