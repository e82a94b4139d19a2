// Expected: cannot convert|no viable conversion
#include <dingcb/encryptor.hpp>

bool accepted(const dingcb::Encryptor& encryptor, const dingcb::Push& push) {
#if defined(MISUSE)
  const bool ok = encryptor.verify(push);  // would also take a Result for a number
#else
  const bool ok = encryptor.verify(push).has_value();
#endif
  return ok;
}
