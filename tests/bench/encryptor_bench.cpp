// Encryptor beside the floor: the six primitives that nobody can leave out (SHA-1 of the push, base64 decoding, AES
// decryption, AES encryption, base64 encoding, SHA-1 of the reply), each in its fastest OpenSSL form, on memory that is
// ready.
//
// Every row runs the two in turn, a few milliseconds each, and prints the medians and the median of the ratios round by
// round: times drift from machine to machine and from minute to minute, ratios hold. `new` and `openssl` count heap
// allocations of one warm call.
#include "bench/beside_floor.hpp"

#include <benchmark/benchmark.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dingcb/detail/base64.hpp>
#include <dingcb/encryptor.hpp>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

std::atomic<std::size_t> new_calls{0};
std::atomic<std::size_t> openssl_calls{0};

void* count_malloc(std::size_t size, const char*, int) {
  openssl_calls.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}
void* count_realloc(void* old, std::size_t size, const char*, int) {
  openssl_calls.fetch_add(1, std::memory_order_relaxed);
  return std::realloc(old, size);
}
void plain_free(void* memory, const char*, int) { std::free(memory); }

}  // namespace

// Never inlined: g++ would take the pair for a mismatch of new and free.
[[gnu::noinline]] void* operator new(std::size_t size) {
  new_calls.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using Clock = std::chrono::steady_clock;

const dingcb::Credential kCredential{
    "bench0token", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"dingbenchmarkappkey0"}, "bench"};

void stop(const char* what) {
  std::fprintf(stderr, "encryptor_bench: %s\n", what);
  std::exit(1);
}

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

std::vector<unsigned char> key_bytes() {
  std::vector<unsigned char> key(33);
  // The key's spare bits are not zero, so OpenSSL's lenient decoder is the right one for it.
  const std::string text = kCredential.aes_key + "=";
  EVP_DecodeBlock(key.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  key.resize(32);
  return key;
}

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

class Floor {
 public:
  explicit Floor(const Case& test) {
    std::vector<std::string> parts{kCredential.token, test.sealed.timestamp, test.sealed.nonce, test.sealed.encrypt};
    std::sort(parts.begin(), parts.end());
    for (const std::string& part : parts) signed_text_ += part;
    encrypt_ = test.sealed.encrypt;
    binary_.resize(dingcb::detail::Base64Decoder::max_decoded_size(encrypt_.size()));
    reply_.resize(64);
    reply_text_.resize(dingcb::detail::base64_encoded_size(reply_.size()));
    reply_signed_ = kCredential.token + "1700000000000" + "nonce0nonce0nonc" + std::string(reply_text_.size(), 'x');
    EVP_DigestInit_ex2(digest_, sha1_, nullptr);
    EVP_DecryptInit_ex2(decryption_, aes_, key_.data(), key_.data(), nullptr);
    EVP_EncryptInit_ex2(encryption_, aes_, key_.data(), key_.data(), nullptr);
    EVP_CIPHER_CTX_set_padding(decryption_, 0);
    EVP_CIPHER_CTX_set_padding(encryption_, 0);
  }
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;
  ~Floor() {
    EVP_MD_CTX_free(digest_);
    EVP_CIPHER_CTX_free(decryption_);
    EVP_CIPHER_CTX_free(encryption_);
    EVP_MD_free(sha1_);
    EVP_CIPHER_free(aes_);
  }

  void operator()() {
    int written = 0;
    hash(signed_text_);
    dingcb::detail::Base64Decoder decoder;
    const std::size_t size = decoder.update(encrypt_, binary_.data());
    EVP_DecryptInit_ex2(decryption_, nullptr, nullptr, key_.data(), nullptr);
    EVP_DecryptUpdate(decryption_, binary_.data(), &written, binary_.data(), static_cast<int>(size));
    EVP_EncryptInit_ex2(encryption_, nullptr, nullptr, key_.data(), nullptr);
    EVP_EncryptUpdate(encryption_, reply_.data(), &written, reply_.data(), static_cast<int>(reply_.size()));
    dingcb::detail::base64_encode(reply_.data(), reply_.size(), reply_text_.data());
    hash(reply_signed_);
    benchmark::ClobberMemory();
  }

 private:
  void hash(const std::string& text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_DigestInit_ex2(digest_, nullptr, nullptr);
    EVP_DigestUpdate(digest_, text.data(), text.size());
    EVP_DigestFinal_ex(digest_, digest, nullptr);
    benchmark::DoNotOptimize(digest);
  }

  std::vector<unsigned char> key_ = key_bytes();
  EVP_MD* sha1_ = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  EVP_CIPHER* aes_ = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  EVP_MD_CTX* digest_ = EVP_MD_CTX_new();
  EVP_CIPHER_CTX* decryption_ = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* encryption_ = EVP_CIPHER_CTX_new();
  std::string signed_text_;
  std::string encrypt_;
  std::vector<unsigned char> binary_;
  std::vector<unsigned char> reply_;
  std::string reply_text_;
  std::string reply_signed_;
};

template <class Call>
void measure(benchmark::State& state, Floor& floor, Call call) {
  beside_floor(state, floor, call);
  const std::size_t news = new_calls.load();
  const std::size_t openssls = openssl_calls.load();
  call();
  state.counters["new"] = static_cast<double>(new_calls.load() - news);
  state.counters["openssl"] = static_cast<double>(openssl_calls.load() - openssls);
}

void callback(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  Floor floor(test);
  measure(state, floor, [&] { test.callback(); });
}

void forged(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  Floor floor(test);
  measure(state, floor, [&] { test.refuse(); });
}

/// Callbacks per second with two threads over one Encryptor, divided by those with one.
void two_threads(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Case first(size);
  Case second(size);
  second.encryptor = first.encryptor;
  const std::size_t calls = 20000;
  const auto run = [&](Case& test) {
    for (std::size_t i = 0; i < calls; ++i) test.callback();
  };
  std::vector<double> ratios;
  for ([[maybe_unused]] auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores): how it is counted
    const auto begin = Clock::now();
    run(first);
    const auto middle = Clock::now();
    std::thread other([&] { run(second); });
    run(first);
    other.join();
    const auto end = Clock::now();
    ratios.push_back(2 * std::chrono::duration<double>(middle - begin).count() /
                     std::chrono::duration<double>(end - middle).count());
    state.SetIterationTime(std::chrono::duration<double>(end - middle).count());
  }
  state.counters["speedup"] = median(ratios);
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

int main(int argc, char** argv) {
  if (CRYPTO_set_mem_functions(count_malloc, count_realloc, plain_free) != 1) stop("OpenSSL was in use before main()");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
