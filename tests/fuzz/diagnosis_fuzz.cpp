// Encryptor::diagnose() with arbitrary texts in all four inputs, or with a valid signature or ciphertext around them.
// It must say something in both languages, agree with decrypt(), and never tell a secret.
//
// An input: a byte of switches (below), then signature, timestamp and nonce, each ended by byte 0x1E, and the rest is
// encrypt.
#include <dingcb/encryptor.hpp>

#include "support/platform.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned kSeal = 1;        // encrypt is a padded plaintext, to be encrypted
constexpr unsigned kSign = 2;        // the signature is to be computed
constexpr unsigned kOtherToken = 4;  // sealed and signed by a credential with another token,
constexpr unsigned kOtherKey = 8;    // with another AES key
constexpr unsigned kWindow = 16;     // with a replay window
constexpr unsigned kSpoil = 32;      // every "+" of the sealed text becomes a space

const dingcb::Credential kFirst{"Tk9ForTests8Abc",
                                "q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
                                {"dingq7w4e9r2t5y8u1i3", "suitezk3m8v1x6c9b2n5a"},
                                "first"};
const dingcb::Credential kSecond{
    " An0therToken7xyz\n", "M5n6B7v8C9x0Z1l2K3j4H5g6F7d8S9a0P1o2I3u4Y5t", {"ding9f8e7d6c5b4a39281706f5e4d3c2b1a0"}, ""};

class FixedClock final : public dingcb::Clock {
 public:
  std::int64_t unix_ms() const noexcept override { return 1700000000123; }
};

dingcb::Encryptor make(bool with_window) {
  dingcb::Encryptor::Options options;
  options.clock = std::make_shared<FixedClock>();
  if (with_window) options.replay_window = std::chrono::minutes(5);
  return dingcb::Encryptor::create({kFirst, kSecond}, options).value();
}

void require(bool condition) {
  if (!condition) std::abort();
}

std::string next_text(std::string_view& input) {
  const std::size_t end = input.find('\x1e');
  std::string text(input.substr(0, end));
  input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dingcb::Encryptor plain = make(false);
  static const dingcb::Encryptor with_window = make(true);
  if (size == 0) return 0;
  const unsigned switches = data[0];
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  platform::Sealed push{next_text(input), next_text(input), next_text(input), ""};
  push.encrypt = std::string(input);

  dingcb::Credential sender = kFirst;
  if ((switches & kOtherToken) != 0) sender.token = "An0therToken7xyz";
  if ((switches & kOtherKey) != 0) sender.aes_key = kSecond.aes_key;
  if ((switches & kSeal) != 0) {
    push.encrypt.resize(push.encrypt.size() / 16 * 16);
    push.encrypt = platform::base64(platform::aes(sender.aes_key, push.encrypt, true));
  }
  if ((switches & kSign) != 0) push.signature = platform::sign(sender.token, push.timestamp, push.nonce, push.encrypt);
  if ((switches & kSpoil) != 0) {
    for (char& c : push.encrypt) c = c == '+' ? ' ' : c;
  }

  const dingcb::Encryptor& encryptor = (switches & kWindow) != 0 ? with_window : plain;
  const dingcb::Diagnosis diagnosis = encryptor.diagnose(push.push());
  require(!diagnosis.cause.empty());
  require((diagnosis.suspect == dingcb::Suspect::none) == encryptor.decrypt(push.push()).has_value());
  for (const std::string* text : {&diagnosis.en, &diagnosis.zh}) {
    require(!text->empty() && text->size() < 2000);
    for (const dingcb::Credential* credential : {&kFirst, &kSecond}) {
      require(text->find(credential->token) == std::string::npos);
      require(text->find(credential->aes_key) == std::string::npos);
      for (const std::string& owner_key : credential->owner_keys) require(text->find(owner_key) == std::string::npos);
    }
  }
  return 0;
}
