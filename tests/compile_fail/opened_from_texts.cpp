// Expected: no matching|could not convert|no viable
#include <dingcb/encryptor.hpp>

dingcb::Opened make() {
#if defined(MISUSE)
  return {"plaintext", "owner key", "label"};  // a reply could not be sealed for it
#else
  return {};
#endif
}
