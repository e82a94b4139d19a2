// Ownership of OpenSSL's objects, the algorithms, and the thread's error queue.
#pragma once

#include <dingcb/config.hpp>

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

DINGCB_NAMESPACE_BEGIN
namespace detail {

struct OpensslDeleter {
  void operator()(EVP_MD* p) const noexcept { EVP_MD_free(p); }
  void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
  void operator()(EVP_CIPHER* p) const noexcept { EVP_CIPHER_free(p); }
  void operator()(EVP_CIPHER_CTX* p) const noexcept { EVP_CIPHER_CTX_free(p); }  // wipes the key schedule
};

template <class T>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter>;

/// SHA-1 and AES-256-CBC, fetched once: fetching, like EVP_sha1() and EVP_aes_256_cbc(), takes a global lock in
/// OpenSSL 3.0.
struct Algorithms {
  OpensslPtr<EVP_MD> sha1{EVP_MD_fetch(nullptr, "SHA1", nullptr)};
  OpensslPtr<EVP_CIPHER> aes_256_cbc{EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)};
};

/// Passes on whether an OpenSSL call succeeded. After a failure nothing stays in the thread's error queue, where the
/// host's next TLS call would take it for its own. Marking the queue before each call, to keep older entries through a
/// failure of memory or provider, would cost every callback a tenth of its time.
inline bool succeeded(bool success) noexcept {
  if (!success) ERR_clear_error();
  return success;
}

}  // namespace detail
DINGCB_NAMESPACE_END
