// Expected: ignoring return.*nodiscard
#include <dingcb/encryptor.hpp>

void check(const dingcb::Encryptor& encryptor, const dingcb::Push& push) {
#if defined(MISUSE)
  encryptor.verify(push);
#else
  static_cast<void>(encryptor.verify(push));
#endif
}
