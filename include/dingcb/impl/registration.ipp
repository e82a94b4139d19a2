// Bodies of registration.hpp.
#pragma once

#include <dingcb/detail/codec.hpp>
#include <dingcb/events/kind.hpp>
#include <dingcb/impl/keyring.ipp>
#include <dingcb/registration.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// An errcode of DingTalk's API that a registration may get. docs/errors.md lists the same.
struct PlatformCode {
  std::int64_t number;
  Errc code;
  std::string_view meaning;
  std::string_view remedy;
};

inline constexpr PlatformCode kPlatformCodes[] = {
    {40057, Errc::platform_refused, "the URL is illegal", "give a complete http or https address"},
    {40085, Errc::platform_refused, "the suite ticket does not exist",
     "store each suite_ticket that is pushed, and use the last one"},
    {71006, Errc::callback_exists, "a callback is registered already", "update it instead"},
    {71007, Errc::callback_unknown, "no callback is registered", "register it instead"},
    {71008, Errc::platform_refused, "a type in call_back_tag cannot be registered",
     "look for a misspelt type, and for types that come without being registered"},
    {71009, Errc::platform_refused, "the URL did not answer its check with an encrypted `success`",
     "see that the service is up with this token and AES key and with the CorpId among its owner keys"},
    {71010, Errc::platform_refused, "a parameter is missing", "send the body unchanged, as application/json"},
    {71011, Errc::platform_refused, "the URL is malformed", "give a complete http or https address"},
    {71012, Errc::platform_refused, "the URL cannot be reached",
     "open it to the internet, and let DingTalk's addresses through"},
    {71013, Errc::platform_refused, "the domain or address may not receive callbacks", "use another domain"},
    {400040, Errc::callback_unknown, "the callback does not exist", "register it instead"},
    {400041, Errc::callback_exists, "the callback exists already", "update it instead"},
    {400050, Errc::platform_refused, "the URL is invalid", "give a complete http or https address"},
    {400051, Errc::platform_refused, "the URL cannot be reached",
     "open it to the internet, and let DingTalk's addresses through"},
    {400052, Errc::platform_refused, "the URL gave a wrong answer",
     "see that the service is up with this token and AES key and with the CorpId among its owner keys"},
    {400053, Errc::platform_refused, "the URL is blacklisted", "register the final address, without redirects"},
    {400054, Errc::platform_refused, "the URL did not answer in time",
     "answer within 1500 ms; see that nothing between DingTalk and the service holds requests back"},
    {400055, Errc::platform_refused, "the callback device is offline", "connect it, and try again"},
    {400056, Errc::platform_refused, "the callback call failed", "try again"},
    {400057, Errc::platform_refused, "the callback device is unknown", "register the device"},
};

/// A text of DingTalk's for a message: short, in one line, and without whatever might be a key.
inline std::string presentable(std::string_view text) {
  static constexpr std::size_t kLongest = 200;
  static constexpr std::size_t kKeyLike = 24;
  std::string shown;
  std::size_t run = 0;  // letters and digits at the end of `shown`
  const auto mask = [&shown, &run] {
    if (run >= kKeyLike) shown.replace(shown.size() - run, run, "****");
    run = 0;
  };
  for (const char c : text) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool follows = (static_cast<unsigned char>(c) & 0xC0) == 0x80;  // a character is not cut in two
    if (!alphanumeric) mask();
    if (!alphanumeric && !follows && shown.size() >= kLongest) break;
    shown += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    if (alphanumeric) ++run;
  }
  mask();
  return shown;
}

inline Error platform_error(std::int64_t errcode, std::string_view errmsg) {
  const auto* const known = std::find_if(std::begin(kPlatformCodes), std::end(kPlatformCodes),
                                         [errcode](const PlatformCode& one) { return one.number == errcode; });
  std::string text = "DingTalk answered with errcode " + std::to_string(errcode);
  if (known != std::end(kPlatformCodes)) {
    text.append(": ").append(known->meaning).append("; ").append(known->remedy);
  }
  if (!errmsg.empty()) text += " (errmsg: " + presentable(errmsg) + ')';
  return fail(known != std::end(kPlatformCodes) ? known->code : Errc::platform_refused, std::move(text));
}

/// Reads an answer whose errcode is 0.
inline Result<std::shared_ptr<const JsonDocument>> parse_answer(std::string json) {
  auto document = JsonDocument::parse(std::move(json));
  if (!document) return document;
  const Json root = (*document)->root();
  const auto errcode = root["errcode"].as_int64();
  if (!errcode) {
    return fail(Errc::envelope_malformed, "the answer has no number \"errcode\"; pass the body that DingTalk sent");
  }
  if (*errcode != 0) return platform_error(*errcode, root["errmsg"].as_text());
  return document;
}

/// The mistakes of a registration, all in one Error.
class Mistakes {
 public:
  void add(Errc code, std::string_view text) {
    if (text_.empty()) code_ = code;
    text_.append(text_.empty() ? "the callback cannot be registered: " : "; ").append(text);
  }
  bool empty() const noexcept { return text_.empty(); }
  Error take() { return fail(code_, std::move(text_)); }

 private:
  Errc code_{};
  std::string text_;
};

inline void check_url_text(std::string_view url, Mistakes& mistakes) {
  const auto add = [&mistakes](std::string_view text) { mistakes.add(Errc::registration_unfit, text); };
  if (url.empty()) return add("the URL is empty");
  const std::size_t odd = static_cast<std::size_t>(
      std::find_if(url.begin(), url.end(), [](char c) { return c <= ' ' || c > '~'; }) - url.begin());
  if (odd != url.size()) {
    return add("character " + std::to_string(odd + 1) +
               " of the URL is no printable ASCII; encode it (%20, or punycode in the domain)");
  }
  const std::size_t scheme = url.find("://");
  std::string name(url.substr(0, scheme == std::string_view::npos ? 0 : scheme));
  for (char& c : name) c = static_cast<char>(c | 0x20);
  if (name != "http" && name != "https") return add("the URL does not begin with http:// or https://");
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty() || authority.front() == ':') add("the URL has no domain");
  if (authority.find('@') != std::string_view::npos) add("the URL holds a user name, which DingTalk does not send");
  if (rest.find('#') != std::string_view::npos) add("the URL has a fragment (#), which is never sent");
}

inline void check_types(const std::vector<std::string>& types, Mistakes& mistakes) {
  const auto add = [&mistakes](std::string_view text) { mistakes.add(Errc::registration_unfit, text); };
  if (types.empty()) add("there is no type; give at least one, such as those of Dispatcher::subscribed_types()");
  std::vector<std::string_view> seen;
  for (const std::string& type : types) {
    const bool fits = !type.empty() && std::all_of(type.begin(), type.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    });
    if (!fits) {
      add("type " + std::to_string(seen.size() + 1) + " is empty, or holds other than letters, digits and `_`");
    } else if (std::find(seen.begin(), seen.end(), type) != seen.end()) {
      add("the type " + type + " is there twice");
    }
    seen.push_back(type);
  }
}

inline void check_token(std::string_view token, Mistakes& mistakes) {
  if (token.empty()) return mistakes.add(Errc::token_missing, "the token is empty");
  JsonWriter writer;
  writer.text(token);
  const auto written = JsonDocument::parse(writer.take());
  if (!written || (*written)->root().as_text() != token) {
    return mistakes.add(Errc::registration_unfit, "the token is not UTF-8");
  }
  const auto characters =
      std::count_if(token.begin(), token.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  if (characters < 6 || characters > 63) {
    mistakes.add(Errc::registration_unfit,
                 "the token has " + std::to_string(characters) +
                     " characters; the registration API wants 6 to 63, unlike the developer console");
  }
}

inline bool is_doubtful(const std::string& type) noexcept {
  for (const std::string_view unasked : {"check_url", "check_create_suite_url", "check_update_suite_url",
                                         "suite_ticket", "SYNC_HTTP_PUSH_HIGH", "SYNC_HTTP_PUSH_MEDIUM"}) {
    if (type == unasked) return true;
  }
  return kind_of(type) == Kind::unknown;
}

inline Result<ApiCall> registering_call(std::string_view path, const Registration& registration) {
  Mistakes mistakes;
  check_url_text(registration.url, mistakes);
  check_types(registration.types, mistakes);
  check_token(registration.token, mistakes);
  AesKey key;
  if (const Error error = decode_aes_key(registration.aes_key, "the registration", key); error.code != Errc{}) {
    mistakes.add(error.code, error.message);
  }
  if (!mistakes.empty()) return mistakes.take();
  ApiCall call{"POST", path, {}, {}};
  JsonWriter writer;
  writer.begin_object();
  writer.key("call_back_tag");
  writer.begin_array();
  for (const std::string& type : registration.types) {
    writer.text(type);
    if (is_doubtful(type)) call.doubtful_types.push_back(type);
  }
  writer.end_array();
  writer.key("token");
  writer.text(registration.token);
  writer.key("aes_key");
  writer.text(registration.aes_key);
  writer.key("url");
  writer.text(registration.url);
  writer.end_object();
  call.body = writer.take();
  return call;
}

}  // namespace detail

DINGCB_INLINE std::string ApiCall::url(std::string_view access_token, std::string_view host) const {
  std::string address(host);
  while (!address.empty() && address.back() == '/') address.pop_back();
  address.append(path).append("?access_token=");
  for (const char c : access_token) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      address += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      address += '%';
      address += "0123456789ABCDEF"[byte / 16];
      address += "0123456789ABCDEF"[byte % 16];
    }
  }
  return address;
}

DINGCB_INLINE Result<ApiCall> register_call_back(const Registration& registration) {
  return detail::registering_call("/call_back/register_call_back", registration);
}
DINGCB_INLINE Result<ApiCall> update_call_back(const Registration& registration) {
  return detail::registering_call("/call_back/update_call_back", registration);
}
DINGCB_INLINE ApiCall get_call_back() { return {"GET", "/call_back/get_call_back", {}, {}}; }
DINGCB_INLINE ApiCall delete_call_back() { return {"GET", "/call_back/delete_call_back", {}, {}}; }

DINGCB_INLINE Result<void> parse_api_answer(std::string json) {
  auto document = detail::parse_answer(std::move(json));
  if (!document) return std::move(document).error();
  return {};
}

DINGCB_INLINE Result<Registration> parse_call_back(std::string json) {
  auto document = detail::parse_answer(std::move(json));
  if (!document) return std::move(document).error();
  const Json root = (*document)->root();
  const Json types = root["call_back_tag"];
  if (!types.is_array() || !root["url"].is_string()) {
    return detail::fail(Errc::envelope_malformed,
                        "the answer has no list \"call_back_tag\" or no text \"url\"; is it that of get_call_back?");
  }
  Registration registration;
  for (const Json type : types) registration.types.emplace_back(type.as_text());
  registration.url = root["url"].as_text();
  registration.token = root["token"].as_text();
  registration.aes_key = root["aes_key"].as_text();
  return registration;
}

DINGCB_NAMESPACE_END
