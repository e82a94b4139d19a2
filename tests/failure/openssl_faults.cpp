#include "openssl_faults.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace faults {
namespace {

Watch* watch = nullptr;

bool strikes(Function function, Way& way) { return watch != nullptr && watch->strikes(function, way); }

// As OpenSSL does where it fails.
void raise_error() { ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE); }

// For functions that return 1 on success.
template <class Call>
int one_on_success(Function function, Call call) {
  Way way{};
  if (!strikes(function, way)) return call();
  if (way == Way::afterwards) call();
  return raise_error(), 0;
}

// For functions that return an object.
template <class Call>
auto object(Function function, Call call) -> decltype(call()) {
  Way way{};
  if (!strikes(function, way)) return call();
  return raise_error(), nullptr;
}

}  // namespace

Watch::Watch() { watch = this; }
Watch::Watch(Function function, int nth, Way way) : function_(function), nth_(nth), way_(way) { watch = this; }
Watch::~Watch() { watch = nullptr; }

bool Watch::strikes(Function function, Way& way) {
  const int nth = ++calls_[static_cast<std::size_t>(function)];
  if (function != function_ || nth != nth_) return false;
  way = way_;
  return failed_ = true;
}

}  // namespace faults

using faults::Function;

// The linker asks for these names.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
extern "C" {

EVP_MD* __real_EVP_MD_fetch(OSSL_LIB_CTX*, const char*, const char*);
EVP_MD* __wrap_EVP_MD_fetch(OSSL_LIB_CTX* library, const char* name, const char* properties) {
  return faults::object(Function::EVP_MD_fetch, [&] { return __real_EVP_MD_fetch(library, name, properties); });
}

EVP_CIPHER* __real_EVP_CIPHER_fetch(OSSL_LIB_CTX*, const char*, const char*);
EVP_CIPHER* __wrap_EVP_CIPHER_fetch(OSSL_LIB_CTX* library, const char* name, const char* properties) {
  return faults::object(Function::EVP_CIPHER_fetch, [&] { return __real_EVP_CIPHER_fetch(library, name, properties); });
}

EVP_MD_CTX* __real_EVP_MD_CTX_new();
EVP_MD_CTX* __wrap_EVP_MD_CTX_new() {
  return faults::object(Function::EVP_MD_CTX_new, [] { return __real_EVP_MD_CTX_new(); });
}

int __real_EVP_DigestInit_ex2(EVP_MD_CTX*, const EVP_MD*, const OSSL_PARAM*);
int __wrap_EVP_DigestInit_ex2(EVP_MD_CTX* context, const EVP_MD* type, const OSSL_PARAM* params) {
  return faults::one_on_success(Function::EVP_DigestInit_ex2,
                                [&] { return __real_EVP_DigestInit_ex2(context, type, params); });
}

int __real_EVP_DigestUpdate(EVP_MD_CTX*, const void*, size_t);
int __wrap_EVP_DigestUpdate(EVP_MD_CTX* context, const void* data, size_t size) {
  return faults::one_on_success(Function::EVP_DigestUpdate,
                                [&] { return __real_EVP_DigestUpdate(context, data, size); });
}

int __real_EVP_DigestFinal_ex(EVP_MD_CTX*, unsigned char*, unsigned*);
int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX* context, unsigned char* digest, unsigned* size) {
  return faults::one_on_success(Function::EVP_DigestFinal_ex,
                                [&] { return __real_EVP_DigestFinal_ex(context, digest, size); });
}

EVP_CIPHER_CTX* __real_EVP_CIPHER_CTX_new();
EVP_CIPHER_CTX* __wrap_EVP_CIPHER_CTX_new() {
  return faults::object(Function::EVP_CIPHER_CTX_new, [] { return __real_EVP_CIPHER_CTX_new(); });
}

int __real_EVP_DecryptInit_ex2(EVP_CIPHER_CTX*, const EVP_CIPHER*, const unsigned char*, const unsigned char*,
                               const OSSL_PARAM*);
int __wrap_EVP_DecryptInit_ex2(EVP_CIPHER_CTX* context, const EVP_CIPHER* type, const unsigned char* key,
                               const unsigned char* iv, const OSSL_PARAM* params) {
  return faults::one_on_success(Function::EVP_DecryptInit_ex2,
                                [&] { return __real_EVP_DecryptInit_ex2(context, type, key, iv, params); });
}

int __real_EVP_EncryptInit_ex2(EVP_CIPHER_CTX*, const EVP_CIPHER*, const unsigned char*, const unsigned char*,
                               const OSSL_PARAM*);
int __wrap_EVP_EncryptInit_ex2(EVP_CIPHER_CTX* context, const EVP_CIPHER* type, const unsigned char* key,
                               const unsigned char* iv, const OSSL_PARAM* params) {
  return faults::one_on_success(Function::EVP_EncryptInit_ex2,
                                [&] { return __real_EVP_EncryptInit_ex2(context, type, key, iv, params); });
}

int __real_EVP_CIPHER_CTX_set_padding(EVP_CIPHER_CTX*, int);
int __wrap_EVP_CIPHER_CTX_set_padding(EVP_CIPHER_CTX* context, int pad) {
  return faults::one_on_success(Function::EVP_CIPHER_CTX_set_padding,
                                [&] { return __real_EVP_CIPHER_CTX_set_padding(context, pad); });
}

int __real_EVP_DecryptUpdate(EVP_CIPHER_CTX*, unsigned char*, int*, const unsigned char*, int);
int __wrap_EVP_DecryptUpdate(EVP_CIPHER_CTX* context, unsigned char* out, int* written, const unsigned char* in,
                             int size) {
  return faults::one_on_success(Function::EVP_DecryptUpdate,
                                [&] { return __real_EVP_DecryptUpdate(context, out, written, in, size); });
}

int __real_EVP_EncryptUpdate(EVP_CIPHER_CTX*, unsigned char*, int*, const unsigned char*, int);
int __wrap_EVP_EncryptUpdate(EVP_CIPHER_CTX* context, unsigned char* out, int* written, const unsigned char* in,
                             int size) {
  return faults::one_on_success(Function::EVP_EncryptUpdate,
                                [&] { return __real_EVP_EncryptUpdate(context, out, written, in, size); });
}

int __real_RAND_bytes(unsigned char*, int);
int __wrap_RAND_bytes(unsigned char* out, int size) {
  return faults::one_on_success(Function::RAND_bytes, [&] { return __real_RAND_bytes(out, size); });
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
