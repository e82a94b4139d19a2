// Expected: no matching (function|constructor)
#include <dingcb/encryptor.hpp>

void make(const dingcb::Encryptor& made) {
#if defined(MISUSE)
  dingcb::Encryptor encryptor;
#else
  dingcb::Encryptor encryptor = made;
#endif
  static_cast<void>(encryptor);
}
