// Registration of a callback through DingTalk's API: what to send, and what the answers mean. The library itself sends
// nothing; your HTTP client does.
#pragma once

#include <dingcb/encryptor.hpp>
#include <dingcb/result.hpp>

#include <string>
#include <string_view>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// A callback as DingTalk's registration API knows it: one for each organisation of an internal app. Pushes of such a
/// callback are sealed with the CorpId, not with the AppKey.
struct Registration {
  std::string url;                 ///< Where DingTalk shall post; reachable from the internet, without redirects.
  std::vector<std::string> types;  ///< `call_back_tag`: wire types, such as those of Dispatcher::subscribed_types().
  std::string token;               ///< 6 to 63 characters: other bounds than the developer console has.
  std::string aes_key;             ///< EncodingAESKey: 43 letters and digits.

  /// Makes one with the token and AES key that an Encryptor was made with.
  static Registration of(const Credential& credential, std::vector<std::string> types, std::string url) {
    return {std::move(url), std::move(types), credential.token, credential.aes_key};
  }
};

/// A call of DingTalk's API for your HTTP client.
struct ApiCall {
  std::string_view method;  ///< `POST`, with content type application/json, or `GET`.
  std::string_view path;    ///< `/call_back/register_call_back`.
  std::string body;         ///< JSON; empty with `GET`. Holds token and AES key: do not log it.
  /// Registered types that this release does not know, or that come without being registered (URL checks, suite_ticket,
  /// SyncHTTP pushes): worth a line in the log, because DingTalk may refuse them all for one misspelt type (71008).
  std::vector<std::string> doubtful_types;

  /// Gives the whole address. It holds the access token: do not log it.
  /// @param host of a DingTalk of your own (exclusive DingTalk), without a path.
  DINGCB_API std::string url(std::string_view access_token, std::string_view host = "https://oapi.dingtalk.com") const;
};

/// Makes the call that registers a callback. While it runs DingTalk posts `check_url` to the address, so that the
/// service must be up before.
/// @error token_missing, aes_key_length, aes_key_charset (900004), registration_unfit (anything else). The message
///   lists all mistakes and never holds token or AES key; the code is that of the first.
DINGCB_API Result<ApiCall> register_call_back(const Registration& registration);

/// Makes the call that replaces the registered callback; otherwise like register_call_back().
DINGCB_API Result<ApiCall> update_call_back(const Registration& registration);

/// Makes the call that asks for the registered callback; parse_call_back() reads the answer.
DINGCB_API ApiCall get_call_back();

/// Makes the call that removes the registered callback.
DINGCB_API ApiCall delete_call_back();

/// Reads the answer to a call that registers, updates or removes.
/// @error callback_exists (400041, 71006: update instead), callback_unknown (400040, 71007: register instead),
///   platform_refused (any other errcode). The message gives the errcode, what it means and what to do, and DingTalk's
///   own text. envelope_malformed, not_utf8, json_malformed, json_too_deep: it is no such answer.
DINGCB_API Result<void> parse_api_answer(std::string json);

/// Reads the answer to get_call_back().
/// @error those of parse_api_answer().
DINGCB_API Result<Registration> parse_call_back(std::string json);

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/registration.ipp>
#endif
