#include <parent.hpp>

#include <cstdio>

int main() {
  const auto encryptor = make_encryptor();
  if (!encryptor) return 1;
  const auto verified = encryptor->verify(dingcb::Push{"0000000000000000000000000000000000000000", "1", "n", "AAAA"});
  if (verified.has_value() || dingcb::official_code(verified.error().code) != 900005) return 2;
  std::puts("LPIdSnlF");
  return 0;
}
