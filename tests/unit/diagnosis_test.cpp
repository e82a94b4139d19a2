#include <dingcb/encryptor.hpp>

#include <dingcb/impl/diagnosis_repairs.ipp>
#include <dingcb/impl/diagnosis_texts.ipp>

#include "support/catch.hpp"
#include "support/platform.hpp"
#include "support/vectors.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::Credential;
using dingcb::Diagnosis;
using dingcb::Encryptor;
using dingcb::Push;
using dingcb::Suspect;
using platform::Sealed;

const std::string kAppKey = "dingq7w4e9r2t5y8u1i3";
const std::string kCorpId = "ding9f8e7d6c5b4a39281706f5e4d3c2b1a0";
const std::string kSuiteKey = "suitezk3m8v1x6c9b2n5a";
const std::string kMessage =
    R"({"EventType":"user_add_org","UserId":["zhangsan","lisi"],"Memo":"nobody prints qzxwvkjhpd"})";

// What DingTalk knows about the app; the receiver is configured with a copy that a test spoils.
const Credential kApp{"Tk9ForTests8Abc", "q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c", {kAppKey}, "orders"};
const Credential kOther{
    "An0therToken7xyz", "M5n6B7v8C9x0Z1l2K3j4H5g6F7d8S9a0P1o2I3u4Y5t", {"dinga1b2c3d4e5f6g7h8"}, "people"};

class FixedClock final : public dingcb::Clock {
 public:
  explicit FixedClock(std::int64_t now) : now_(now) {}
  std::int64_t unix_ms() const noexcept override { return now_; }

 private:
  std::int64_t now_;
};

// Base64 with everything in it that gets lost on the way: "+", "/" and "=", and more than one line of 76.
Sealed sealed(const std::string& owner = kAppKey, const Credential& credential = kApp,
              std::string_view timestamp = "1700000000123") {
  for (int i = 100; i < 1000; ++i) {
    Sealed push =
        platform::seal(credential, owner, timestamp, "n0nceAbc", kMessage, 32, "prefix0123456" + std::to_string(i));
    const std::string& text = push.encrypt;
    if (text.find('+') != std::string::npos && text.find('/') != std::string::npos && text.back() == '=') return push;
  }
  FAIL("no ciphertext with all characters");
  return {};
}

Encryptor make(std::vector<Credential> credentials, Encryptor::Options options = {}) {
  auto made = Encryptor::create(std::move(credentials), std::move(options));
  REQUIRE(made);
  return *std::move(made);
}

Credential with_token(Credential credential, std::string token) {
  credential.token = std::move(token);
  return credential;
}
Credential with_key(Credential credential, std::string aes_key) {
  credential.aes_key = std::move(aes_key);
  return credential;
}
Credential with_owners(Credential credential, std::vector<std::string> owner_keys) {
  credential.owner_keys = std::move(owner_keys);
  return credential;
}

bool holds_chinese(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xE4; });
}

// Every text that is handed out goes through here. Compares without printing, since what it finds may be a secret.
void check_texts(const Diagnosis& diagnosis, const std::vector<Credential>& credentials,
                 const std::string& sealed_owner) {
  CHECK_FALSE(diagnosis.en.empty());
  CHECK(std::all_of(diagnosis.en.begin(), diagnosis.en.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  CHECK(holds_chinese(diagnosis.zh));
  std::vector<std::string> secrets{kApp.token, kApp.aes_key, kOther.token, kOther.aes_key, sealed_owner};
  for (const Credential& credential : credentials) {
    secrets.push_back(credential.token);
    secrets.push_back(credential.aes_key);
    secrets.insert(secrets.end(), credential.owner_keys.begin(), credential.owner_keys.end());
  }
  for (std::size_t i = 0; i + 12 <= kMessage.size(); ++i) secrets.push_back(kMessage.substr(i, 12));
  for (const std::string* text : {&diagnosis.en, &diagnosis.zh}) {
    CHECK(text->size() < 1500);
    CHECK(text->find_first_of("{}") == std::string::npos);  // nothing was left to fill in
    const bool leaks = std::any_of(secrets.begin(), secrets.end(), [text](const std::string& secret) {
      return secret.size() >= 6 && text->find(secret) != std::string::npos;
    });
    CHECK_FALSE(leaks);
  }
}

Diagnosis expect(Suspect suspect, std::string_view cause, const std::vector<Credential>& credentials, const Push& push,
                 Encryptor::Options options = {}, const std::string& sealed_owner = kAppKey) {
  Diagnosis diagnosis = make(credentials, std::move(options)).diagnose(push);
  INFO(diagnosis.en);
  CHECK(diagnosis.cause == cause);
  CHECK(static_cast<int>(diagnosis.suspect) == static_cast<int>(suspect));
  check_texts(diagnosis, credentials, sealed_owner);
  return diagnosis;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string wrapped(const std::string& text, std::size_t width, const std::string& ending) {
  std::string lines;
  for (std::size_t i = 0; i < text.size(); i += width) lines += text.substr(i, width) + ending;
  return lines;
}

std::string percent_encoded(std::string text) {
  replace_all(text, "+", "%2B");
  replace_all(text, "/", "%2f");
  replace_all(text, "=", "%3D");
  return text;
}

std::string as_body(const std::string& encrypt) { return "{\"encrypt\":\"" + encrypt + "\"}"; }

// A change on the way, and what must be said about it.
struct Damage {
  const char* what;
  std::string_view cause;
  Suspect suspect;
  std::function<void(Sealed&)> happen;
};

const std::vector<Damage>& damages() {
  static const std::vector<Damage> all{
      {"+ in encrypt became a space", "plus_became_space", Suspect::body,
       [](Sealed& p) { replace_all(p.encrypt, "+", " "); }},
      {"encrypt is percent-encoded", "percent_encoded", Suspect::body,
       [](Sealed& p) { p.encrypt = percent_encoded(p.encrypt); }},
      {"encrypt is percent-encoded twice", "percent_encoded", Suspect::body,
       [](Sealed& p) {
         p.encrypt = percent_encoded(p.encrypt);
         replace_all(p.encrypt, "%", "%25");
       }},
      {"nonce is percent-encoded", "percent_encoded", Suspect::nonce, [](Sealed& p) { p.nonce.replace(0, 1, "%6e"); }},
      {"timestamp is percent-encoded", "percent_encoded", Suspect::timestamp,
       [](Sealed& p) { p.timestamp.replace(0, 1, "%31"); }},
      {"escaped slashes", "json_escapes_left", Suspect::body, [](Sealed& p) { replace_all(p.encrypt, "/", "\\/"); }},
      {"escaped plus", "json_escapes_left", Suspect::body, [](Sealed& p) { replace_all(p.encrypt, "+", "\\u002b"); }},
      {"whole JSON body", "whole_json_body", Suspect::body, [](Sealed& p) { p.encrypt = as_body(p.encrypt); }},
      {"whole JSON body, spaced, escaped, with a BOM and a newline", "whole_json_body", Suspect::body,
       [](Sealed& p) {
         replace_all(p.encrypt, "/", "\\/");
         p.encrypt = "\xEF\xBB\xBF{ \"a\": 1,\n \"encrypt\" : \"" + p.encrypt + "\" }\n";
       }},
      {"JSON in JSON", "json_escapes_left", Suspect::body,
       [](Sealed& p) {
         p.encrypt = as_body(p.encrypt);
         replace_all(p.encrypt, "\"", "\\\"");
       }},
      {"body as a form", "name_left_in_value", Suspect::body,
       [](Sealed& p) { p.encrypt = "encrypt=" + percent_encoded(p.encrypt); }},
      {"the query as the signature", "name_left_in_value", Suspect::signature,
       [](Sealed& p) { p.signature = "a=b&msg_signature=" + p.signature + "&timestamp=1"; }},
      {"newline behind encrypt", "surrounding_space", Suspect::body, [](Sealed& p) { p.encrypt += "\r\n"; }},
      {"spaces around timestamp", "surrounding_space", Suspect::timestamp,
       [](Sealed& p) { p.timestamp = " " + p.timestamp + "\t"; }},
      {"newline behind the signature", "surrounding_space", Suspect::signature, [](Sealed& p) { p.signature += "\n"; }},
      {"newlines behind all four", "surrounding_space", Suspect::body,
       [](Sealed& p) {
         for (std::string* text : {&p.signature, &p.timestamp, &p.nonce, &p.encrypt}) *text += "\n";
       }},
      {"quotes around encrypt", "quotes_left", Suspect::body, [](Sealed& p) { p.encrypt = '"' + p.encrypt + '"'; }},
      {"quotes around nonce", "quotes_left", Suspect::nonce, [](Sealed& p) { p.nonce = "'" + p.nonce + "'"; }},
      {"BOM in front of encrypt", "byte_order_mark", Suspect::body,
       [](Sealed& p) { p.encrypt = "\xEF\xBB\xBF" + p.encrypt; }},
      {"NUL behind nonce", "nul_byte", Suspect::nonce, [](Sealed& p) { p.nonce += '\0'; }},
      {"signature in upper case", "upper_case_hex", Suspect::signature,
       [](Sealed& p) {
         for (char& c : p.signature) c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
       }},
      {"signature with its algorithm", "digest_prefix", Suspect::signature,
       [](Sealed& p) { p.signature = "sha1=" + p.signature; }},
      {"timestamp through a double", "number_reprinted", Suspect::timestamp,
       [](Sealed& p) { p.timestamp = "1.700000000123E12"; }},
      {"timestamp with a fraction", "number_reprinted", Suspect::timestamp, [](Sealed& p) { p.timestamp += ".0"; }},
      {"timestamp with separators", "number_reprinted", Suspect::timestamp,
       [](Sealed& p) { p.timestamp = "1,700,000,000,123"; }},
      {"milliseconds cut to seconds", "milliseconds_became_seconds", Suspect::timestamp,
       [](Sealed& p) { p.timestamp.resize(10); }},
      {"milliseconds rounded to seconds", "milliseconds_became_seconds", Suspect::timestamp,
       [](Sealed& p) { p.timestamp.replace(10, 3, "000"); }},
      {"URL-safe alphabet", "url_safe_alphabet", Suspect::body,
       [](Sealed& p) {
         replace_all(p.encrypt, "+", "-");
         replace_all(p.encrypt, "/", "_");
       }},
      {"= lost", "padding_lost", Suspect::body, [](Sealed& p) { replace_all(p.encrypt, "=", ""); }},
      {"URL-safe alphabet without =", "url_safe_alphabet", Suspect::body,
       [](Sealed& p) {
         replace_all(p.encrypt, "+", "-");
         replace_all(p.encrypt, "/", "_");
         replace_all(p.encrypt, "=", "");
       }},
      {"line breaks added", "line_breaks_added", Suspect::body,
       [](Sealed& p) { p.encrypt = wrapped(p.encrypt, 50, "\n"); }},
      {"signature and timestamp swapped", "signature_swapped", Suspect::signature,
       [](Sealed& p) { p.signature.swap(p.timestamp); }},
      {"signature and nonce swapped", "signature_swapped", Suspect::signature,
       [](Sealed& p) { p.signature.swap(p.nonce); }},
      {"signature and encrypt swapped", "signature_swapped", Suspect::signature,
       [](Sealed& p) { p.signature.swap(p.encrypt); }},
      {"two things at once", "plus_became_space", Suspect::body,
       [](Sealed& p) {
         replace_all(p.encrypt, "+", " ");
         p.nonce += " ";
       }},
  };
  return all;
}

}  // namespace

TEST_CASE("diagnose finds nothing wrong with a push that opens") {
  const Diagnosis diagnosis = expect(Suspect::none, "none", {kOther, kApp}, sealed().push());
  CHECK(contains(diagnosis.en, "\"orders\""));
  CHECK(contains(diagnosis.zh, "“orders”"));
}

TEST_CASE("diagnose names the change that an input went through") {
  for (const Damage& damage : damages()) {
    INFO(damage.what);
    Sealed push = sealed();
    damage.happen(push);
    REQUIRE_FALSE(make({kOther, kApp}).decrypt(push.push()));
    expect(damage.suspect, damage.cause, {kOther, kApp}, push.push());
  }
}

TEST_CASE("diagnose names every change of a series") {
  Sealed push = sealed();
  replace_all(push.encrypt, "+", " ");
  push.nonce += "\n";
  const Diagnosis diagnosis = expect(Suspect::body, "plus_became_space", {kApp}, push.push());
  CHECK(contains(diagnosis.en, "Besides: White space or a line break surrounds nonce"));
  CHECK(contains(diagnosis.zh, "此外：nonce 首尾有空白"));
}

TEST_CASE("diagnose finds a timestamp in seconds that was made milliseconds, and the reverse") {
  Sealed push = sealed(kAppKey, kApp, "1700000000");
  push.timestamp += "000";
  expect(Suspect::timestamp, "seconds_became_milliseconds", {kApp}, push.push());
  push = sealed(kAppKey, kApp, "1700000000000");
  push.timestamp.resize(10);
  expect(Suspect::timestamp, "milliseconds_became_seconds", {kApp}, push.push());
}

TEST_CASE("diagnose finds lost and changed line breaks of a sender that wraps its base64") {
  const std::string flat = sealed().encrypt;
  const std::pair<std::size_t, const char*> styles[] = {{76, "\n"}, {76, "\r\n"}, {60, "\n"},
                                                        {64, "\n"}, {5000, "\n"}, {5000, "\r\n"}};
  for (const auto& [width, ending] : styles) {
    CAPTURE(width);
    Sealed push = platform::signed_push(kApp, wrapped(flat, width, ending), "1700000000123", "n0nceAbc");
    expect(Suspect::none, "none", {kApp}, push.push());
    push.encrypt = flat;
    expect(Suspect::body, "line_breaks_lost", {kApp}, push.push());
  }
  const std::string lines = wrapped(flat, 76, "\n");
  Sealed push = platform::signed_push(kApp, lines.substr(0, lines.size() - 1), "1700000000123", "n0nceAbc");
  push.encrypt = flat;
  expect(Suspect::body, "line_breaks_lost", {kApp}, push.push());
  push.encrypt = wrapped(flat, 76, " ");
  push.encrypt.pop_back();
  expect(Suspect::body, "line_breaks_lost", {kApp}, push.push());
  push.encrypt = wrapped(flat, 76, "\r\n");
  push.encrypt.resize(push.encrypt.size() - 2);
  expect(Suspect::body, "line_endings_changed", {kApp}, push.push());
  push = platform::signed_push(kApp, wrapped(flat, 76, "\r\n"), "1700000000123", "n0nceAbc");
  push.encrypt = lines;
  expect(Suspect::body, "line_endings_changed", {kApp}, push.push());
}

TEST_CASE("diagnose asks for inputs that are missing, and refuses a push beyond the limit") {
  const Sealed push = sealed();
  Push partial = push.push();
  partial.signature = {};
  expect(Suspect::signature, "signature_missing", {kApp}, partial);
  partial = push.push();
  partial.timestamp = {};
  expect(Suspect::timestamp, "timestamp_missing", {kApp}, partial);
  partial = push.push();
  partial.nonce = {};
  expect(Suspect::nonce, "nonce_missing", {kApp}, partial);
  for (const char* nothing : {"", "\r\n"}) {
    partial = push.push();
    partial.encrypt = nothing;
    expect(Suspect::body, "encrypt_missing", {kApp}, partial);
  }
  expect(Suspect::signature, "signature_missing", {kApp}, {});
  Encryptor::Options options;
  options.max_input_size = 100;
  const Diagnosis diagnosis = expect(Suspect::body, "input_too_large", {kApp}, push.push(), options);
  CHECK(contains(diagnosis.en, "(100)"));
}

TEST_CASE("diagnose tells how far the timestamp is outside the replay window") {
  const Sealed push = sealed();
  Encryptor::Options options;
  options.replay_window = std::chrono::minutes(5);
  const auto at = [&options](std::int64_t now) {
    options.clock = std::make_shared<FixedClock>(now);
    return options;
  };
  expect(Suspect::none, "none", {kApp}, push.push(), at(1700000000123 + 300000));
  expect(Suspect::none, "none", {kApp}, push.push(), at(1700000000123 - 300000));
  const Diagnosis late =
      expect(Suspect::timestamp, "timestamp_too_old", {kApp}, push.push(), at(1700000000123 + 7200000));
  CHECK(contains(late.en, "7200 s in the past"));
  CHECK(contains(late.en, "300 s"));
  CHECK(contains(late.zh, "7200 秒"));
  expect(Suspect::timestamp, "timestamp_too_old", {kApp}, push.push(), at(1700000000123 + 300001));
  expect(Suspect::timestamp, "timestamp_in_future", {kApp}, push.push(), at(1700000000123 - 300001));
  expect(Suspect::timestamp, "timestamp_in_future", {kApp}, push.push(), at(INT64_MIN));
  expect(Suspect::timestamp, "timestamp_too_old", {kApp}, push.push(), at(INT64_MAX));

  const Sealed seconds = sealed(kAppKey, kApp, "1700000000");
  expect(Suspect::none, "none", {kApp}, seconds.push(), at(1700000000123));
  const Sealed odd = sealed(kAppKey, kApp, "17000000001");
  expect(Suspect::timestamp, "timestamp_malformed", {kApp}, odd.push(), at(1700000000123));
  expect(Suspect::timestamp, "timestamp_nonce_swapped", {kApp},
         {push.signature, push.nonce, push.timestamp, push.encrypt}, at(1700000000123));
}

TEST_CASE("diagnose finds the token wrong where AES key and owner key fit") {
  const Diagnosis diagnosis =
      expect(Suspect::token, "token_wrong", {kOther, with_token(kApp, "654321")}, sealed().push());
  CHECK(contains(diagnosis.en, "\"orders\""));
}

TEST_CASE("diagnose finds white space, quotes and other litter in the configured token") {
  const std::pair<std::string, std::string_view> litter[] = {
      {kApp.token + "\n", "surrounding_space"},
      {" " + kApp.token, "surrounding_space"},
      {kApp.token + "\xE2\x80\x8B", "surrounding_space"},  // a zero-width space, as web pages have it
      {"\xC2\xA0" + kApp.token, "surrounding_space"},
      {'"' + kApp.token + "\" ", "surrounding_space"},
      {'"' + kApp.token + '"', "quotes_left"},
      {"'" + kApp.token + "'", "quotes_left"},
      {"\xEF\xBB\xBF" + kApp.token, "byte_order_mark"},
      {kApp.token + std::string(1, '\0'), "nul_byte"},
      {"\" " + kApp.token + '"', "quotes_left"},
      {"token=" + kApp.token, "name_left_in_value"},
      {"%54" + kApp.token.substr(1), "percent_encoded"},
  };
  for (const auto& [token, cause] : litter) {
    INFO(cause);
    const Diagnosis diagnosis = expect(Suspect::token, cause, {kOther, with_token(kApp, token)}, sealed().push());
    CHECK(contains(diagnosis.en, "the token of credential \"orders\""));
    CHECK(contains(diagnosis.zh, "凭据“orders”的 token"));
  }
}

TEST_CASE("diagnose sees other settings in the place of the token") {
  expect(Suspect::token, "token_is_aes_key", {with_token(kApp, kApp.aes_key)}, sealed().push());
  for (const std::string& key : {kAppKey, kCorpId, kSuiteKey}) {
    expect(Suspect::token, "token_is_owner_key", {with_token(kApp, key)}, sealed().push());
  }
  const Credential swapped = with_owners(with_token(kApp, kAppKey), {kApp.token});
  const Diagnosis diagnosis = expect(Suspect::token, "token_among_owner_keys", {kOther, swapped}, sealed().push());
  CHECK(contains(diagnosis.en, "\"orders\""));
}

TEST_CASE("diagnose finds the AES key wrong where the signature fits") {
  expect(Suspect::aes_key, "aes_key_wrong", {with_key(kApp, kOther.aes_key)}, sealed().push());
  expect(Suspect::aes_key, "aes_key_wrong", {kOther, with_key(kApp, std::string(43, 'A'))}, sealed().push());
}

TEST_CASE("diagnose sees AES keys and tokens of two credentials mixed up") {
  const Diagnosis keys = expect(Suspect::aes_key, "aes_key_of_other_credential",
                                {with_key(kApp, kOther.aes_key), with_key(kOther, kApp.aes_key)}, sealed().push());
  CHECK(contains(keys.en, "\"orders\""));
  CHECK(contains(keys.en, "\"people\""));
  const Diagnosis tokens = expect(Suspect::token, "token_of_other_credential",
                                  {with_token(kApp, kOther.token), with_token(kOther, kApp.token)}, sealed().push());
  CHECK(contains(tokens.en, "\"orders\""));
  CHECK(contains(tokens.en, "\"people\""));
  Credential unnamed = with_token(kOther, kApp.token);
  unnamed.label.clear();
  const Diagnosis one =
      expect(Suspect::token, "token_of_other_credential", {with_token(kApp, kOther.token), unnamed}, sealed().push());
  CHECK(contains(one.en, "the credential"));
}

TEST_CASE("diagnose tells which owner key is sealed") {
  const auto expect_owner = [](std::string_view cause, const std::string& owner, std::vector<std::string> configured) {
    return expect(Suspect::owner_key, cause, {kOther, with_owners(kApp, std::move(configured))}, sealed(owner).push(),
                  {}, owner);
  };
  const Diagnosis corp = expect_owner("owner_key_is_corp_id", kCorpId, {kAppKey});
  CHECK(contains(corp.en, "ding****b1a0"));
  CHECK(contains(corp.en, "ding****u1i3 (AppKey)"));
  CHECK(contains(corp.zh, "ding****u1i3（AppKey）"));
  expect_owner("owner_key_is_corp_id", "ding9f50b15bccd16741", {kAppKey});  // old and short
  expect_owner("owner_key_is_app_key", kAppKey, {"ding9f50b15bccd16741"});
  expect_owner("owner_key_is_app_key", kAppKey, {kCorpId});
  expect_owner("owner_key_is_app_key", kAppKey, {kCorpId, kSuiteKey});
  expect_owner("owner_key_is_suite_key", kSuiteKey, {kAppKey});
  expect_owner("owner_key_is_app_key", kAppKey, {kSuiteKey});
  expect_owner("owner_key_is_suite_key", kSuiteKey, {kApp.token});
  expect_owner("owner_key_preset", "suite4xxxxxxxxxxxxxxx", {kSuiteKey});
  expect_owner("owner_key_preset", "CREATE_SUITE_KEY", {kSuiteKey});
  expect_owner("owner_key_empty", "", {kAppKey});
  expect_owner("owner_key_unknown", "myCustomKey2026", {kAppKey});
  expect_owner("owner_key_unknown", "dingz9y8x7w6v5u4t3s2", {kAppKey});  // another app's
  expect_owner("owner_key_of_other_credential", kOther.owner_keys[0], {kAppKey});
}

TEST_CASE("diagnose sees an owner key that is nearly right") {
  std::string shouted = kAppKey;
  shouted.replace(0, 4, "DING");
  for (const std::string& nearly : {shouted, kAppKey + " ", "\n" + kAppKey}) {
    expect(Suspect::owner_key, "owner_key_case_or_space", {with_owners(kApp, {kCorpId, nearly})}, sealed().push());
  }
  std::string typed = kAppKey;
  std::swap(typed[7], typed[8]);
  expect(Suspect::owner_key, "owner_key_typo", {with_owners(kApp, {typed})}, sealed().push());
}

TEST_CASE("diagnose shows no piece of a message whose length field is wrong") {
  for (std::size_t shorter = 1; shorter < 20; ++shorter) {
    std::string plain = "0123456789abcdef";
    plain.append(platform::length_field(kMessage.size() - shorter)).append(kMessage).append(kAppKey);
    const std::size_t pad = 32 - plain.size() % 32;
    plain.append(pad, static_cast<char>(pad));
    const Diagnosis diagnosis =
        expect(Suspect::owner_key, "owner_key_unknown", {kApp}, platform::seal_raw(kApp, plain).push());
    CHECK_FALSE(contains(diagnosis.en, kMessage.substr(kMessage.size() - shorter, 4)));
  }
}

TEST_CASE("diagnose tells token and owner key wrong together from another app") {
  const Diagnosis both = expect(Suspect::token, "token_and_owner_key_wrong",
                                {with_owners(with_token(kApp, "654321"), {kCorpId})}, sealed().push());
  CHECK(contains(both.en, "ding****u1i3 (AppKey)"));
  expect(Suspect::credentials, "other_app", {kOther}, sealed().push());
  expect(Suspect::credentials, "other_app", {kOther, with_key(with_token(kApp, "654321"), std::string(43, 'k'))},
         sealed().push());
}

TEST_CASE("diagnose names inputs of a shape that DingTalk never sends") {
  Sealed push = sealed();
  push.signature = "5a65ceee";
  expect(Suspect::signature, "signature_malformed", {kApp}, push.push());
  push.signature = std::string(40, 'g');
  expect(Suspect::signature, "signature_malformed", {kApp}, push.push());
  push.encrypt = "hello";
  const Diagnosis both = expect(Suspect::signature, "signature_malformed", {kApp}, push.push());
  CHECK(contains(both.en, "Besides: encrypt"));
  push = sealed();
  push.timestamp = "Wed, 15 Nov 2023";
  expect(Suspect::timestamp, "timestamp_unusual", {kApp}, push.push());
  push = sealed();
  push.nonce = "(null)";
  expect(Suspect::nonce, "nonce_unusual", {kApp}, push.push());
}

TEST_CASE("diagnose sees a body that is no ciphertext") {
  const Sealed push = sealed();
  const auto with_body = [&push](std::string encrypt, std::string_view cause) {
    Sealed changed = push;
    changed.encrypt = std::move(encrypt);
    expect(Suspect::body, cause, {kApp}, changed.push());
  };
  with_body(push.encrypt.substr(0, 101), "encrypt_truncated");
  with_body(push.encrypt.substr(0, 100), "encrypt_truncated");
  with_body(as_body(push.encrypt).substr(0, 100), "encrypt_truncated");
  with_body(as_body("hello"), "whole_json_body");
  with_body(kMessage, "encrypt_is_json");
  with_body("<html>502 Bad Gateway</html>", "encrypt_not_base64");
  with_body(push.encrypt + "=", "encrypt_not_base64");
}

TEST_CASE("diagnose sees signed text that is no ciphertext") {
  expect(Suspect::body, "encrypt_not_base64", {kApp}, platform::signed_push(kApp, "h*llo").push());
  expect(Suspect::body, "encrypt_truncated", {kApp},
         platform::signed_push(kApp, sealed().encrypt.substr(0, 100)).push());
  expect(Suspect::body, "encrypt_is_json", {kApp}, platform::signed_push(kApp, kMessage).push());
  const Sealed push = sealed();
  const Diagnosis swapped =
      expect(Suspect::body, "encrypt_swapped", {kApp}, {push.signature, push.timestamp, push.encrypt, push.nonce});
  CHECK(contains(swapped.en, "nonce"));
}

TEST_CASE("diagnose repairs the body even where the token is wrong, too") {
  Sealed push = sealed();
  replace_all(push.encrypt, "+", " ");
  const Diagnosis diagnosis = expect(Suspect::body, "plus_became_space", {with_token(kApp, "654321")}, push.push());
  CHECK(contains(diagnosis.en, "the token is wrong"));
  expect(Suspect::body, "plus_became_space", {kOther}, push.push());
  push = sealed();
  push.encrypt = as_body(push.encrypt);
  push.signature += "00";
  const Diagnosis more = expect(Suspect::signature, "signature_malformed", {kApp}, push.push());
  CHECK(contains(more.en, "whole JSON object"));
}

TEST_CASE("decrypt brings the diagnosis along, but only behind a valid signature") {
  const Sealed push = sealed();
  const auto explained = make({with_owners(kApp, {kCorpId})}).decrypt(push.push());
  REQUIRE_FALSE(explained);
  REQUIRE(explained.error().diagnosis != nullptr);
  CHECK(explained.error().diagnosis->cause == "owner_key_is_app_key");
  const auto refused = make({with_token(kApp, "654321")}).decrypt(push.push());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().diagnosis == nullptr);
}

TEST_CASE("diagnose masks a label that holds a key") {
  Credential named = kApp;
  named.label = kAppKey;
  CHECK(contains(expect(Suspect::none, "none", {named}, sealed().push()).en, "\"ding****u1i3\""));
  named.label = "token is " + kApp.token;
  expect(Suspect::none, "none", {named}, sealed().push());
}

TEST_CASE("diagnose agrees with decrypt on any push with one thing broken") {
  std::mt19937 random(20260801);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same pushes in every run
  const auto text = [&random](std::size_t size) {
    std::string made;
    while (made.size() < size) made += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[random() % 62];
    return made;
  };
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    const Credential app{text(3 + random() % 30), text(43), {"ding" + text(16)}, "app"};
    std::string message;
    for (std::size_t size = random() % 600; size-- > 0;) message += static_cast<char>(random());
    const Sealed push = platform::seal(app, app.owner_keys[0], std::to_string(1700000000000 + random()), text(8),
                                       message, random() % 2 == 0 ? 32 : 16, text(16));
    const auto suspect = [&push](Credential receiver, bool opens) {
      const Encryptor encryptor = make({std::move(receiver)});
      CHECK(encryptor.decrypt(push.push()).has_value() == opens);
      const Diagnosis diagnosis = encryptor.diagnose(push.push());
      check_texts(diagnosis, {}, "");
      return static_cast<int>(diagnosis.suspect);
    };
    CHECK(suspect(app, true) == static_cast<int>(Suspect::none));
    CHECK(suspect(with_token(app, text(12)), false) == static_cast<int>(Suspect::token));
    CHECK(suspect(with_key(app, text(43)), false) == static_cast<int>(Suspect::aes_key));
    CHECK(suspect(with_owners(app, {"ding" + text(16)}), false) == static_cast<int>(Suspect::owner_key));
    CHECK(suspect({text(12), text(43), {"ding" + text(16)}, "app"}, false) == static_cast<int>(Suspect::credentials));
  }
}

TEST_CASE("diagnose blames the right part of foreign vectors") {
  for (const Vector& vector : read_vectors("positive.json")) {
    INFO(vector.id);
    const auto suspect = [&vector](const Credential& receiver) {
      return static_cast<int>(make({receiver}).diagnose(vector.push()).suspect);
    };
    CHECK(suspect(vector.credential()) == static_cast<int>(Suspect::none));
    // One sender prints its time as "1795520281.25"; that is as likely to blame as the token.
    const bool usual = vector.timestamp.size() == 10 || (vector.timestamp.size() == 13 && vector.timestamp[10] != '.');
    CHECK(suspect(with_token(vector.credential(), "n0TheToken")) ==
          static_cast<int>(usual ? Suspect::token : Suspect::timestamp));
    CHECK(suspect(with_key(vector.credential(), std::string(43, 'Z'))) == static_cast<int>(Suspect::aes_key));
    CHECK(suspect(with_owners(vector.credential(), {"dingNotTheOwner"})) == static_cast<int>(Suspect::owner_key));
  }
  const std::map<std::string, Suspect> suspects{{"base64_malformed", Suspect::body},
                                                {"ciphertext_empty", Suspect::body},
                                                {"ciphertext_not_block_multiple", Suspect::body},
                                                {"padding", Suspect::aes_key},
                                                {"too_short", Suspect::aes_key},
                                                {"length_field", Suspect::aes_key},
                                                {"owner_mismatch", Suspect::owner_key}};
  int checked = 0;
  for (const Vector& vector : read_vectors("negative.json")) {
    const auto known = suspects.find(vector.failure);
    if (vector.expect != "reject" || known == suspects.end()) continue;
    INFO(vector.id);
    const Diagnosis diagnosis = make({vector.credential()}).diagnose(vector.push());
    CHECK(static_cast<int>(diagnosis.suspect) == static_cast<int>(known->second));
    ++checked;
  }
  CHECK(checked > 50);
}

TEST_CASE("diagnose finds the right credential among a thousand") {
  std::vector<Credential> many;
  for (int i = 0; i < 1000; ++i) {
    std::string number = std::to_string(10000 + i);
    many.push_back({"token" + number, std::string(38, 'a') + number, {"suite" + number + "abcdefghijk"}, number});
  }
  many.push_back(with_token(kApp, "654321"));
  expect(Suspect::token, "token_wrong", many, sealed().push());
  many.back().token = kApp.token;
  many.push_back(with_key(kApp, std::string(43, 'b')));
  expect(Suspect::none, "none", many, sealed().push());
}

TEST_CASE("diagnose gives up on a large forged push in bounded time") {
  Sealed push = platform::seal(kApp, kAppKey, "1700000000123", "n0nceAbc", std::string(1000000, 'm'));
  push.signature = std::string(40, '0');
  std::vector<Credential> credentials{kOther};
  for (char c = 'a'; c < 'f'; ++c) {
    credentials.push_back(with_token(with_key(kOther, std::string(43, c)), std::string("forgedToken") + c));
  }
  const auto start = std::chrono::steady_clock::now();
  expect(Suspect::credentials, "other_app", credentials, push.push());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));  // under sanitizers, too; usually 0.3 s
}

TEST_CASE("The table of findings is complete and the repairs refer to it") {
  std::map<std::string_view, int> rows;
  for (const auto& finding : dingcb::detail::diagnosis::kFindings) {
    INFO(finding.cause);
    CHECK(++rows[finding.cause] == 1);
    CHECK(std::all_of(finding.cause.begin(), finding.cause.end(),
                      [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }));
    CHECK(finding.en.back() == '.');
    CHECK(std::string_view(finding.zh).substr(finding.zh.size() - 3) == "。");
    CHECK(holds_chinese(finding.zh));
    // The same things are filled in.
    const auto names = [](std::string_view text) {
      std::set<std::string_view> found;
      for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
        found.insert(text.substr(at, text.find('}', at) - at));
      }
      return found;
    };
    CHECK(names(finding.en) == names(finding.zh));
  }
  for (const auto& repair : dingcb::detail::diagnosis::kRepairs) {
    INFO(repair.cause);
    CHECK(rows.count(repair.cause) == 1);
  }
}
