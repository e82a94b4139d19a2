// The signature: SHA-1 over the sorted concatenation of four texts.
#pragma once

#include <dingcb/detail/bytes.hpp>
#include <dingcb/impl/openssl.ipp>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

using HexDigest = std::array<char, 40>;

inline std::string_view view(const HexDigest& hex) noexcept { return {hex.data(), hex.size()}; }

/// What timestamp and nonce must be, whatever their signature. SHA-1 can be extended: who saw one signed push can
/// append to the signed text without knowing the token, but not without bytes like 0x80 and NUL, which neither of the
/// two ever has. In `encrypt` the base64 decoder refuses them, whatever the rest decrypts to.
inline bool is_printable(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

/// Computes signatures, one at a time, with a context that is used again and again.
class Signer {
 public:
  /// @return false where OpenSSL has no context to give; sign() must not be called then.
  bool open(const EVP_MD* sha1) noexcept {
    context_.reset(EVP_MD_CTX_new());
    return succeeded(context_ != nullptr && EVP_DigestInit_ex2(context_.get(), sha1, nullptr) == 1);
  }

  /// Writes lower_hex(SHA-1(concat(sort(token, timestamp, nonce, encrypt)))), the texts sorted as bytes.
  bool sign(std::string_view token, std::string_view timestamp, std::string_view nonce, std::string_view encrypt,
            HexDigest& out) noexcept {
    std::array<std::string_view, 4> parts{token, timestamp, nonce, encrypt};
    sort(parts);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    // A null type means: the same digest again, without looking it up.
    const bool done = succeeded(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1 && update(parts, token) &&
                                EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
    if (done) hex(digest.data(), 20, out.data());
    return done;
  }

 private:
  // Mostly the first characters differ; asking them first, in five comparisons, saves a tenth of a short signature.
  static void sort(std::array<std::string_view, 4>& parts) noexcept {
    const auto order = [&](std::size_t left, std::size_t right) {
      const std::string_view a = parts[left];
      const std::string_view b = parts[right];
      const bool told = !a.empty() && !b.empty() && a.front() != b.front();
      if (told ? static_cast<unsigned char>(b.front()) < static_cast<unsigned char>(a.front()) : b < a) {
        std::swap(parts[left], parts[right]);
      }
    };
    order(0, 1);
    order(2, 3);
    order(0, 2);
    order(1, 3);
    order(1, 2);
  }

  struct Gathered {
    std::array<char, 1024> bytes;
    std::size_t used = 0;
    char* token = nullptr;  // where the token was put; the other texts are public
    std::size_t token_size = 0;

    Gathered() noexcept {}  // NOLINT(modernize-use-equals-default): unlike that, leaves the bytes as they are
    Gathered(const Gathered&) = delete;
    Gathered& operator=(const Gathered&) = delete;
    ~Gathered() {
      if (token != nullptr) wipe(token, token_size);
    }
  };

  // Short texts are gathered, because a call into OpenSSL costs more than copying them; a long one is hashed in place.
  bool update(const std::array<std::string_view, 4>& parts, std::string_view token) noexcept {
    Gathered gathered;
    for (const std::string_view part : parts) {
      if (part.size() > gathered.bytes.size() - gathered.used) {
        if (!update({gathered.bytes.data(), std::exchange(gathered.used, 0)})) return false;
        if (part.size() > gathered.bytes.size()) {
          if (!update(part)) return false;
          continue;
        }
      }
      char* const place = gathered.bytes.data() + gathered.used;
      if (part.data() == token.data()) {
        gathered.token = place;
        gathered.token_size = part.size();
      }
      gathered.used += part.copy(place, part.size());
    }
    return update({gathered.bytes.data(), gathered.used});
  }

  bool update(std::string_view text) noexcept {
    return text.empty() || EVP_DigestUpdate(context_.get(), text.data(), text.size()) == 1;
  }

  OpensslPtr<EVP_MD_CTX> context_;
};

}  // namespace detail
DINGCB_NAMESPACE_END
