#include <dingcb/encryptor.hpp>

#include "support/catch.hpp"
#include "support/platform.hpp"

#include <rapidjson/document.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::EncryptorOptions;
using dingcb::Errc;
using dingcb::Error;
using dingcb::Opened;
using dingcb::Push;
using dingcb::RandomSource;
using dingcb::Reply;
using dingcb::Result;
using platform::Sealed;

constexpr std::int64_t kNow = 1700000000000;
const std::string kText = R"({"EventType":"user_add_org","UserId":["zhangsan"]})";

const Credential kShop{
    "tokenOfTheShop1", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "shop"};
const Credential kBank{"bAnkToken22", "bAnk5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i02", {"suitebankkey000002"}, "bank"};

class SetClock final : public dingcb::Clock {
 public:
  explicit SetClock(std::int64_t unix_ms) noexcept : now(unix_ms) {}
  std::int64_t unix_ms() const noexcept override { return now; }
  std::int64_t now;
};

class ConstantRandom final : public RandomSource {
 public:
  explicit ConstantRandom(unsigned char byte) noexcept : byte_(byte) {}
  bool fill(unsigned char* out, std::size_t size) const noexcept override {
    std::memset(out, byte_, size);
    return true;
  }

 private:
  unsigned char byte_;
};

class BrokenRandom final : public RandomSource {
 public:
  bool fill(unsigned char*, std::size_t) const noexcept override { return false; }
};

Encryptor make(std::vector<Credential> credentials, EncryptorOptions options = {}) {
  return Encryptor::create(std::move(credentials), std::move(options)).value();
}

EncryptorOptions at(std::int64_t unix_ms) {
  EncryptorOptions options;
  options.clock = std::make_shared<SetClock>(unix_ms);
  return options;
}

EncryptorOptions with_random(std::shared_ptr<const RandomSource> random) {
  EncryptorOptions options;
  options.random = std::move(random);
  return options;
}

Sealed push_for(const Credential& credential, std::string_view text = kText, std::size_t owner = 0) {
  return platform::seal(credential, credential.owner_keys[owner], "1700000000000", "nOnce123", text);
}

Push push_of(const Reply& reply) { return {reply.msg_signature, reply.timestamp, reply.nonce, reply.encrypt}; }

bool holds(const dingcb::Message& message, std::string_view part) {
  return message.find(part) != std::string_view::npos;
}

void check_leaks_nothing(const Error& error, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    CHECK_FALSE(holds(error.message, secret));
    if (error.diagnosis != nullptr) {
      CHECK(error.diagnosis->en.find(secret) == std::string::npos);
      CHECK(error.diagnosis->zh.find(secret) == std::string::npos);
    }
  }
}

std::vector<std::string> secrets_of(const Credential& credential) {
  std::vector<std::string> secrets{credential.token, credential.aes_key};
  secrets.insert(secrets.end(), credential.owner_keys.begin(), credential.owner_keys.end());
  secrets.erase(std::remove_if(secrets.begin(), secrets.end(), [](const std::string& s) { return s.size() < 5; }),
                secrets.end());
  return secrets;
}

void check_refused(const Result<Encryptor>& created, Errc code, int number, std::string_view named,
                   std::string_view remedy) {
  REQUIRE_FALSE(created);
  CHECK(created.error().code == code);
  CHECK(dingcb::official_code(created.error().code) == number);
  CHECK(holds(created.error().message, named));
  CHECK(holds(created.error().message, remedy));
  if (number != 0) CHECK(holds(created.error().message, std::to_string(number)));
}

Errc code_of(const Result<void>& result) { return result ? Errc{} : result.error().code; }
template <class T>
Errc code_of(const Result<T>& result) {
  return result ? Errc{} : result.error().code;
}

bool is_alphanumeric(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

void check_empty(const Encryptor& encryptor, const Opened& opened) {
  CHECK(opened.plaintext.empty());
  CHECK(opened.owner_key.empty());
  CHECK(opened.label.empty());
  CHECK(code_of(encryptor.encrypt_reply("success", opened)) == Errc::credential_missing);
}

}  // namespace

// ---- create() ----

TEST_CASE("Encryptor::create refuses an empty list") {
  check_refused(Encryptor::create(std::vector<Credential>{}), Errc::credential_missing, 0, "no credential",
                "at least one");
}

TEST_CASE("Encryptor::create names the credential and the remedy, and tells no secret") {
  struct Case {
    void (*spoil)(Credential&);
    Errc code;
    int number;
    std::string_view remedy;
  };
  const Case cases[] = {
      {[](Credential& c) { c.token.clear(); }, Errc::token_missing, 0, "developer console"},
      {[](Credential& c) { c.owner_keys.clear(); }, Errc::owner_key_missing, 0, "CorpId"},
      {[](Credential& c) { c.owner_keys = {""}; }, Errc::owner_key_missing, 0, "SuiteKey"},
      {[](Credential& c) { c.owner_keys.emplace_back(); }, Errc::owner_key_missing, 0, "AppKey"},
      {[](Credential& c) { c.aes_key.clear(); }, Errc::aes_key_length, 900004, "43"},
      {[](Credential& c) { c.aes_key.pop_back(); }, Errc::aes_key_length, 900004, "43"},
      {[](Credential& c) { c.aes_key += '='; }, Errc::aes_key_length, 900004, "43"},
      {[](Credential& c) { c.aes_key += ' '; }, Errc::aes_key_length, 900004, "43"},
      {[](Credential& c) { c.aes_key.insert(0, 1 << 20, 'k'); }, Errc::aes_key_length, 900004, "43"},
      {[](Credential& c) { c.aes_key[0] = '+'; }, Errc::aes_key_charset, 900004, "EncodingAESKey"},
      {[](Credential& c) { c.aes_key[42] = '='; }, Errc::aes_key_charset, 900004, "EncodingAESKey"},
      {[](Credential& c) { c.aes_key[20] = '\0'; }, Errc::aes_key_charset, 900004, "EncodingAESKey"},
      {[](Credential& c) { c.aes_key[7] = '\xff'; }, Errc::aes_key_charset, 900004, "EncodingAESKey"},
      {[](Credential& c) { c.aes_key.replace(7, 1, "\xc3\xa9"); }, Errc::aes_key_charset, 900004, "EncodingAESKey"},
  };
  for (const Case& each : cases) {
    for (const std::string label : {"bank", ""}) {
      Credential credential = kBank;
      each.spoil(credential);
      credential.label = label;
      const auto created = Encryptor::create({kShop, credential});
      // Without a label, the place in the list.
      check_refused(created, each.code, each.number, label.empty() ? "credential 2" : "\"bank\"", each.remedy);
      check_leaks_nothing(created.error(), secrets_of(kBank));
      check_leaks_nothing(created.error(), secrets_of(credential));
    }
  }
}

TEST_CASE("Encryptor::create says which character of an AES key is wrong") {
  for (const std::size_t place : {std::size_t{0}, std::size_t{21}, std::size_t{42}}) {
    Credential credential = kShop;
    credential.aes_key[place] = '-';
    const auto created = Encryptor::create(credential);
    REQUIRE_FALSE(created);
    CHECK(holds(created.error().message, "character " + std::to_string(place + 1) + ' '));
  }
}

TEST_CASE("Encryptor::create accepts every letter and digit in an AES key, spare bits included") {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  for (const char c : alphabet) {
    Credential credential = kShop;
    credential.aes_key.back() = c;
    credential.aes_key[1] = c;
    const Encryptor encryptor = make({credential});
    const auto opened = encryptor.decrypt(push_for(credential).push());
    REQUIRE(opened);
    CHECK((opened->plaintext == kText));
  }
}

TEST_CASE("Encryptor::create refuses two credentials that agree in token, AES key and owner key") {
  Credential twin = kShop;
  twin.label = "twin";
  const auto created = Encryptor::create({kShop, kBank, twin});
  check_refused(created, Errc::credential_duplicate, 0, "\"twin\"", "remove one");
  check_leaks_nothing(created.error(), secrets_of(kShop));

  // The spare bits of the last character are no part of the key. 'g' and 'h' differ in them alone.
  Credential left = kShop;
  left.aes_key.back() = 'g';
  Credential right = left;
  right.aes_key.back() = 'h';
  CHECK(code_of(Encryptor::create({left, right})) == Errc::credential_duplicate);

  twin.owner_keys = {"dinganotherkey0001", kShop.owner_keys[0]};
  CHECK(code_of(Encryptor::create({kShop, twin})) == Errc::credential_duplicate);

  twin.owner_keys = {"dinganotherkey0001"};
  CHECK(Encryptor::create({kShop, twin}));
  Credential repeated = kShop;  // within one credential the repetition is harmless
  repeated.owner_keys.push_back(repeated.owner_keys[0]);
  CHECK(Encryptor::create(repeated));
}

TEST_CASE("Encryptor::create takes braces of every shape") {
  const std::string key = kShop.aes_key;
  CHECK(Encryptor::create({"t", key, {"o"}}));
  CHECK(Encryptor::create({"t", key, {"o", "p"}, "label"}));
  CHECK(Encryptor::create(Credential{"t", key, {"o"}, "label"}));
  CHECK(Encryptor::create({kShop, kBank}));
  CHECK(Encryptor::create({{"t", key, {"o"}, ""}, {"u", key, {"o"}, ""}}));
  CHECK(Encryptor::create(kShop));
  CHECK(Encryptor::create(kShop, EncryptorOptions{}));
  CHECK(Encryptor::create({kShop, kBank}, EncryptorOptions{}));
  const std::vector<Credential> list{kShop, kBank};
  CHECK(Encryptor::create(list));
  CHECK(list[0].token == kShop.token);  // the copy was wiped, not the caller's list
}

// ---- finding the credential ----

TEST_CASE("Encryptor with several credentials opens the pushes of each and hands back its label") {
  const Encryptor encryptor = make({kShop, kBank});
  for (const Credential* credential : {&kShop, &kBank, &kShop}) {
    const auto opened = encryptor.decrypt(push_for(*credential).push());
    REQUIRE(opened);
    CHECK((opened->plaintext == kText));
    CHECK((opened->owner_key == credential->owner_keys[0]));
    CHECK(opened->label == credential->label);

    const auto reply = encryptor.encrypt_reply("success", *opened);
    REQUIRE(reply);
    const platform::Verdict verdict = platform::open(*credential, *reply);
    CHECK(verdict.failure == Errc{});
    CHECK((verdict.owner_key == credential->owner_keys[0]));
  }
}

TEST_CASE("Encryptor tells apps apart that share a token") {
  Credential bank = kBank;
  bank.token = kShop.token;
  for (const auto& order : {std::vector<Credential>{kShop, bank}, std::vector<Credential>{bank, kShop}}) {
    const Encryptor encryptor = make(order);
    Opened opened;
    for (const Credential& credential : order) {
      for (int twice = 0; twice < 2; ++twice) {
        REQUIRE(encryptor.decrypt(push_for(credential).push(), opened));
        CHECK(opened.label == credential.label);
        CHECK((opened.plaintext == kText));
        CHECK(platform::open(credential, *encryptor.encrypt_reply("success", opened)).failure == Errc{});
      }
    }
    // Sealed with the key of one app for the owner of the other: both keys were tried, neither may take it.
    const Sealed crossed = platform::seal(kShop, bank.owner_keys[0], "1700000000000", "n", kText);
    CHECK(code_of(encryptor.decrypt(crossed.push(), opened)) == Errc::owner_mismatch);
    check_empty(encryptor, opened);
  }
}

TEST_CASE("Encryptor tells owners apart that share token and AES key") {
  Credential organisation = kShop;
  organisation.owner_keys = {"ding1234567890corpid", "ding0987654321corpid"};
  organisation.label = "organisation";
  const Encryptor encryptor = make({kShop, organisation});
  Opened opened;
  REQUIRE(encryptor.decrypt(push_for(organisation, kText, 1).push(), opened));
  CHECK(opened.label == "organisation");
  CHECK((opened.owner_key == organisation.owner_keys[1]));
  CHECK((platform::open(organisation, *encryptor.encrypt_reply("success", opened)).owner_key ==
         organisation.owner_keys[1]));
  REQUIRE(encryptor.decrypt(push_for(kShop).push(), opened));
  CHECK(opened.label == "shop");
  CHECK((platform::open(kShop, *encryptor.encrypt_reply("success", opened)).owner_key == kShop.owner_keys[0]));
}

TEST_CASE("Encryptor compares owner keys byte for byte") {
  const std::string owner = kShop.owner_keys[0];
  const Encryptor encryptor = make({kShop});
  std::vector<std::string> others{
      "", owner.substr(1), owner.substr(0, owner.size() - 1), owner + "x", owner + '\0', " " + owner, owner + owner};
  others.push_back(owner);
  others.back()[0] = 'D';
  for (const std::string& other : others) {
    const Sealed sealed = platform::seal(kShop, other, "1700000000000", "n", kText);
    const auto opened = encryptor.decrypt(sealed.push());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::owner_mismatch);
    check_leaks_nothing(opened.error(), {owner, kText, kShop.token, kShop.aes_key});
  }
}

TEST_CASE("Encryptor finds each of 100 credentials again and again") {
  std::vector<Credential> credentials;
  for (std::size_t i = 0; i < 100; ++i) {
    const std::string number = std::to_string(100 + i);
    Credential credential{"token" + number, kShop.aes_key, {"owner" + number + "0123456789"}, "app" + number};
    credential.aes_key.replace(0, 3, number);
    credentials.push_back(credential);
  }
  const Encryptor encryptor = make(credentials);
  Opened opened;
  Reply reply;
  for (int round = 0; round < 3; ++round) {
    for (const Credential& credential : credentials) {
      REQUIRE(encryptor.decrypt(push_for(credential, credential.label).push(), opened));
      REQUIRE((opened.plaintext == credential.label));
      REQUIRE(opened.label == credential.label);
      REQUIRE(encryptor.encrypt_reply("success", opened, reply));
      REQUIRE(platform::open(credential, reply).failure == Errc{});
    }
  }
}

// ---- verify() and the order of checks ----

TEST_CASE("Encryptor::verify needs the exact four texts") {
  const Encryptor encryptor = make({kShop});
  const Sealed good = push_for(kShop);
  CHECK(encryptor.verify(good.push()));
  for (std::string Sealed::*const part : {&Sealed::signature, &Sealed::timestamp, &Sealed::nonce, &Sealed::encrypt}) {
    for (std::size_t i = 0; i < (good.*part).size(); ++i) {
      Sealed bad = good;
      (bad.*part)[i] = static_cast<char>((bad.*part)[i] ^ 1);
      REQUIRE(code_of(encryptor.verify(bad.push())) == Errc::signature_mismatch);
      REQUIRE(code_of(encryptor.decrypt(bad.push())) == Errc::signature_mismatch);
    }
    Sealed longer = good;
    longer.*part += 'x';
    CHECK(code_of(encryptor.verify(longer.push())) == Errc::signature_mismatch);
    Sealed shorter = good;
    (shorter.*part).pop_back();
    CHECK(code_of(encryptor.verify(shorter.push())) == Errc::signature_mismatch);
  }
  Sealed unsigned_push = good;
  unsigned_push.signature.clear();
  CHECK(code_of(encryptor.verify(unsigned_push.push())) == Errc::signature_mismatch);
}

TEST_CASE("Encryptor::verify decodes nothing") {
  const Encryptor encryptor = make({kShop});
  for (const std::string encrypt : {"", "!", "AAAA", "not base64 at all"}) {
    CHECK(encryptor.verify(platform::signed_push(kShop, encrypt).push()));
  }
}

TEST_CASE("Encryptor names a missing timestamp and a missing nonce") {
  const Encryptor encryptor = make({kShop});
  const std::string encrypt = push_for(kShop).encrypt;
  const auto check = [&](std::string_view timestamp, std::string_view nonce, Errc code, int number) {
    const Sealed sealed = platform::signed_push(kShop, encrypt, timestamp, nonce);  // with a correct signature
    for (const Error& error : {encryptor.verify(sealed.push()).error(), encryptor.decrypt(sealed.push()).error()}) {
      CHECK(error.code == code);
      CHECK(dingcb::official_code(error.code) == number);
      CHECK(holds(error.message, std::to_string(number)));
    }
  };
  check("", "nOnce123", Errc::timestamp_missing, 900002);
  check("1700000000000", "", Errc::nonce_missing, 900003);
  check("", "", Errc::timestamp_missing, 900002);
}

TEST_CASE("Encryptor::decrypt reports the first thing that is wrong") {
  EncryptorOptions options = at(kNow);
  options.replay_window = std::chrono::minutes(1);
  options.max_input_size = 2000;
  const Encryptor encryptor = make({kShop}, options);
  const std::string old = "1600000000000";
  const std::string now = std::to_string(kNow);
  const std::string big(3000, 'A');
  const std::string head = "0123456789abcdef";
  const auto raw = [](std::string_view padded, std::string_view timestamp) {
    return platform::seal_raw(kShop, padded, timestamp);
  };
  const auto forged = [](Sealed sealed) {
    sealed.signature[0] = sealed.signature[0] == '0' ? '1' : '0';
    return sealed;
  };
  // Each push has everything wrong that comes later in the list, as far as both can be wrong at once.
  const std::pair<Sealed, Errc> ladder[] = {
      {forged(platform::signed_push(kShop, big, "", "")), Errc::timestamp_missing},
      {forged(platform::signed_push(kShop, big, "x", "")), Errc::nonce_missing},
      {forged(platform::signed_push(kShop, big, "x")), Errc::input_too_large},
      {forged(platform::signed_push(kShop, "!", "x")), Errc::signature_mismatch},
      {platform::signed_push(kShop, "!", "x"), Errc::timestamp_malformed},
      {platform::signed_push(kShop, "!", old), Errc::timestamp_outside_window},
      {platform::signed_push(kShop, "!", now), Errc::base64_malformed},
      {platform::signed_push(kShop, "\r\n", now), Errc::ciphertext_empty},
      {platform::signed_push(kShop, "AAAA", now), Errc::ciphertext_not_block_multiple},
      {raw(std::string(16, '\xff'), now), Errc::padding},
      {raw(std::string(32, '\x1f'), now), Errc::too_short},
      {raw(head + platform::length_field(100) + "short" + std::string(7, '\x07'), now), Errc::length_field},
      {raw(head + platform::length_field(5) + "short" + std::string(7, '\x07'), now), Errc::owner_mismatch},
  };
  Opened opened;
  // Warm as well as cold: the second time, everything that calls reuse has been used before.
  for (int round = 0; round < 2; ++round) {
    for (const auto& [sealed, expected] : ladder) {
      REQUIRE(encryptor.decrypt(platform::seal(kShop, kShop.owner_keys[0], now, "n", kText).push(), opened));
      CHECK(code_of(encryptor.decrypt(sealed.push(), opened)) == expected);
      check_empty(encryptor, opened);
    }
  }
}

TEST_CASE("Encryptor::decrypt leaves nothing of an earlier push in a reused Opened") {
  const Encryptor encryptor = make({kShop, kBank});
  Opened opened;
  REQUIRE(encryptor.decrypt(push_for(kShop).push(), opened));
  Sealed forged = push_for(kBank);
  forged.signature[5] = 'x';
  REQUIRE_FALSE(encryptor.decrypt(forged.push(), opened));
  check_empty(encryptor, opened);

  // And a shorter message leaves no tail of the longer one.
  REQUIRE(encryptor.decrypt(push_for(kShop, std::string(5000, 'x')).push(), opened));
  REQUIRE(encryptor.decrypt(push_for(kBank, "").push(), opened));
  CHECK(opened.plaintext.empty());
  CHECK(opened.label == "bank");
  REQUIRE(encryptor.decrypt(push_for(kBank, "abc").push(), opened));
  CHECK(opened.plaintext == "abc");
}

TEST_CASE("Encryptor tells no secret and no plaintext in any error") {
  Credential two_keys = kBank;
  two_keys.token = kShop.token;
  const Encryptor encryptor = make({kShop, two_keys});
  std::vector<std::string> secrets = secrets_of(kShop);
  for (const std::string& secret : secrets_of(two_keys)) secrets.push_back(secret);
  secrets.insert(secrets.end(), {kText, "zhangsan", "user_add_org", "0123456789abcdef"});

  const std::string good = push_for(kShop).encrypt;
  const std::string body = "0123456789abcdef" + platform::length_field(kText.size()) + kText;
  const auto padded = [](std::string text) {
    const std::size_t pad = 32 - text.size() % 32;
    return text.append(pad, static_cast<char>(pad));
  };
  std::vector<Sealed> bad;
  for (const std::string_view cut : {"", "A", "AAAA", "=AAA"}) bad.push_back(platform::signed_push(kShop, cut));
  bad.push_back(platform::signed_push(kShop, good.substr(0, good.size() - 8)));
  bad.push_back(platform::signed_push(kShop, good.substr(0, 64)));
  bad.push_back(platform::seal_raw(kShop, padded(body)));
  bad.push_back(platform::seal_raw(kShop, padded(body + kBank.owner_keys[0])));
  bad.push_back(platform::seal_raw(kShop, padded("0123456789abcdef" + platform::length_field(5000) + kText)));
  bad.push_back(push_for(kShop));
  bad.back().signature.clear();
  for (const Sealed& sealed : bad) {
    const auto opened = encryptor.decrypt(sealed.push());
    REQUIRE_FALSE(opened);
    check_leaks_nothing(opened.error(), secrets);
  }
}

TEST_CASE("Encryptor names a wrong owner key masked, and only masked") {
  const Encryptor encryptor = make({kShop});
  const auto wrong = encryptor.decrypt(platform::seal(kShop, "dingabcdefghi1f2c", "1700000000000", "n", kText).push());
  REQUIRE_FALSE(wrong);
  CHECK(dingcb::official_code(wrong.error().code) == 900010);
  CHECK(holds(wrong.error().message, "ding****1f2c"));
  CHECK_FALSE(holds(wrong.error().message, "abcdefghi"));
}

TEST_CASE("Encryptor passes line breaks through the signature and skips them in base64") {
  const Encryptor encryptor = make({kShop});
  const std::string whole = push_for(kShop).encrypt;
  for (const std::string_view line_break : {"\n", "\r\n", "\r"}) {
    std::string broken;
    for (std::size_t i = 0; i < whole.size(); i += 76) {
      broken.append(whole, i, 76).append(line_break);
    }
    const auto opened = encryptor.decrypt(platform::signed_push(kShop, broken).push());
    REQUIRE(opened);
    CHECK((opened->plaintext == kText));
    // Signed with them: to take them out on the way breaks the signature.
    const Sealed sealed = platform::signed_push(kShop, broken);
    CHECK(code_of(encryptor.verify({sealed.signature, sealed.timestamp, sealed.nonce, whole})) ==
          Errc::signature_mismatch);
  }
  for (const std::string_view other : {" ", "\t", "\v", "\f", "\\n"}) {
    std::string spoiled = whole;
    spoiled.insert(40, other);
    CHECK(code_of(encryptor.decrypt(platform::signed_push(kShop, spoiled).push())) == Errc::base64_malformed);
  }
}

// ---- limits ----

TEST_CASE("EncryptorOptions::max_input_size counts all four texts, to the byte") {
  const Sealed sealed = push_for(kShop);
  const std::size_t size =
      sealed.signature.size() + sealed.timestamp.size() + sealed.nonce.size() + sealed.encrypt.size();
  for (const std::size_t limit : {size, size - 1, std::size_t{0}, std::numeric_limits<std::size_t>::max()}) {
    EncryptorOptions options;
    options.max_input_size = limit;
    const Encryptor encryptor = make({kShop}, options);
    const Errc expected = limit >= size ? Errc{} : Errc::input_too_large;
    CHECK(code_of(encryptor.verify(sealed.push())) == expected);
    CHECK(code_of(encryptor.decrypt(sealed.push())) == expected);
  }
}

TEST_CASE("EncryptorOptions::max_input_size refuses a push unread") {
  EncryptorOptions options;
  options.max_input_size = 1000;
  const Encryptor encryptor = make({kShop}, options);
  const std::string one = "1";
  // Whoever read these, or added up their sizes, would crash.
  const std::string_view endless(one.data(), std::numeric_limits<std::size_t>::max() / 2 + 1);
  for (const Push& push : {Push{endless, one, one, one}, Push{one, endless, one, one}, Push{one, one, endless, one},
                           Push{one, one, one, endless}, Push{endless, endless, endless, endless}}) {
    CHECK(code_of(encryptor.verify(push)) == Errc::input_too_large);
    const auto opened = encryptor.decrypt(push);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::input_too_large);
    CHECK(holds(opened.error().message, "1000"));
  }
}

TEST_CASE("EncryptorOptions::max_input_size is 16 MiB unless set") {
  const Encryptor encryptor = make({kShop});
  const std::string encrypt(std::size_t{16} * 1024 * 1024 - 40 - 13 - 8, 'A');
  CHECK(encryptor.verify(platform::signed_push(kShop, encrypt).push()));
  CHECK(code_of(encryptor.verify(platform::signed_push(kShop, encrypt + 'A').push())) == Errc::input_too_large);
}

// ---- replay window ----

TEST_CASE("Encryptor accepts any timestamp while no replay window is set") {
  const Encryptor encryptor = make({kShop}, at(kNow));
  for (const std::string_view timestamp :
       {"0", "1", "abc", "-1", "99999999999999999999", "1700000000", "1700000000000"}) {
    CHECK(encryptor.decrypt(platform::seal(kShop, kShop.owner_keys[0], timestamp, "n", kText).push()));
  }
}

TEST_CASE("Encryptor with a replay window insists on 10 or 13 digits") {
  EncryptorOptions options = at(kNow);
  options.replay_window = std::chrono::hours(24 * 365 * 2000);
  const Encryptor encryptor = make({kShop}, options);
  const auto judge = [&](std::string_view timestamp) {
    const Sealed sealed = platform::seal(kShop, kShop.owner_keys[0], timestamp, "n", kText);
    const Errc code = code_of(encryptor.verify(sealed.push()));
    CHECK(code_of(encryptor.decrypt(sealed.push())) == code);
    return code;
  };
  for (std::size_t digits = 1; digits <= 25; ++digits) {
    const Errc expected = digits == 10 || digits == 13 ? Errc{} : Errc::timestamp_malformed;
    CHECK(judge(std::string(digits, '1')) == expected);
  }
  for (const std::string_view wrong : {"170000000a", "-700000000", "+700000000", "1.00000000", "0x00000000",
                                       "17000000000e0", "-700000000000", "1700000000.00"}) {
    CHECK(judge(wrong) == Errc::timestamp_malformed);
  }
  // What no timestamp ever holds counts as a wrong signature, with and without a window.
  for (const std::string_view wrong : {std::string_view(" 700000000"), std::string_view("1700000000\n"),
                                       std::string_view("1700000000 00"), std::string_view("170000000\0", 10),
                                       std::string_view("\xef\xbc\x91\xef\xbc\x91\xef\xbc\x91\xef\xbc\x91"
                                                        "1")}) {
    CHECK(judge(wrong) == Errc::signature_mismatch);
  }
}

TEST_CASE("Encryptor judges the replay window to the millisecond, in the past and in the future") {
  EncryptorOptions options = at(kNow);
  options.replay_window = std::chrono::seconds(90);
  const Encryptor encryptor = make({kShop}, options);
  const auto judge = [&](std::int64_t timestamp) {
    const Sealed sealed = platform::seal(kShop, kShop.owner_keys[0], std::to_string(timestamp), "n", kText);
    const Errc code = code_of(encryptor.verify(sealed.push()));
    CHECK(code_of(encryptor.decrypt(sealed.push())) == code);
    return code;
  };
  CHECK(judge(kNow) == Errc{});
  CHECK(judge(kNow - 90000) == Errc{});
  CHECK(judge(kNow - 90001) == Errc::timestamp_outside_window);
  CHECK(judge(kNow + 90000) == Errc{});
  CHECK(judge(kNow + 90001) == Errc::timestamp_outside_window);
  CHECK(judge(kNow / 1000 - 90) == Errc{});
  CHECK(judge(kNow / 1000 - 91) == Errc::timestamp_outside_window);
  CHECK(judge(kNow / 1000 + 90) == Errc{});
  CHECK(judge(kNow / 1000 + 91) == Errc::timestamp_outside_window);
  CHECK(judge(9999999999) == Errc::timestamp_outside_window);
  CHECK(judge(9999999999999) == Errc::timestamp_outside_window);

  const auto late =
      encryptor.verify(platform::seal(kShop, kShop.owner_keys[0], std::to_string(kNow - 90001), "n", "").push());
  REQUIRE_FALSE(late);
  CHECK(holds(late.error().message, "90001 ms"));
  CHECK(holds(late.error().message, "past"));
  CHECK(holds(late.error().message, "clock"));
  const auto early =
      encryptor.verify(platform::seal(kShop, kShop.owner_keys[0], std::to_string(kNow + 90001), "n", "").push());
  REQUIRE_FALSE(early);
  CHECK(holds(early.error().message, "future"));
}

TEST_CASE("Encryptor survives a replay window and a clock of any size") {
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Sealed first = platform::seal(kShop, kShop.owner_keys[0], "0000000000", "n", kText);
  const Sealed last = platform::seal(kShop, kShop.owner_keys[0], "9999999999999", "n", kText);
  for (const std::int64_t now : {least, least + 1, std::int64_t{0}, most}) {
    EncryptorOptions options = at(now);
    options.replay_window = std::chrono::milliseconds(1);
    const Encryptor narrow = make({kShop}, options);
    // A clock from before 1970 or after 2286 may be taken for the edge of that time, but for nothing else.
    if (now >= 0) CHECK(code_of(narrow.verify(first.push())) == (now == 0 ? Errc{} : Errc::timestamp_outside_window));
    if (now <= 0) CHECK(code_of(narrow.verify(last.push())) == Errc::timestamp_outside_window);
    static_cast<void>(narrow.verify(first.push()));
    static_cast<void>(narrow.verify(last.push()));
  }
  EncryptorOptions options = at(kNow);
  options.replay_window = std::chrono::milliseconds::max();
  const Encryptor wide = make({kShop}, options);
  CHECK(wide.verify(first.push()));
  CHECK(wide.verify(last.push()));
}

TEST_CASE("Encryptor with a replay window does not let digits move between nonce and timestamp") {
  EncryptorOptions options = at(kNow);
  options.replay_window = std::chrono::minutes(5);
  const Encryptor encryptor = make({kShop}, options);
  const Sealed sealed = platform::seal(kShop, kShop.owner_keys[0], "1700000000000", "42nonce", kText);
  REQUIRE(encryptor.decrypt(sealed.push()));
  const Push shifted{sealed.signature, "170000000000042", "nonce", sealed.encrypt};
  REQUIRE(make({kShop}).verify(shifted));  // the weakness of the scheme
  CHECK(code_of(encryptor.verify(shifted)) == Errc::timestamp_malformed);
  CHECK(code_of(encryptor.decrypt(shifted)) == Errc::timestamp_malformed);
}

TEST_CASE("Encryptor judges the replay window by the system's clock unless one is injected") {
  EncryptorOptions options;
  options.replay_window = std::chrono::hours(1);
  const Encryptor encryptor = make({kShop}, options);
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  CHECK(encryptor.verify(platform::signed_push(kShop, "", std::to_string(seconds)).push()));
  CHECK(code_of(encryptor.verify(platform::signed_push(kShop, "", std::to_string(seconds - 7200)).push())) ==
        Errc::timestamp_outside_window);
}

// ---- encrypt_reply() ----

TEST_CASE("Encryptor::encrypt_reply seals any bytes, none included") {
  const Encryptor encryptor = make({kShop});
  const auto opened = encryptor.decrypt(push_for(kShop).push());
  REQUIRE(opened);
  std::string binary;
  for (int i = 0; i < 256; ++i) binary += static_cast<char>(i);
  Reply reply;
  for (const std::string& text : {std::string("success"), std::string(), binary, std::string(100000, '\0'),
                                  std::string(3 << 20, 'x'), std::string("short again")}) {
    REQUIRE(encryptor.encrypt_reply(text, *opened, reply));
    const platform::Verdict verdict = platform::open(kShop, reply);
    CHECK(verdict.failure == Errc{});
    CHECK((verdict.message == text));
    CHECK((verdict.owner_key == kShop.owner_keys[0]));
    CHECK(reply.encrypt.find_first_of("\r\n") == std::string::npos);
    const auto again = encryptor.decrypt(push_of(reply));
    REQUIRE(again);
    CHECK((again->plaintext == text));
  }
}

TEST_CASE("Encryptor::encrypt_reply refuses an Opened that no decrypt filled") {
  const Encryptor encryptor = make({kShop});
  Opened made_up;
  made_up.plaintext = kText;
  made_up.owner_key = kShop.owner_keys[0];
  made_up.label = kShop.label;
  const auto refused = encryptor.encrypt_reply("success", made_up);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::credential_missing);
  CHECK(holds(refused.error().message, "decrypt"));

  Opened source = encryptor.decrypt(push_for(kShop).push()).value();
  const Opened target = std::move(source);
  CHECK(encryptor.encrypt_reply("success", target));
  CHECK(code_of(encryptor.encrypt_reply("success", source)) ==
        Errc::credential_missing);  // NOLINT: moved from, on purpose
}

TEST_CASE("Encryptor::encrypt_reply refuses a text beyond the 32-bit length without reading it") {
  const Encryptor encryptor = make({kShop});
  const auto opened = encryptor.decrypt(push_for(kShop).push());
  REQUIRE(opened);
  const std::string one = "1";
  for (const std::size_t size :
       {std::size_t{INT_MAX}, std::size_t{INT_MAX} + 1, std::numeric_limits<std::size_t>::max() / 2 + 1,
        std::numeric_limits<std::size_t>::max()}) {
    const auto reply = encryptor.encrypt_reply(std::string_view(one.data(), size), *opened);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == Errc::plaintext_too_long);
    CHECK(dingcb::official_code(reply.error().code) == 900001);
    CHECK(holds(reply.error().message, "900001"));
  }
}

TEST_CASE("Encryptor::encrypt_reply answers an Opened that outlived its Encryptor, or came from another") {
  std::optional<Encryptor> first = make({kShop});
  const Encryptor second = make({kBank});
  const auto opened = first->decrypt(push_for(kShop).push());
  REQUIRE(opened);
  for (int round = 0; round < 2; ++round) {
    const auto reply = second.encrypt_reply("success", *opened);
    REQUIRE(reply);
    CHECK(platform::open(kShop, *reply).failure == Errc{});
    first.reset();
  }
  // And the second one's own key is not disturbed.
  const auto own = second.decrypt(push_for(kBank).push());
  REQUIRE(own);
  CHECK(platform::open(kBank, *second.encrypt_reply("success", *own)).failure == Errc{});
}

TEST_CASE("Encryptor::encrypt_reply takes copies of an Opened") {
  const Encryptor encryptor = make({kShop, kBank});
  Opened reused;
  REQUIRE(encryptor.decrypt(push_for(kShop).push(), reused));
  const Opened kept = reused;
  REQUIRE(encryptor.decrypt(push_for(kBank).push(), reused));
  CHECK(platform::open(kShop, *encryptor.encrypt_reply("success", kept)).failure == Errc{});
  CHECK(platform::open(kBank, *encryptor.encrypt_reply("success", reused)).failure == Errc{});
}

TEST_CASE("Encryptor::encrypt_reply trusts the identity of an Opened, not its public texts") {
  const Encryptor encryptor = make({kShop, kBank});
  Opened opened = encryptor.decrypt(push_for(kShop).push()).value();
  opened.owner_key = kBank.owner_keys[0];
  opened.label = kBank.label;
  const platform::Verdict verdict = platform::open(kShop, *encryptor.encrypt_reply("success", opened));
  CHECK(verdict.failure == Errc{});
  CHECK((verdict.owner_key == kShop.owner_keys[0]));
}

TEST_CASE("Encryptor::encrypt_reply dates replies with the clock, in 13 digits") {
  const std::pair<std::int64_t, std::string> cases[] = {
      {kNow, "1700000000000"},
      {0, "0000000000000"},
      {-5, "0000000000000"},
      {std::numeric_limits<std::int64_t>::min(), "0000000000000"},
      {9999999999999, "9999999999999"},
  };
  for (const auto& [now, expected] : cases) {
    const Encryptor encryptor = make({kShop}, at(now));
    const auto reply = encryptor.encrypt_reply("success", encryptor.decrypt(push_for(kShop).push()).value());
    REQUIRE(reply);
    CHECK(reply->timestamp == expected);
    CHECK(platform::open(kShop, *reply).failure == Errc{});
  }
  // Beyond the year 2286 nothing is promised but the form.
  const Encryptor late = make({kShop}, at(std::numeric_limits<std::int64_t>::max()));
  const auto reply = late.encrypt_reply("success", late.decrypt(push_for(kShop).push()).value());
  REQUIRE(reply);
  CHECK(reply->timestamp.size() == 13);
  CHECK(reply->timestamp.find_first_not_of("0123456789") == std::string::npos);
}

TEST_CASE("Encryptor::encrypt_reply asks the clock each time") {
  const auto clock = std::make_shared<SetClock>(kNow);
  EncryptorOptions options;
  options.clock = clock;
  const Encryptor encryptor = make({kShop}, options);
  const Opened opened = encryptor.decrypt(push_for(kShop).push()).value();
  CHECK(encryptor.encrypt_reply("", opened)->timestamp == "1700000000000");
  clock->now += 1;
  CHECK(encryptor.encrypt_reply("", opened)->timestamp == "1700000000001");
}

TEST_CASE("Encryptor::encrypt_reply dates replies with the system's clock unless one is injected") {
  using std::chrono::system_clock;
  const auto unix_ms = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
  };
  const Encryptor encryptor = make({kShop});
  const Opened opened = encryptor.decrypt(push_for(kShop).push()).value();
  const auto before = unix_ms();
  const auto reply = encryptor.encrypt_reply("success", opened);
  const auto after = unix_ms();
  REQUIRE(reply);
  CHECK(reply->timestamp.size() == 13);
  CHECK(std::stoll(reply->timestamp) >= before);
  CHECK(std::stoll(reply->timestamp) <= after);
}

TEST_CASE("Encryptor::encrypt_reply makes nonce and prefix of letters and digits, never twice, all equally often") {
  const Encryptor encryptor = make({kShop});
  const Opened opened = encryptor.decrypt(push_for(kShop).push()).value();
  std::set<std::string> texts;
  std::map<char, int> counts;
  Reply reply;
  constexpr int kReplies = 10000;
  for (int i = 0; i < kReplies; ++i) {
    REQUIRE(encryptor.encrypt_reply("success", opened, reply));
    const std::string prefix = platform::open(kShop, reply).prefix;
    for (const std::string& text : {reply.nonce, prefix}) {
      REQUIRE(text.size() == 16);
      REQUIRE(is_alphanumeric(text));
      for (const char c : text) ++counts[c];
      texts.insert(text);
    }
  }
  CHECK(texts.size() == std::size_t{2} * kReplies);
  REQUIRE(counts.size() == 62);
  const double expected = 2.0 * kReplies * 16 / 62;
  double chi_square = 0;
  for (const auto& [c, count] : counts) chi_square += (count - expected) * (count - expected) / expected;
  // 61 degrees of freedom: 200 is exceeded once in 10^16 runs. A modulo without rejection (8 letters a quarter too
  // often) gives 2000 and more.
  CHECK(chi_square < 200);
}

TEST_CASE(
    "Encryptor::encrypt_reply makes the prefix differ from the nonce even when the random source repeats itself") {
  for (const int byte : {0, 1, 61, 62, 247}) {
    const Encryptor encryptor =
        make({kShop}, with_random(std::make_shared<ConstantRandom>(static_cast<unsigned char>(byte))));
    const Opened opened = encryptor.decrypt(push_for(kShop).push()).value();
    const auto reply = encryptor.encrypt_reply("success", opened);
    REQUIRE(reply);
    const platform::Verdict verdict = platform::open(kShop, *reply);
    CHECK(verdict.failure == Errc{});
    CHECK(is_alphanumeric(reply->nonce));
    CHECK(is_alphanumeric(verdict.prefix));
    CHECK(verdict.prefix != reply->nonce);
  }
}

TEST_CASE("Encryptor::encrypt_reply refuses a random source that fails or delivers nothing usable") {
  const std::shared_ptr<const RandomSource> sources[] = {
      std::make_shared<BrokenRandom>(), std::make_shared<ConstantRandom>(static_cast<unsigned char>(255)),
      std::make_shared<ConstantRandom>(static_cast<unsigned char>(248))};
  for (const auto& source : sources) {
    const Encryptor encryptor = make({kShop}, with_random(source));
    const auto reply = encryptor.encrypt_reply("success", encryptor.decrypt(push_for(kShop).push()).value());
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == Errc::random_failed);
    CHECK(dingcb::official_code(reply.error().code) == 900007);
    CHECK(holds(reply.error().message, "900007"));
  }
}

TEST_CASE("Reply::to_json prints one exact layout") {
  const Reply reply{"5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0", "1445827045067", "nEXhMP4r", "AbC+/=="};
  const std::string expected =
      R"({"msg_signature":"5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0","timeStamp":"1445827045067","nonce":"nEXhMP4r","encrypt":"AbC+/=="})";
  CHECK(reply.to_json() == expected);
  std::string out = "HTTP ";
  reply.append_json(out);
  reply.append_json(out);
  CHECK(out == "HTTP " + expected + expected);
}

TEST_CASE("Reply::to_json of a real reply is JSON that DingTalk can open") {
  const Encryptor encryptor = make({kShop});
  const auto reply = encryptor.encrypt_reply(kText, encryptor.decrypt(push_for(kShop).push()).value());
  REQUIRE(reply);
  rapidjson::Document parsed;
  parsed.Parse(reply->to_json().c_str());
  REQUIRE_FALSE(parsed.HasParseError());
  const rapidjson::Document& document = parsed;
  REQUIRE(document.IsObject());
  REQUIRE(document.MemberCount() == 4);
  const auto text = [&](const char* key) {
    return std::string(document[key].GetString(), document[key].GetStringLength());
  };
  const platform::Verdict verdict =
      platform::open(kShop, Push{text("msg_signature"), text("timeStamp"), text("nonce"), text("encrypt")});
  CHECK(verdict.failure == Errc{});
  CHECK((verdict.message == kText));
}

TEST_CASE("Reply::append_json does not allocate where the capacity suffices") {
  const Encryptor encryptor = make({kShop});
  const Reply reply = encryptor.encrypt_reply(kText, encryptor.decrypt(push_for(kShop).push()).value()).value();
  std::string out;
  out.reserve(10000);
  const char* const place = out.data();
  reply.append_json(out);
  CHECK(out.data() == place);
}

// ---- handles and replace() ----

TEST_CASE("Encryptor::replace switches all copies, and old pushes are still answered") {
  const Encryptor copy = make({kShop});
  Encryptor encryptor = copy;
  const auto opened = copy.decrypt(push_for(kShop).push());
  REQUIRE(opened);
  REQUIRE(encryptor.replace({kBank}));
  for (const Encryptor& each : {copy, encryptor}) {
    CHECK(code_of(each.decrypt(push_for(kShop).push())) == Errc::signature_mismatch);
    const auto fresh = each.decrypt(push_for(kBank).push());
    REQUIRE(fresh);
    CHECK(fresh->label == "bank");
    CHECK(platform::open(kBank, *each.encrypt_reply("success", *fresh)).failure == Errc{});
    CHECK(platform::open(kShop, *each.encrypt_reply("success", *opened)).failure == Errc{});
  }
}

TEST_CASE("Encryptor::replace with old and new together loses no push") {
  Encryptor encryptor = make({kShop});
  Credential renewed = kShop;
  renewed.aes_key = kBank.aes_key;  // the key alone is new: same token, same owner
  renewed.label = "renewed";
  REQUIRE(encryptor.replace({kShop, renewed}));
  CHECK(encryptor.decrypt(push_for(kShop).push())->label == "shop");
  CHECK(encryptor.decrypt(push_for(renewed).push())->label == "renewed");
  REQUIRE(encryptor.replace({renewed}));
  CHECK(code_of(encryptor.decrypt(push_for(kShop).push())) != Errc{});
  CHECK(encryptor.decrypt(push_for(renewed).push())->label == "renewed");
}

TEST_CASE("Encryptor::replace that fails changes nothing") {
  Encryptor encryptor = make({kShop});
  Credential short_key = kBank;
  short_key.aes_key.pop_back();
  const std::pair<std::vector<Credential>, Errc> cases[] = {
      {{}, Errc::credential_missing},
      {{kBank, short_key}, Errc::aes_key_length},
      {{kBank, kBank}, Errc::credential_duplicate},
      {{kBank, {"", kBank.aes_key, {"o"}, ""}}, Errc::token_missing},
      {{kBank, {"t", kBank.aes_key, {}, ""}}, Errc::owner_key_missing}};
  for (const auto& [credentials, expected] : cases) {
    const auto replaced = encryptor.replace(credentials);
    REQUIRE_FALSE(replaced);
    CHECK(replaced.error().code == expected);
    CHECK(encryptor.decrypt(push_for(kShop).push()));
    CHECK(code_of(encryptor.decrypt(push_for(kBank).push())) == Errc::signature_mismatch);
  }
}

TEST_CASE("Encryptor::replace goes back and forth with one reused Opened") {
  Encryptor encryptor = make({kShop});
  Opened opened;
  Reply reply;
  for (int i = 0; i < 50; ++i) {
    const Credential& credential = i % 2 == 0 ? kShop : kBank;
    REQUIRE(encryptor.replace({credential}));
    REQUIRE(encryptor.decrypt(push_for(credential).push(), opened));
    REQUIRE(opened.label == credential.label);
    REQUIRE(encryptor.encrypt_reply("success", opened, reply));
    REQUIRE(platform::open(credential, reply).failure == Errc{});
  }
}

TEST_CASE("Encryptor stays usable when moved from, as a handle") {
  Encryptor source = make({kShop});
  const Encryptor target = std::move(source);  // NOLINT(performance-move-const-arg): that is the test
  CHECK(target.decrypt(push_for(kShop).push()));
  CHECK(source.decrypt(push_for(kShop).push()));  // NOLINT: moved from, on purpose
}

TEST_CASE("Encryptor refuses a signature that was extended without the token") {
  // Made from the sample push of the documents, whose token sorts first, by continuing its SHA-1 over a ciphertext of
  // the attacker's choice; the padding of the captured text, 0x80 and NULs, ends up in the nonce.
  const Credential docs{"123456", "1234567890123456789012345678901234567890123", {"dingsnotzck6pm5veliw"}, "docs"};
  const std::string captured =
      "A7Co0cJLMzIDtMMIYvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA==";
  const std::string nonce = captured + '\x80' + std::string(std::size_t{69}, '\0') + "\x03\xc0";
  const std::string encrypt =
      "Pm5yUjQZAUxuuo9XeYtmvjAL2NE3mgQ3JcjHeYGXEGHDplP/nrIubo91zlUqj5CfK0CArTp4koAbLr0kDRJ5ag==";
  const std::string signature = "aab13421382ab83afec0218e2b73f82cee002dff";
  REQUIRE(platform::sign(docs.token, "1614767836", nonce, encrypt) == signature);  // the attack works on the scheme

  const Encryptor encryptor = Encryptor::create(docs).value();
  const Push push{signature, "1614767836", nonce, encrypt};
  CHECK(encryptor.verify(push).error().code == Errc::signature_mismatch);
  CHECK(encryptor.decrypt(push).error().code == Errc::signature_mismatch);
  CHECK(encryptor.diagnose(push).suspect != dingcb::Suspect::none);
}

TEST_CASE(
    "Encryptor refuses control characters, spaces and bytes beyond ASCII in timestamp and nonce, rightly signed") {
  const Encryptor encryptor = Encryptor::create(kShop).value();
  const Sealed good = platform::seal(kShop, "dingshopappkey0001", "1700000000", "nonce", kText);
  REQUIRE(encryptor.verify(good.push()));
  for (const char c : {'\0', '\n', ' ', '\x7f', '\x80', '\xff'}) {
    for (const bool in_nonce : {false, true}) {
      const std::string timestamp = in_nonce ? "1700000000" : std::string("17000") + c + "00000";
      const std::string nonce = in_nonce ? std::string("non") + c + "ce" : "nonce";
      const std::string signature = platform::sign(kShop.token, timestamp, nonce, good.encrypt);
      CHECK(encryptor.verify({signature, timestamp, nonce, good.encrypt}).error().code == Errc::signature_mismatch);
    }
  }
}

TEST_CASE("Encryptor::decrypt spends no diagnosis on a signature that may have been extended inside encrypt") {
  const Encryptor encryptor = make({kShop});
  const Sealed good = platform::seal(kShop, kShop.owner_keys[0], "1700000000", "nonce", kText);
  for (const bool extended : {false, true}) {
    const std::string encrypt = good.encrypt + (extended ? std::string("\x80\0\0AAAA", 7) : std::string("*AAA"));
    const std::string signature = platform::sign(kShop.token, "1700000000", "nonce", encrypt);
    const auto refused = encryptor.decrypt({signature, "1700000000", "nonce", encrypt});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::base64_malformed);
    CHECK((refused.error().diagnosis == nullptr) == extended);
  }
}
