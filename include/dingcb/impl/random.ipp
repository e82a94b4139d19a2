// Letters and digits for nonces and prefixes, from the CSPRNG.
#pragma once

#include <dingcb/detail/bytes.hpp>
#include <dingcb/impl/openssl.ipp>
#include <dingcb/random.hpp>

#include <openssl/rand.h>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Held by whoever holds a lock that a child would wait for in vain if a fork came now, OpenSSL's own included:
/// RAND_bytes() takes the lock of a generator that all threads share.
inline std::mutex& fork_gate() noexcept {
  static std::mutex gate;
  return gate;
}

/// Counts the forks that lie between this process and the one that first asked. OpenSSL reseeds itself after a fork;
/// bytes that were drawn before it must not be used on both sides.
inline std::uint64_t fork_generation() noexcept {
  static std::atomic<std::uint64_t> generation{0};
#if defined(__unix__) || defined(__APPLE__)
  static const int registered = pthread_atfork([] { fork_gate().lock(); }, [] { fork_gate().unlock(); },
                                               [] {
                                                 generation.fetch_add(1, std::memory_order_relaxed);
                                                 fork_gate().unlock();
                                               });
  static_cast<void>(registered);
#endif
  return generation.load(std::memory_order_relaxed);
}

/// Hands out random letters and digits. One RAND_bytes() call costs as much as a short message's whole cryptography, so
/// bytes are drawn ahead; used ones are wiped at once. An injected source is asked each time, to keep its order.
class RandomText {
 public:
  RandomText() noexcept = default;
  RandomText(const RandomText&) = delete;
  RandomText& operator=(const RandomText&) = delete;
  ~RandomText() { wipe(bytes_.data(), bytes_.size()); }

  /// Writes `size` characters of A-Z a-z 0-9, each equally likely.
  /// @return false where the source fails, or delivers nothing usable.
  bool fill(const RandomSource* injected, char* out, std::size_t size) noexcept {
    return injected != nullptr ? fill_from(*injected, out, size) : fill_ahead(out, size);
  }

 private:
  // The last 8 of 256 values are refused: with them, eight letters would come more often than the others.
  static char letter(unsigned char byte) noexcept {
    static constexpr auto table = [] {
      constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
      std::array<char, 256> letters{};
      for (std::size_t i = 0; i < std::size_t{4} * 62; ++i) letters[i] = kAlphabet[i % 62];
      return letters;
    }();
    return table[byte];
  }

  bool fill_from(const RandomSource& source, char* out, std::size_t size) noexcept {
    for (unsigned refused = 0; size > 0;) {
      unsigned char byte = 0;
      if (!source.fill(&byte, 1)) return false;
      if (const char c = letter(byte); c != '\0') {
        *out++ = c;
        --size;
        refused = 0;
      } else if (++refused == 256) {
        return false;  // 1 in 10^385 from a random source: this one is stuck
      }
    }
    return true;
  }

  bool fill_ahead(char* out, std::size_t size) noexcept {
    const std::uint64_t generation = fork_generation();
    if (generation != std::exchange(generation_, generation)) left_ = 0;
    std::size_t left = left_;  // a copy, which no store to `out` can change
    for (const char* const end = out + size; out != end;) {
      if (left == 0) {
        if (!refill()) return false;
        left = bytes_.size();
      }
      const char c = letter(bytes_[--left]);
      bytes_[left] = 0;
      *out = c;
      out += c != '\0';
    }
    left_ = left;
    return true;
  }

  bool refill() noexcept {
    const std::lock_guard<std::mutex> no_fork(fork_gate());
    left_ = 0;
    return succeeded(RAND_bytes(bytes_.data(), static_cast<int>(bytes_.size())) == 1);
  }

  std::array<unsigned char, 4096> bytes_{};
  std::size_t left_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace detail
DINGCB_NAMESPACE_END
