#include <dingcb/registration.hpp>

#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace {

using dingcb::ApiCall;
using dingcb::Credential;
using dingcb::Errc;
using dingcb::Error;
using dingcb::Registration;

const Registration kGood{"https://example.com/dingtalk/callback",
                         {"user_add_org", "user_leave_org"},
                         "tokenOfTheShop1",
                         "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01"};

template <class Change>
Error refusal(Change change) {
  Registration registration = kGood;
  change(registration);
  const auto call = register_call_back(registration);
  const auto update = update_call_back(registration);
  REQUIRE_FALSE(call);
  REQUIRE_FALSE(update);
  CHECK(update.error().message == call.error().message.str());
  for (const std::string& secret : {registration.token, registration.aes_key, kGood.token, kGood.aes_key}) {
    CHECK((secret.size() < 6 || call.error().message.find(secret) == std::string_view::npos));
  }
  return call.error();
}

bool says(const Error& error, std::string_view text) { return error.message.find(text) != std::string_view::npos; }

}  // namespace

TEST_CASE("register_call_back makes the call of the registration API") {
  const auto call = register_call_back(kGood);
  REQUIRE(call);
  CHECK(call->method == "POST");
  CHECK(call->path == "/call_back/register_call_back");
  CHECK(call->body ==
        R"({"call_back_tag":["user_add_org","user_leave_org"],"token":"tokenOfTheShop1",)"
        R"("aes_key":"sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01","url":"https://example.com/dingtalk/callback"})");
  CHECK(call->doubtful_types.empty());
  CHECK(call->url("abc") == "https://oapi.dingtalk.com/call_back/register_call_back?access_token=abc");

  const auto update = update_call_back(kGood);
  REQUIRE(update);
  CHECK(update->method == "POST");
  CHECK(update->path == "/call_back/update_call_back");
  CHECK(update->body == call->body);
}

TEST_CASE("get_call_back and delete_call_back have no body") {
  for (const ApiCall& call : {dingcb::get_call_back(), dingcb::delete_call_back()}) {
    CHECK(call.method == "GET");
    CHECK(call.body.empty());
  }
  CHECK(dingcb::get_call_back().path == "/call_back/get_call_back");
  CHECK(dingcb::delete_call_back().path == "/call_back/delete_call_back");
}

TEST_CASE("ApiCall::url encodes the access token and takes another host") {
  const ApiCall call = dingcb::get_call_back();
  CHECK(call.url("aZ09-._~+/=& \xE5") ==
        "https://oapi.dingtalk.com/call_back/get_call_back?access_token=aZ09-._~%2B%2F%3D%26%20%E5");
  CHECK(call.url("t", "https://ding.example.com/") ==
        "https://ding.example.com/call_back/get_call_back?access_token=t");
}

TEST_CASE("Registration::of takes token and AES key of a Credential, types of a Dispatcher") {
  const Credential credential{kGood.token, kGood.aes_key, {"dingcorp0001"}, "shop"};
  const auto dispatcher = dingcb::Dispatcher::Builder()
                              .on([](const dingcb::events::UserLeaveOrg&) {})
                              .on([](const dingcb::events::UserAddOrg&) {})
                              .build();
  REQUIRE(dispatcher);
  const auto call = register_call_back(Registration::of(credential, dispatcher->subscribed_types(), kGood.url));
  REQUIRE(call);
  CHECK(call->body == register_call_back(kGood)->body);
}

TEST_CASE("register_call_back tells types that DingTalk may refuse") {
  Registration registration = kGood;
  registration.types = {"user_add_org",           "user_add_orgg", "check_url",           "check_create_suite_url",
                        "check_update_suite_url", "suite_ticket",  "SYNC_HTTP_PUSH_HIGH", "SYNC_HTTP_PUSH_MEDIUM"};
  const auto call = register_call_back(registration);
  REQUIRE(call);
  CHECK(call->doubtful_types == std::vector<std::string>(registration.types.begin() + 1, registration.types.end()));
  CHECK(call->body.find("user_add_orgg") != std::string::npos);  // it may be new
}

TEST_CASE("register_call_back refuses a URL that DingTalk cannot call") {
  const auto with = [](const char* url) {
    Error error = refusal([url](Registration& one) { one.url = url; });
    CHECK(error.code == Errc::registration_unfit);
    return error;
  };
  CHECK(says(with(""), "the URL is empty"));
  CHECK(says(with("example.com/callback"), "http:// or https://"));
  CHECK(says(with("ftp://example.com/"), "http:// or https://"));
  CHECK(says(with("://example.com/"), "http:// or https://"));
  CHECK(says(with("https:/example.com/"), "http:// or https://"));
  CHECK(says(with("https:///callback"), "no domain"));
  CHECK(says(with("https://"), "no domain"));
  CHECK(says(with("https://:8080/"), "no domain"));
  CHECK(says(with("https://?a=b"), "no domain"));
  CHECK(says(with("https://user:pass@example.com/"), "user name"));
  CHECK(says(with("https://example.com/#part"), "fragment"));
  CHECK(says(with("https://example.com/a b"), "character 22 of the URL"));
  CHECK(says(with("https://example.com/\n"), "character 21 of the URL"));
  CHECK(says(with("https://\xE4\xBE\x8B.example/"), "character 9 of the URL"));
  CHECK(says(with("https://example.com/\x7F"), "character 21 of the URL"));

  for (const char* url : {"http://example.com", "HTTPS://EXAMPLE.com:8443/a/b?c=d@e", "https://[2001:db8::1]/",
                          "https://203.0.113.7/callback"}) {
    Registration registration = kGood;
    registration.url = url;
    CHECK(register_call_back(registration).has_value());
  }
}

TEST_CASE("register_call_back refuses lists of types that make no sense") {
  CHECK(says(refusal([](Registration& one) { one.types.clear(); }), "there is no type"));
  CHECK(says(refusal([](Registration& one) { one.types = {"user_add_org", ""}; }), "type 2 is empty"));
  CHECK(says(refusal([](Registration& one) { one.types = {"user add org"}; }), "type 1 is empty, or holds"));
  CHECK(says(refusal([](Registration& one) { one.types.emplace_back("user_add_org"); }),
             "the type user_add_org is there twice"));
}

TEST_CASE("register_call_back refuses a token that the registration API does not take") {
  const auto with = [](std::string token) {
    return refusal([&token](Registration& one) { one.token = std::move(token); });
  };
  CHECK(with("").code == Errc::token_missing);
  CHECK(with("12345").code == Errc::registration_unfit);
  CHECK(says(with("12345"), "5 characters; the registration API wants 6 to 63"));
  CHECK(says(with(std::string(64, 't')), "64 characters"));
  CHECK(says(with("to\xFFkenX"), "not UTF-8"));
  for (const std::string& token :
       {std::string("123456"), std::string(63, 't'), std::string("\xE4\xBB\xA4\xE7\x89\x8C\"\\{}")}) {
    Registration registration = kGood;
    registration.token = token;
    CHECK(register_call_back(registration).has_value());
  }
}

TEST_CASE("register_call_back refuses an AES key with the code that Encryptor has for it") {
  const Error shortened = refusal([](Registration& one) { one.aes_key.pop_back(); });
  CHECK(shortened.code == Errc::aes_key_length);
  CHECK(official_code(shortened.code) == 900004);
  CHECK(says(shortened, "aes_key of the registration has 42 characters"));
  CHECK(refusal([](Registration& one) { one.aes_key[7] = '='; }).code == Errc::aes_key_charset);
}

TEST_CASE("register_call_back lists all mistakes, with the code of the first") {
  const Error error = refusal([](Registration& one) {
    one.url = "ftp://x";
    one.types = {"", "a-b"};
    one.token = "12345";
    one.aes_key = "short";
  });
  CHECK(error.code == Errc::registration_unfit);
  CHECK(error.message.find("the callback cannot be registered: ") == 0);
  for (const char* part : {"http:// or https://", "; type 1 ", "; type 2 ", "; the token has 5", "aes_key of the"}) {
    INFO(part);
    CHECK(says(error, part));
  }
  CHECK(refusal([](Registration& one) { one.token = one.aes_key = ""; }).code == Errc::token_missing);
}

TEST_CASE("parse_api_answer takes errcode 0 for success") {
  CHECK(dingcb::parse_api_answer(R"({"errcode":0,"errmsg":"ok"})").has_value());
  CHECK(dingcb::parse_api_answer(R"({"errmsg":"ok","errcode":"0","more":[1]})").has_value());
}

TEST_CASE("parse_api_answer explains each documented errcode") {
  const int numbers[] = {40057,  40085,  71006,  71007,  71008,  71009,  71010,  71011,  71012,  71013,
                         400040, 400041, 400050, 400051, 400052, 400053, 400054, 400055, 400056, 400057};
  for (const int number : numbers) {
    INFO(number);
    const auto answer =
        dingcb::parse_api_answer("{\"errcode\":" + std::to_string(number) + ",\"errmsg\":\"the words of DingTalk\"}");
    REQUIRE_FALSE(answer);
    const Error& error = answer.error();
    const bool exists = number == 71006 || number == 400041;
    const bool unknown = number == 71007 || number == 400040;
    CHECK(error.code == (exists ? Errc::callback_exists : unknown ? Errc::callback_unknown : Errc::platform_refused));
    CHECK(error.message.find("DingTalk answered with errcode " + std::to_string(number) + ": ") == 0);
    CHECK(says(error, "; "));  // a remedy
    CHECK(says(error, "(errmsg: the words of DingTalk)"));
  }
  CHECK(says(dingcb::parse_api_answer(R"({"errcode":71009})").error(), "encrypted `success`"));
  CHECK(says(dingcb::parse_api_answer(R"({"errcode":71008})").error(), "misspelt"));
}

TEST_CASE("parse_api_answer passes on what it does not know, short and without keys") {
  const auto error_of = [](std::string errmsg) {
    const auto answer = dingcb::parse_api_answer("{\"errcode\":-1,\"errmsg\":\"" + std::move(errmsg) + "\"}");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::platform_refused);
    return answer.error().message.str();
  };
  CHECK(error_of("") == "DingTalk answered with errcode -1");
  CHECK(error_of("\xE7\xB3\xBB\xE7\xBB\x9F\xE7\xB9\x81\xE5\xBF\x99") ==
        "DingTalk answered with errcode -1 (errmsg: \xE7\xB3\xBB\xE7\xBB\x9F\xE7\xB9\x81\xE5\xBF\x99)");
  CHECK(error_of("a\\nb\\u0000c") == "DingTalk answered with errcode -1 (errmsg: a b c)");
  CHECK(error_of("key " + kGood.aes_key + " is bad") == "DingTalk answered with errcode -1 (errmsg: key **** is bad)");
  CHECK(error_of("key " + kGood.aes_key) == "DingTalk answered with errcode -1 (errmsg: key ****)");
  std::string long_text;
  while (long_text.size() < 1000) long_text += "\xE9\x94\x99 ";
  const std::string cut = error_of(long_text);
  CHECK(cut.size() < 300);
  CHECK(cut.substr(cut.size() - 4) == "\x94\x99 )");
}

TEST_CASE("parse_api_answer refuses what is no answer") {
  const auto code_of = [](const char* json) {
    const auto answer = dingcb::parse_api_answer(json);
    return answer ? Errc{} : answer.error().code;
  };
  CHECK(code_of("") == Errc::json_malformed);
  CHECK(code_of("<html>") == Errc::json_malformed);
  CHECK(code_of("{}") == Errc::envelope_malformed);
  CHECK(code_of("[0]") == Errc::envelope_malformed);
  CHECK(code_of("0") == Errc::envelope_malformed);
  CHECK(code_of(R"({"errcode":"none"})") == Errc::envelope_malformed);
  CHECK(code_of(R"({"errcode":null})") == Errc::envelope_malformed);
  CHECK(code_of("{\"errcode\":0,\"errmsg\":\"\xFF\"}") == Errc::not_utf8);
}

TEST_CASE("parse_call_back reads the registered callback") {
  const auto registered = dingcb::parse_call_back(
      R"({"errcode":0,"errmsg":"ok","call_back_tag":["user_add_org","user_leave_org"],"token":"tokenOfTheShop1",)"
      R"("aes_key":"sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01","url":"https://example.com/dingtalk/callback"})");
  REQUIRE(registered);
  CHECK(registered->url == kGood.url);
  CHECK(registered->types == kGood.types);
  CHECK((registered->token == kGood.token));
  CHECK((registered->aes_key == kGood.aes_key));
  CHECK(update_call_back(*registered)->body == update_call_back(kGood)->body);

  const auto none = dingcb::parse_call_back(R"({"errcode":71007,"errmsg":"none"})");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::callback_unknown);
  const auto other = dingcb::parse_call_back(R"({"errcode":0,"errmsg":"ok"})");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Errc::envelope_malformed);
  CHECK(dingcb::parse_call_back(R"({"errcode":0,"call_back_tag":"x","url":"y"})").has_value() == false);
}
