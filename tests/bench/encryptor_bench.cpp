// Encryptor beside the floor (floor.hpp): decrypt() and encrypt_reply(), and the refusal of a forged push.
#include <dingcb/encryptor.hpp>

#include "bench/floor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

using bench::Floor;
using bench::kCredential;
using bench::key_bytes;
using bench::stop;

/// A push with `size` bytes of plaintext, and everything the floor works on.
struct Case {
  explicit Case(std::size_t size) : encryptor(*dingcb::Encryptor::create(kCredential)) {
    std::string plaintext =
        R"({"EventType":"user_add_org","CorpId":"ding9f50b15b","userId":["manager1024"],"padding":")";
    plaintext.resize(size, 'x');
    // Any push that this credential opens lends its identity to a reply, which is then a push of the wanted size.
    sealed = seal(plaintext, bootstrap());
    push = {sealed.msg_signature, sealed.timestamp, sealed.nonce, sealed.encrypt};
    forged = push;
    forged.signature = "0123456789012345678901234567890123456789";
    if (!encryptor.decrypt(push, opened)) stop("the push does not open");
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  dingcb::Reply seal(const std::string& plaintext, const dingcb::Opened& identity) const {
    auto made = encryptor.encrypt_reply(plaintext, identity);
    if (!made) stop("sealing failed");
    return *std::move(made);
  }

  /// The smallest push: made here with OpenSSL's one-shot calls, since dingcb seals only replies.
  dingcb::Opened bootstrap() const;

  void callback() {
    if (!encryptor.decrypt(push, opened) || !encryptor.encrypt_reply("success", opened, reply))
      stop("a callback failed");
  }
  void refuse() {
    if (encryptor.decrypt(forged, opened_forged)) stop("a forged push was opened");
  }

  dingcb::Encryptor encryptor;
  dingcb::Reply sealed;
  dingcb::Push push;
  dingcb::Push forged;
  dingcb::Opened opened;
  dingcb::Opened opened_forged;
  dingcb::Reply reply;
};

std::string sha1_hex(std::vector<std::string> parts) {
  std::sort(parts.begin(), parts.end());
  std::string all;
  for (const std::string& part : parts) all += part;
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(all.data(), all.size(), digest, nullptr, EVP_sha1(), nullptr);
  std::string hex;
  char two[3];
  for (int i = 0; i < 20; ++i) {
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(digest[i]));
    hex += two;
  }
  return hex;
}

dingcb::Opened Case::bootstrap() const {
  const std::string message = "x";
  std::string plain = "0123456789abcdef" + std::string("\0\0\0\1", 4) + message + kCredential.owner_keys[0];
  const std::size_t pad = 32 - plain.size() % 32;
  plain.append(pad, static_cast<char>(pad));
  const std::vector<unsigned char> key = key_bytes();
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  std::vector<unsigned char> cipher(plain.size() + 16);
  int written = 0;
  EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), nullptr, key.data(), key.data());
  EVP_CIPHER_CTX_set_padding(context, 0);
  EVP_EncryptUpdate(context, cipher.data(), &written, reinterpret_cast<const unsigned char*>(plain.data()),
                    static_cast<int>(plain.size()));
  EVP_CIPHER_CTX_free(context);
  std::vector<unsigned char> text(plain.size() * 2);
  const int length = EVP_EncodeBlock(text.data(), cipher.data(), written);
  const std::string encrypt(text.begin(), text.begin() + length);
  const std::string signature = sha1_hex({kCredential.token, "1700000000000", "nonce", encrypt});
  auto first = encryptor.decrypt({signature, "1700000000000", "nonce", encrypt});
  if (!first) stop("the bootstrap push does not open");
  return *std::move(first);
}

void callback(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  Floor floor(test.push);
  bench::measure(state, floor, [&] { test.callback(); });
}

void forged(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  Floor floor(test.push);
  bench::measure(state, floor, [&] { test.refuse(); });
}

/// Over one Encryptor.
void two_threads(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Case first(size);
  Case second(size);
  second.encryptor = first.encryptor;
  bench::beside_one_thread(
      state, [&first] { first.callback(); }, [&second] { second.callback(); });
}

BENCHMARK(callback)
    ->Arg(64)
    ->Arg(300)
    ->Arg(1 << 10)
    ->Arg(16 << 10)
    ->Arg(64 << 10)
    ->Arg(256 << 10)
    ->Arg(1 << 20)
    ->Iterations(101)
    ->UseManualTime();
BENCHMARK(forged)
    ->Arg(64)
    ->Arg(300)
    ->Arg(1 << 10)
    ->Arg(16 << 10)
    ->Arg(256 << 10)
    ->Arg(1 << 20)
    ->Iterations(101)
    ->UseManualTime();
BENCHMARK(two_threads)->Arg(300)->Iterations(41)->UseManualTime();

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
