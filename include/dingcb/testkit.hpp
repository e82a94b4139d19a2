// Test kit: plays DingTalk against your callback, in your tests. A component of its own (`testkit`).
#pragma once

#include <dingcb/callback_handler.hpp>
#include <dingcb/clock.hpp>
#include <dingcb/encryptor.hpp>
#include <dingcb/event.hpp>
#include <dingcb/random.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace testkit {

/// A push as DingTalk sends it: the query string without `?`, and the body.
struct SignedPush {
  std::string query;
  std::string body;

  /// Gives the request that CallbackHandler::handle() takes; valid as long as this object.
  Request request() const noexcept { return {query, body}; }
};

/// What DingTalk makes of an answer.
struct Judgement {
  bool accepted = false;            ///< DingTalk counts the push as delivered.
  std::string_view cause = "none";  ///< Stable identifier of the problem, listed in docs/errors.md; a literal.
  std::string problem;              ///< English: what is wrong, and what to do; empty where nothing is.
  std::string plaintext;            ///< What the reply decrypted to, where it did.
};

/// Settings of a Platform.
struct PlatformOptions {
  std::shared_ptr<const Clock> clock;          ///< Null: the system's clock. Dates pushes.
  std::shared_ptr<const RandomSource> random;  ///< Null: OpenSSL's. Makes nonces and message prefixes.
  /// Sealed in the pushes, and wanted in the replies. Empty: the credential's first. May be one that the credential
  /// does not have, to play a push that is not for it.
  std::string owner_key;
  bool msg_signature = false;  ///< Calls the parameter `msg_signature`, as some pages do, instead of `signature`.
  std::string timestamp;       ///< Of every push: any text, such as seconds. Empty: the milliseconds of `clock`.
  std::string nonce;           ///< Of every push: any text. Empty: eight letters and digits made of `random`.
};

/// DingTalk's side of a callback, for one app. Written straight after the protocol, on its own, so that it does not
/// repeat a mistake of Encryptor. Immutable, so safe from any thread; not made for speed.
class Platform {
 public:
  using Options = PlatformOptions;

  /// @param credential the app's.
  /// @throws Exception where Encryptor::create() would refuse the credential.
  explicit Platform(Credential credential, Options options = {});

  /// Signs and encrypts a plaintext, JSON or not.
  /// @throws Exception where the RandomSource or OpenSSL fails.
  SignedPush push(std::string_view plaintext) const;

  /// Signs and encrypts an event as an HTTP push.
  template <class E, class = std::enable_if_t<detail::kIsEvent<E>>>
  SignedPush push(const E& event, const EventHeader& header = {}) const {
    return push(to_http_json(event, header));
  }

  /// Signs and encrypts rows as one SyncHTTP push.
  /// @param high SYNC_HTTP_PUSH_HIGH, or else SYNC_HTTP_PUSH_MEDIUM.
  SignedPush push_rows(const std::vector<PushRow>& rows, bool high = true) const;

  /// Judges an answer as DingTalk does, as far as its documents and samples tell. Where they allow two ways, such as
  /// `timestamp` for `timeStamp`, padding to 16 bytes, or timestamp and nonce of the push instead of fresh ones, both
  /// are accepted; the timestamp may be any text, as stale as it likes. Any bytes may be judged.
  /// @param expected what the reply has to decrypt to; only URL checks may want something else than `success`.
  Judgement judge(int status, std::string_view body, std::string_view expected = "success") const;

  /// Tells whether DingTalk takes a body, sent with status 200, for an answer.
  bool accepts(std::string_view body) const { return judge(200, body).accepted; }

 private:
  Credential credential_;
  Options options_;
};

/// An official sample of an event.
struct Sample {
  std::string_view name;  ///< Type, envelope, and a number where there are several: `user_add_org.stream.2`.
  std::string_view type;  ///< Wire type.
  Source source;          ///< How it comes: Source::http, stream, or sync_http (one row, or a whole push).
  std::string_view json;  ///< What DingTalk's page prints.
};

/// Gives the official samples of a wire type, or all of them, sorted by name. The views never end.
std::vector<Sample> samples(std::string_view type = {});

/// Gives the plaintext of a push that brings the sample, by HTTP or SyncHTTP: what Platform::push() takes. A Stream
/// frame becomes the HTTP push of the same event.
std::string plaintext_of(const Sample& sample);

namespace wire {
PushRow make_row(std::string body, std::string_view type, const EventHeader& header);
}

/// Makes the row that brings an event by SyncHTTP or in DingTalk's tables: for Platform::push_rows() and parse_row().
/// @param header gives the id of the event, and the columns corp_id, subscribe_id, biz_id, biz_type (else that of the
///   samples, or 0), open_cursor and gmt_modified (else when the event was born).
template <class E>
PushRow row_of(const E& event, const EventHeader& header = {}) {
  EventHeader inside;
  inside.id = header.id;
  return wire::make_row(to_http_json(event, inside), EventTraits<E>::type, header);
}

}  // namespace testkit
DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/testkit.ipp>
#endif
