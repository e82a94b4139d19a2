// The floor of a callback: the six primitives that nobody can leave out (SHA-1 of the push, base64 decoding, AES
// decryption, AES encryption, base64 encoding, SHA-1 of the reply), each in its fastest OpenSSL form, on memory that is
// ready; and how a call is measured beside it.
//
// Every row runs the two in turn, a few milliseconds each, and prints the medians and the median of the ratios round by
// round: times drift from machine to machine and from minute to minute, ratios hold. `new` and `openssl` count heap
// allocations of one warm call.
#pragma once

#include "bench/beside_floor.hpp"

#include <benchmark/benchmark.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <dingcb/detail/base64.hpp>
#include <dingcb/encryptor.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace bench {

inline std::atomic<std::size_t> new_calls{0};
inline std::atomic<std::size_t> openssl_calls{0};

inline void* count_malloc(std::size_t size, const char*, int) {
  openssl_calls.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}
inline void* count_realloc(void* old, std::size_t size, const char*, int) {
  openssl_calls.fetch_add(1, std::memory_order_relaxed);
  return std::realloc(old, size);
}
inline void plain_free(void* memory, const char*, int) { std::free(memory); }

}  // namespace bench

// NOLINTBEGIN(misc-definitions-in-headers): a program of benchmarks is one file
// Never inlined: g++ would take the pair for
// a mismatch of new and free.
[[gnu::noinline]] void* operator new(std::size_t size) {
  bench::new_calls.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
// NOLINTEND(misc-definitions-in-headers)

namespace bench {

inline const dingcb::Credential kCredential{
    "bench0token", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"dingbenchmarkappkey0"}, "bench"};

[[noreturn]] inline void stop(const char* what) {
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(1);
}

inline std::vector<unsigned char> key_bytes() {
  std::vector<unsigned char> key(33);
  // The key's spare bits are not zero, so OpenSSL's lenient decoder is the right one for it.
  const std::string text = kCredential.aes_key + "=";
  EVP_DecodeBlock(key.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  key.resize(32);
  return key;
}

class Floor {
 public:
  explicit Floor(const dingcb::Push& push) : encrypt_(push.encrypt) {
    std::vector<std::string> parts{kCredential.token, std::string(push.timestamp), std::string(push.nonce), encrypt_};
    std::sort(parts.begin(), parts.end());
    for (const std::string& part : parts) signed_text_ += part;
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
  std::string encrypt_;
  std::string signed_text_;
  std::vector<unsigned char> binary_;
  std::vector<unsigned char> reply_;
  std::string reply_text_;
  std::string reply_signed_;
};

/// What beside_floor() reports, and the allocations.
template <class Call>
void measure(benchmark::State& state, Floor& floor, Call call) {
  beside_floor(state, floor, call);
  const std::size_t news = new_calls.load();
  const std::size_t openssls = openssl_calls.load();
  call();
  state.counters["new"] = static_cast<double>(new_calls.load() - news);
  state.counters["openssl"] = static_cast<double>(openssl_calls.load() - openssls);
}

/// Calls per second with two threads, divided by those with one. By the clock on the wall: needs two idle processors.
template <class First, class Second>
void beside_one_thread(benchmark::State& state, First first, Second second) {
  using Clock = std::chrono::steady_clock;
  const std::size_t calls = 20000;
  const auto repeat = [](auto& call) {
    for (std::size_t i = 0; i < calls; ++i) call();
  };
  std::vector<double> ratios;
  for ([[maybe_unused]] auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores): how it is counted
    const auto begin = Clock::now();
    repeat(first);
    const auto middle = Clock::now();
    std::thread other([&] { repeat(second); });
    repeat(first);
    other.join();
    const std::chrono::duration<double> two = Clock::now() - middle;
    ratios.push_back(2 * std::chrono::duration<double>(middle - begin).count() / two.count());
    state.SetIterationTime(two.count());
  }
  state.counters["speedup"] = median(ratios);
}

inline int run(int argc, char** argv) {
  if (CRYPTO_set_mem_functions(count_malloc, count_realloc, plain_free) != 1) stop("OpenSSL was in use before main()");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace bench
