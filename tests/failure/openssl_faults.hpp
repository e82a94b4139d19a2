// Makes OpenSSL fail on demand: the program is linked with -Wl,--wrap for every function that dingcb calls and that can
// fail. Calls of other code (the tests' own, in support/platform.hpp) go through here too, but unarmed.
#pragma once

#include <array>
#include <cstddef>

namespace faults {

enum class Function {
  EVP_MD_fetch,
  EVP_CIPHER_fetch,
  EVP_MD_CTX_new,
  EVP_DigestInit_ex2,
  EVP_DigestUpdate,
  EVP_DigestFinal_ex,
  EVP_CIPHER_CTX_new,
  EVP_DecryptInit_ex2,
  EVP_EncryptInit_ex2,
  EVP_CIPHER_CTX_set_padding,
  EVP_DecryptUpdate,
  EVP_EncryptUpdate,
  RAND_bytes,
  count
};

constexpr std::size_t kFunctions = static_cast<std::size_t>(Function::count);

enum class Way {
  at_once,     // fails without having done anything
  afterwards,  // does all of its work, and then reports a failure
};

using Counts = std::array<int, kFunctions>;

/// Counts the calls of each function while it lives, and lets call number `nth` (from 1) of one function fail.
class Watch {
 public:
  Watch();
  Watch(Function function, int nth, Way way);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch();

  const Counts& calls() const { return calls_; }
  bool failed() const { return failed_; }

  /// Asked by each wrapper: does this call fail, and how?
  bool strikes(Function function, Way& way);

 private:
  Counts calls_{};
  Function function_ = Function::count;
  int nth_ = 0;
  Way way_ = Way::at_once;
  bool failed_ = false;
};

}  // namespace faults
