#include "parent.hpp"

dingcb::Result<dingcb::Encryptor> make_encryptor() {
  return dingcb::Encryptor::create(
      dingcb::Credential{"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "docs"});
}
