// The Encryptor against messages that others sealed, and against a second implementation of the protocol.
#include <dingcb/encryptor.hpp>

#include "support/catch.hpp"
#include "support/platform.hpp"
#include "support/vectors.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Opened;

const Credential kApp{"s3cretToken", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "app"};

class FixedClock final : public dingcb::Clock {
 public:
  explicit FixedClock(std::int64_t unix_ms) noexcept : unix_ms_(unix_ms) {}
  std::int64_t unix_ms() const noexcept override { return unix_ms_; }

 private:
  std::int64_t unix_ms_;
};

Encryptor make(std::vector<Credential> credentials, dingcb::EncryptorOptions options = {}) {
  return Encryptor::create(std::move(credentials), std::move(options)).value();
}

// The classes of the vector files and the codes of the library are the same, one to one.
Errc errc_of(const std::string& failure) {
  static const std::map<std::string, Errc> kCodes{
      {"aes_key_length", Errc::aes_key_length},
      {"aes_key_charset", Errc::aes_key_charset},
      {"signature_mismatch", Errc::signature_mismatch},
      {"ciphertext_empty", Errc::ciphertext_empty},
      {"base64_malformed", Errc::base64_malformed},
      {"ciphertext_not_block_multiple", Errc::ciphertext_not_block_multiple},
      {"padding", Errc::padding},
      {"too_short", Errc::too_short},
      {"length_field", Errc::length_field},
      {"owner_mismatch", Errc::owner_mismatch},
  };
  return kCodes.at(failure);
}

std::vector<Vector> negative(const std::string& expect) {
  std::vector<Vector> found;
  for (Vector& vector : read_vectors("negative.json")) {
    if (vector.expect == expect) found.push_back(std::move(vector));
  }
  return found;
}

// Compared in parentheses of their own, everywhere below, so that a failure prints no key and no plaintext.
void check_opens(const Encryptor& encryptor, const Vector& vector, const std::string& label) {
  INFO(vector.id);
  REQUIRE(encryptor.verify(vector.push()));
  const auto opened = encryptor.decrypt(vector.push());
  REQUIRE(opened);
  CHECK((opened->plaintext == vector.plaintext));
  CHECK((opened->owner_key == vector.owner_key));
  CHECK(opened->label == label);

  const auto reply = encryptor.encrypt_reply(vector.plaintext, *opened);
  REQUIRE(reply);
  const platform::Verdict theirs = platform::open(vector.credential(), *reply);
  REQUIRE(theirs.failure == Errc{});
  CHECK((theirs.message == vector.plaintext));
  const auto again = encryptor.decrypt({reply->msg_signature, reply->timestamp, reply->nonce, reply->encrypt});
  REQUIRE(again);
  CHECK((again->plaintext == vector.plaintext));
  CHECK((again->owner_key == vector.owner_key));
  CHECK(again->label == label);
}

// What the library makes of a push must be what the second implementation makes of it.
void check_agrees(const Encryptor& encryptor, const platform::Sealed& sealed) {
  const platform::Verdict expected = platform::open(kApp, sealed.push());
  const auto opened = encryptor.decrypt(sealed.push());
  if (expected.failure != Errc{}) {
    REQUIRE_FALSE(opened);
    REQUIRE(opened.error().code == expected.failure);
  } else {
    REQUIRE(opened);
    REQUIRE((opened->plaintext == expected.message));
    REQUIRE((opened->owner_key == expected.owner_key));
  }
}

// Text of every byte value, different at every place within 64 KB.
std::string message_of(std::size_t size) {
  std::string message(size, '\0');
  for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<char>((i * 151 + (i >> 8)) & 0xff);
  return message;
}

void check_round_trip(const Encryptor& encryptor, const Credential& credential, const std::string& message,
                      std::size_t pad_block) {
  INFO("message of " << message.size() << " bytes, padded to " << pad_block);
  const auto sealed =
      platform::seal(credential, credential.owner_keys[0], "1700000000000", "nOnce123", message, pad_block);
  const auto opened = encryptor.decrypt(sealed.push());
  REQUIRE(opened);
  REQUIRE((opened->plaintext == message));
  REQUIRE((opened->owner_key == credential.owner_keys[0]));

  const auto reply = encryptor.encrypt_reply(message, *opened);
  REQUIRE(reply);
  const platform::Verdict theirs = platform::open(credential, *reply);
  REQUIRE(theirs.failure == Errc{});
  REQUIRE((theirs.message == message));
  REQUIRE((theirs.owner_key == credential.owner_keys[0]));
  REQUIRE((20 + message.size() + theirs.owner_key.size() + theirs.pad) % 32 == 0);
}

}  // namespace

TEST_CASE("Encryptor opens and reseals every positive vector") {
  const auto vectors = read_vectors("positive.json");
  REQUIRE(vectors.size() == 545);
  for (const Vector& vector : vectors) check_opens(make({vector.credential()}), vector, vector.id);
}

TEST_CASE("Encryptor opens and reseals large messages of other implementations") {
  const auto vectors = read_vectors("positive_large.json");
  REQUIRE(vectors.size() == 2);
  for (const Vector& vector : vectors) {
    REQUIRE(vector.plaintext.size() == 65536);
    check_opens(make({vector.credential()}), vector, vector.id);
  }
}

TEST_CASE("Encryptor with the credentials of all vectors finds each one by its signature") {
  const auto vectors = read_vectors("positive.json");
  std::map<std::tuple<std::string, std::string, std::string>, std::string> labels;  // two vectors share one credential
  std::vector<Credential> credentials;
  for (const Vector& vector : vectors) {
    if (labels.emplace(std::tuple(vector.token, vector.aes_key, vector.owner_key), vector.id).second) {
      credentials.push_back(vector.credential());
    }
  }
  REQUIRE(credentials.size() == 544);
  const Encryptor encryptor = make(std::move(credentials));
  for (const Vector& vector : vectors) {
    check_opens(encryptor, vector, labels.at(std::tuple(vector.token, vector.aes_key, vector.owner_key)));
  }
}

TEST_CASE("Encryptor refuses every negative vector with the class and the official code it states") {
  const auto vectors = negative("reject");
  REQUIRE(vectors.size() == 102);
  std::size_t refused_keys = 0;
  for (const Vector& vector : vectors) {
    INFO(vector.id);
    const Errc expected = errc_of(vector.failure);
    CHECK(dingcb::official_code(expected) == vector.code);
    const auto encryptor = Encryptor::create(vector.credential());
    if (expected == Errc::aes_key_length || expected == Errc::aes_key_charset) {
      REQUIRE_FALSE(encryptor);
      CHECK(encryptor.error().code == expected);
      ++refused_keys;
      continue;
    }
    REQUIRE(encryptor);
    CHECK(encryptor->verify(vector.push()).has_value() == (expected != Errc::signature_mismatch));

    // Into memory that has just held another message: nothing of either may be left.
    Opened opened;
    const auto earlier = platform::seal(vector.credential(), vector.owner_key, "1700000000", "n", "an earlier message");
    REQUIRE(encryptor->decrypt(earlier.push(), opened));
    const auto refused = encryptor->decrypt(vector.push(), opened);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == expected);
    CHECK(opened.plaintext.empty());
    CHECK(opened.owner_key.empty());
    CHECK(opened.label.empty());
    CHECK(encryptor->encrypt_reply("success", opened).error().code == Errc::credential_missing);
  }
  CHECK(refused_keys == 12);
}

TEST_CASE("Encryptor decides every policy vector as documented") {
  const std::map<std::string, Errc> decisions{
      {"sig-upper", Errc::signature_mismatch},
      {"sig-boundary-shift", Errc{}},
      {"b64-nopad", Errc::base64_malformed},
      {"b64-urlsafe", Errc::base64_malformed},
      {"b64-trailing-bits", Errc::base64_malformed},
      {"key-plus-slash", Errc::aes_key_charset},
      // What the bytes mean is the business of a higher layer.
      {"text-invalid-utf8", Errc{}},
      {"text-not-json", Errc{}},
      {"text-eventtype-number", Errc{}},
      {"text-no-eventtype", Errc{}},
      {"text-deep", Errc{}},
  };
  const auto vectors = negative("policy");
  REQUIRE(vectors.size() == 11);
  for (const Vector& vector : vectors) {
    INFO(vector.id);
    const Errc expected = decisions.at(vector.id);
    const auto encryptor = Encryptor::create(vector.credential());
    if (expected == Errc::aes_key_charset) {
      REQUIRE_FALSE(encryptor);
      CHECK(encryptor.error().code == expected);
      continue;
    }
    REQUIRE(encryptor);
    const auto opened = encryptor->decrypt(vector.push());
    if (expected != Errc{}) {
      REQUIRE_FALSE(opened);
      CHECK(opened.error().code == expected);
      continue;
    }
    REQUIRE(opened);
    // The file cannot hold every message as JSON text; the second implementation has them all.
    CHECK((opened->plaintext == platform::open(vector.credential(), vector.push()).message));
    if (!vector.plaintext.empty()) CHECK((opened->plaintext == vector.plaintext));
  }
}

TEST_CASE("Encryptor with a replay window refuses digits that moved from the nonce to the timestamp") {
  for (const Vector& vector : negative("policy")) {
    if (vector.id != "sig-boundary-shift") continue;
    dingcb::EncryptorOptions options;
    options.replay_window = std::chrono::hours(1);
    options.clock = std::make_shared<FixedClock>(std::stoll(vector.timestamp.substr(0, 13)));
    const Encryptor encryptor = make({vector.credential()}, options);

    const auto shifted = encryptor.decrypt(vector.push());
    REQUIRE_FALSE(shifted);
    CHECK(shifted.error().code == Errc::timestamp_malformed);
    CHECK(encryptor.verify(vector.push()).error().code == Errc::timestamp_malformed);

    const std::string timestamp = vector.timestamp.substr(0, 13);
    const std::string nonce = vector.timestamp.substr(13) + vector.nonce;
    CHECK(encryptor.decrypt({vector.msg_signature, timestamp, nonce, vector.encrypt}));
    return;
  }
  FAIL("the vector sig-boundary-shift is missing");
}

TEST_CASE("Encryptor round-trips messages of every size from 0 to 300 bytes") {
  const Encryptor encryptor = make({kApp});
  for (std::size_t size = 0; size <= 300; ++size) {
    for (const std::size_t pad_block : {16U, 32U}) check_round_trip(encryptor, kApp, message_of(size), pad_block);
  }
}

TEST_CASE("Encryptor round-trips messages around the sizes at which work is cut into pieces") {
  const Encryptor encryptor = make({kApp});
  const std::size_t around = 20 + kApp.owner_keys[0].size();  // prefix, length field and owner key
  for (const std::size_t piece : {12288U, 16384U}) {
    for (const std::size_t total : {piece, 2 * piece, 3 * piece}) {
      for (std::size_t size = total - around - 36; size <= total + 4; ++size) {
        check_round_trip(encryptor, kApp, message_of(size), size % 2 == 0 ? 32 : 16);
      }
    }
  }
}

TEST_CASE("Encryptor round-trips messages of 64 KB and 1 MB") {
  const Encryptor encryptor = make({kApp});
  for (const std::size_t size : {std::size_t{65536}, std::size_t{1048576}}) {
    for (const std::size_t pad_block : {16U, 32U}) check_round_trip(encryptor, kApp, message_of(size), pad_block);
  }
}

TEST_CASE("Encryptor round-trips owner keys of 1 to 128 bytes") {
  for (std::size_t size = 1; size <= 128; ++size) {
    Credential credential = kApp;
    credential.owner_keys = {message_of(size)};
    check_round_trip(make({credential}), credential, R"({"EventType":"check_url"})", 32);
  }
}

TEST_CASE("Encryptor takes base64 with line breaks anywhere") {
  const Encryptor encryptor = make({kApp});
  const std::string whole = platform::seal(kApp, kApp.owner_keys[0], "1700000000", "n", message_of(100)).encrypt;
  for (const std::string line_break : {"\n", "\r\n"}) {
    for (std::size_t at = 0; at <= whole.size(); ++at) {
      std::string broken = whole;
      broken.insert(at, line_break);
      const auto sealed = platform::signed_push(kApp, broken);
      REQUIRE(encryptor.decrypt(sealed.push()));
    }
  }
}

TEST_CASE("Encryptor judges every truncated ciphertext as the protocol does") {
  const Encryptor encryptor = make({kApp});
  const std::string whole = platform::seal(kApp, kApp.owner_keys[0], "1700000000", "n", message_of(200)).encrypt;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("base64 text cut to " << size << " of " << whole.size() << " characters");
    check_agrees(encryptor, platform::signed_push(kApp, whole.substr(0, size)));
  }
  const std::string cipher = platform::decode_base64(whole);
  for (std::size_t size = 0; size < cipher.size(); ++size) {
    INFO("ciphertext cut to " << size << " of " << cipher.size() << " bytes");
    const auto sealed = platform::signed_push(kApp, platform::base64(std::string_view(cipher).substr(0, size)));
    check_agrees(encryptor, sealed);
    // Whole blocks are missing at the end, the padding with them.
    REQUIRE_FALSE(encryptor.decrypt(sealed.push()));
  }
}

TEST_CASE("Encryptor judges every flipped bit of a signed ciphertext as the protocol does") {
  const Encryptor encryptor = make({kApp});
  for (const std::size_t pad_block : {16U, 32U}) {
    const auto whole = platform::seal(kApp, kApp.owner_keys[0], "1700000000", "n", "success", pad_block);
    const std::string cipher = platform::decode_base64(whole.encrypt);
    std::set<Errc> seen;
    for (std::size_t bit = 0; bit < cipher.size() * 8; ++bit) {
      INFO("bit " << bit);
      std::string flipped = cipher;
      flipped[bit / 8] = static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ (1U << bit % 8));
      const auto sealed = platform::signed_push(kApp, platform::base64(flipped));
      seen.insert(platform::open(kApp, sealed.push()).failure);
      check_agrees(encryptor, sealed);
    }
    // The flips reach every check behind the base64 decoder, and some of them the message itself.
    for (const Errc failure : {Errc{}, Errc::padding, Errc::length_field, Errc::owner_mismatch}) {
      CHECK(seen.count(failure) == 1);
    }
  }
}

TEST_CASE("Encryptor judges every padding, length and size as the protocol does") {
  const Encryptor encryptor = make({kApp});
  const std::string head = "0123456789abcdef";
  const auto judge = [&](const std::string& padded) { check_agrees(encryptor, platform::seal_raw(kApp, padded)); };
  const std::string body = head + platform::length_field(7) + "success" + kApp.owner_keys[0];

  for (unsigned value = 0; value < 256; ++value) {
    INFO("padding byte " << value);
    std::string last_only = body + std::string(64 - body.size(), '\x10');
    last_only.back() = static_cast<char>(value);
    judge(last_only);
    judge(std::string(96, static_cast<char>(value)));
    std::string all = body;  // `value` bytes of padding, or as many as make whole blocks
    all.append(value + (16 - (body.size() + value) % 16) % 16, static_cast<char>(value));
    judge(all);
  }
  for (const std::uint32_t length : {0U, 6U, 7U, 8U, 28U, 29U, 0x7fffffffU, 0x80000000U, 0xffffffecU, 0xffffffffU}) {
    INFO("length field " << length);
    std::string wrong = head + platform::length_field(length) + "success" + kApp.owner_keys[0];
    wrong.append(64 - wrong.size(), static_cast<char>(64 - wrong.size()));
    judge(wrong);
  }
  for (std::size_t size = 0; size < 48; ++size) {
    INFO(size << " bytes in front of the padding");
    std::string small(size, '\0');
    small.append(16 - size % 16, static_cast<char>(16 - size % 16));
    judge(small);
  }
}
