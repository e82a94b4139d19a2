// The calls of the registration API with any settings, and any answer to them.
//
// The first byte of the input says what the others are: `a` an answer; `c` URL, token, AES key, access token and types
// of a callback, a line each.
#include <dingcb/registration.hpp>

#include <dingcb/detail/json.hpp>

#include "fuzz/event_checks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using checks::require;
using dingcb::ApiCall;
using dingcb::Errc;
using dingcb::Error;
using dingcb::Json;
using dingcb::Registration;

// DingTalk's own text may be a part of the message, but short, in one line, and without what could be a key.
void check_message(std::string_view message) {
  require(!message.empty() && message.size() < 600);
  std::size_t run = 0;
  for (const char c : message) {
    require(static_cast<unsigned char>(c) >= 0x20);
    const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    run = alphanumeric ? run + 1 : 0;
    require(run < 24);
  }
}

void check_answer(const std::string& answer) {
  const auto plain = dingcb::parse_api_answer(answer);
  const auto registered = dingcb::parse_call_back(answer);
  const auto document = dingcb::detail::JsonDocument::parse(answer);
  const Json root = document ? (*document)->root() : Json();
  const auto errcode = root["errcode"].as_int64();
  require(plain.has_value() == (errcode == 0));
  if (!plain) {
    require(!registered && registered.error().code == plain.error().code);
    require(registered.error().message == plain.error().message);
    check_message(plain.error().message);
    const Errc code = plain.error().code;
    if (!document) {
      require(code == document.error().code);
    } else if (!errcode) {
      require(code == Errc::envelope_malformed);
    } else {
      require(code == Errc::callback_exists || code == Errc::callback_unknown || code == Errc::platform_refused);
      require(plain.error().message.find("errcode " + std::to_string(*errcode)) != std::string_view::npos);
    }
  } else if (!registered) {
    require(registered.error().code == Errc::envelope_malformed);
    check_message(registered.error().message);
    require(!root["call_back_tag"].is_array() || !root["url"].is_string());
  } else {
    require(registered->url == root["url"].as_text() && registered->types.size() == root["call_back_tag"].size());
    require(registered->token == root["token"].as_text() && registered->aes_key == root["aes_key"].as_text());
  }
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    static constexpr std::string_view kHex = "0123456789ABCDEF";
    require(i + 2 < text.size());
    const std::size_t high = kHex.find(text[i + 1]);
    const std::size_t low = kHex.find(text[i + 2]);
    require(high != std::string_view::npos && low != std::string_view::npos);
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

void check_address(const ApiCall& call, const std::string& access_token) {
  const std::string begin = "https://oapi.dingtalk.com" + std::string(call.path) + "?access_token=";
  const std::string address = call.url(access_token);
  require(address.compare(0, begin.size(), begin) == 0);
  require(std::all_of(address.begin(), address.end(), [](char c) { return c > ' ' && c <= '~'; }));
  require(decoded(std::string_view(address).substr(begin.size())) == access_token);
}

// Another letter or digit for each.
std::string altered(std::string text) {
  for (char& c : text) {
    if ((c >= '0' && c < '9') || (c >= 'A' && c < 'Z') || (c >= 'a' && c < 'z')) {
      ++c;
    } else if (c == '9' || c == 'Z' || c == 'z') {
      c = c == '9' ? '0' : static_cast<char>(c - 25);
    }
  }
  return text;
}

void check_call(const Registration& registration, const std::string& access_token) {
  const auto call = dingcb::register_call_back(registration);
  const auto update = dingcb::update_call_back(registration);
  require(call.has_value() == update.has_value());
  if (!call) {
    const Error& error = call.error();
    require(error.code == update.error().code && error.message == update.error().message);
    require(error.code == Errc::registration_unfit || error.code == Errc::token_missing ||
            error.code == Errc::aes_key_length || error.code == Errc::aes_key_charset);
    // With other secrets of the same kind the message is the same, so that it holds nothing of them.
    Registration other = registration;
    other.token = altered(registration.token);
    other.aes_key = altered(registration.aes_key);
    require(dingcb::register_call_back(other).error().message == error.message);
    return;
  }
  require(call->method == "POST" && call->body == update->body && call->path != update->path);
  // What is sent is what was given.
  const auto back = dingcb::parse_call_back(R"({"errcode":0,)" + call->body.substr(1));
  require(back && back->url == registration.url && back->types == registration.types);
  require(back->token == registration.token && back->aes_key == registration.aes_key);
  for (const std::string& type : call->doubtful_types) {
    require(std::find(registration.types.begin(), registration.types.end(), type) != registration.types.end());
  }
  check_address(*call, access_token);
}

std::string take_line(std::string_view& rest) {
  std::string line(rest.substr(0, rest.find('\n')));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'a') {
    check_answer(std::string(rest));
  } else if (data[0] == 'c') {
    Registration registration;
    registration.url = take_line(rest);
    registration.token = take_line(rest);
    registration.aes_key = take_line(rest);
    const std::string access_token = take_line(rest);
    while (!rest.empty()) registration.types.push_back(take_line(rest));
    check_call(registration, access_token);
    check_address(dingcb::get_call_back(), access_token);
  }
  return 0;
}
