// Signs what the fuzzer makes, so that it reaches the checks behind the signature, and compares Encryptor::decrypt()
// with the straightforward reading of the protocol in support/platform.hpp: plaintext exactly where that one has it,
// the same error elsewhere.
#include <dingcb/encryptor.hpp>

#include "support/platform.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Opened;
using dingcb::Reply;
using platform::Sealed;

const Credential kApp{
    "tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"owner", "dingshopappkey0001"}, "app"};

void demand(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "encryptor_fuzz: %s\n", what);
  std::abort();
}

std::string whole_blocks(std::string_view bytes) { return std::string(bytes.substr(0, bytes.size() / 16 * 16)); }

// Pads as the last byte of the input asks, rightly or wrongly.
std::string padded(std::string text, std::uint8_t wish) {
  const std::size_t pad = 16 - text.size() % 16 + (wish & 16);
  text.append(pad, static_cast<char>(pad));
  if (wish >= 0xc0) text[text.size() - 1 - wish % pad] = static_cast<char>(wish);
  return text;
}

// The first byte says what the others are.
Sealed make_push(std::uint8_t kind, std::string_view rest) {
  const std::uint8_t last = rest.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(rest.back());
  switch (kind % 6) {
    case 0: return platform::signed_push(kApp, rest);                    // the text in `encrypt`
    case 1: return platform::signed_push(kApp, platform::base64(rest));  // the ciphertext
    case 2: return platform::seal_raw(kApp, whole_blocks(rest));         // all plaintext blocks
    case 3: return platform::seal_raw(kApp, padded(std::string(rest), last));
    case 4: {  // a message whose length field is wrong by a little, and its owner key
      std::string text = "0123456789abcdef" + platform::length_field(rest.size() + kind / 6 % 4 - 1U);
      return platform::seal_raw(kApp, padded(text.append(rest).append(kApp.owner_keys[kind / 24 % 2]), last));
    }
    default: {  // a good push with line breaks, or other characters, in its base64 text
      const std::size_t size = rest.size() / 2;
      Sealed sealed =
          platform::seal(kApp, kApp.owner_keys[0], "1700000000000", "n", rest.substr(0, size), kind < 128 ? 16 : 32);
      std::size_t at = 0;
      for (const char c : rest.substr(size)) {
        at = (at + static_cast<unsigned char>(c)) % (sealed.encrypt.size() + 1);
        sealed.encrypt.insert(at, 1, kind % 4 == 0 ? c : c % 2 == 0 ? '\r' : '\n');
      }
      return platform::signed_push(kApp, sealed.encrypt);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // Reused from input to input, so that what one leaves behind would be seen in the next.
  static const Encryptor encryptor = Encryptor::create(kApp).value();
  static Opened opened;
  static Reply reply;

  const Sealed sealed = make_push(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  const platform::Verdict expected = platform::open(kApp, sealed.push());
  demand(encryptor.verify(sealed.push()).has_value(), "a correct signature was refused");
  const auto decrypted = encryptor.decrypt(sealed.push(), opened);
  if (expected.failure != Errc{}) {
    demand(!decrypted, "a push was opened that must be refused");
    demand(decrypted.error().code == expected.failure, "a push was refused for another reason than the first one");
    demand(opened.plaintext.empty() && opened.owner_key.empty() && opened.label.empty(),
           "a refused push left something");
    demand(!encryptor.encrypt_reply("success", opened), "a refused push was answered");
    return 0;
  }
  demand(decrypted.has_value(), "a good push was refused");
  demand(opened.plaintext == expected.message, "the message differs");
  demand(opened.owner_key == expected.owner_key && opened.label == kApp.label, "the identity differs");
  demand(encryptor.encrypt_reply(opened.plaintext, opened, reply).has_value(), "a good push was not answered");
  const platform::Verdict answer = platform::open(kApp, reply);
  demand(answer.failure == Errc{} && answer.message == expected.message && answer.owner_key == expected.owner_key,
         "the reply differs");
  return 0;
}
