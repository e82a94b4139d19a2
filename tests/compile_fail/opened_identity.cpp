// Expected: private
#include <dingcb/encryptor.hpp>

const void* look(const dingcb::Opened& opened) {
#if defined(MISUSE)
  return opened.identity_.get();
#else
  return opened.plaintext.data();
#endif
}
