// AES-256-CBC over whole blocks, without padding.
#pragma once

#include <dingcb/detail/bytes.hpp>
#include <dingcb/impl/openssl.ipp>

#include <array>
#include <cstddef>
#include <cstring>

DINGCB_NAMESPACE_BEGIN
namespace detail {

constexpr std::size_t kAesBlock = 16;

/// The 32 bytes behind an EncodingAESKey; its first 16 are the initialisation vector too. Wiped when dropped.
struct AesKey {
  std::array<unsigned char, 32> bytes{};

  AesKey() noexcept = default;
  AesKey(const AesKey&) = default;
  AesKey& operator=(const AesKey&) = default;
  ~AesKey() { wipe(bytes.data(), bytes.size()); }
};

/// AES-256-CBC under one key, both directions, with key schedules that are kept from message to message.
///
/// Setting the initialisation vector for each message costs as much as six blocks, so a context's chain simply goes on
/// from the last ciphertext block that it saw. Only the first block of a message depends on it, and only by an
/// exclusive or, which is put right here. A failure drops the context, and the chain with it.
class AesCipher {
 public:
  /// Decrypts the next whole blocks of a message; `first` says that it begins here. `in` and `out` may be the same.
  bool decrypt(const EVP_CIPHER* aes, const AesKey& key, bool first, const unsigned char* in, std::size_t size,
               unsigned char* out) noexcept {
    if (size == 0) return true;
    if (!decryption_.ready() && !decryption_.open(EVP_DecryptInit_ex2, aes, key)) return false;
    Block last;
    std::memcpy(last.data(), in + size - kAesBlock, kAesBlock);
    if (!decryption_.run(EVP_DecryptUpdate, in, size, out)) return false;
    if (first) decryption_.rechain(key, out);
    decryption_.chain = last;
    return true;
  }

  /// Encrypts the next whole blocks of a message in place; `first` says that it begins here.
  bool encrypt(const EVP_CIPHER* aes, const AesKey& key, bool first, unsigned char* bytes, std::size_t size) noexcept {
    if (size == 0) return true;
    if (!encryption_.ready() && !encryption_.open(EVP_EncryptInit_ex2, aes, key)) return false;
    if (first) encryption_.rechain(key, bytes);
    if (!encryption_.run(EVP_EncryptUpdate, bytes, size, bytes)) return false;
    std::memcpy(encryption_.chain.data(), bytes + size - kAesBlock, kAesBlock);
    return true;
  }

  /// Drops and wipes the key schedules.
  void close() noexcept {
    decryption_.close();
    encryption_.close();
  }

 private:
  using Block = std::array<unsigned char, kAesBlock>;
  using Init = int (*)(EVP_CIPHER_CTX*, const EVP_CIPHER*, const unsigned char*, const unsigned char*,
                       const OSSL_PARAM*);
  using Update = int (*)(EVP_CIPHER_CTX*, unsigned char*, int*, const unsigned char*, int);

  struct Direction {
    OpensslPtr<EVP_CIPHER_CTX> context;
    Block chain{};  // what the context will combine the next block with

    bool ready() const noexcept { return context != nullptr; }
    void close() noexcept {
      context.reset();
      wipe(chain.data(), chain.size());  // half of the key, until the first block has been through
    }

    bool open(Init init, const EVP_CIPHER* aes, const AesKey& key) noexcept {
      context.reset(EVP_CIPHER_CTX_new());
      if (!succeeded(context != nullptr && init(context.get(), aes, key.bytes.data(), key.bytes.data(), nullptr) == 1 &&
                     EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1)) {
        close();
        return false;
      }
      std::memcpy(chain.data(), key.bytes.data(), kAesBlock);
      return true;
    }

    // Callers pass pieces of a few KB, so an int suffices for the size.
    bool run(Update update, const unsigned char* in, std::size_t size, unsigned char* out) noexcept {
      int written = 0;
      if (succeeded(update(context.get(), out, &written, in, static_cast<int>(size)) == 1)) return true;
      close();
      return false;
    }

    // Replaces the chain by the initialisation vector in the first block of a message.
    void rechain(const AesKey& key, unsigned char* block) const noexcept {
      for (std::size_t i = 0; i < kAesBlock; ++i)
        block[i] = static_cast<unsigned char>(block[i] ^ chain[i] ^ key.bytes[i]);
    }
  };

  Direction decryption_;
  Direction encryption_;
};

}  // namespace detail
DINGCB_NAMESPACE_END
