// Expected: private
#include <dingcb/encryptor.hpp>

#include <memory>
#include <utility>

dingcb::Result<dingcb::Encryptor> make(dingcb::Credential credential) {
#if defined(MISUSE)
  static_cast<void>(credential);
  return dingcb::Encryptor(std::shared_ptr<dingcb::detail::Engine>());
#else
  return dingcb::Encryptor::create(std::move(credential));
#endif
}
