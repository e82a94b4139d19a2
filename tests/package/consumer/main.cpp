// Opens the push that the official docs print.
#include <dingcb/dingcb.hpp>

#include <cstdio>

int main() {
  const auto encryptor = dingcb::Encryptor::create(
      dingcb::Credential{"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "docs"});
  if (!encryptor) return 1;
  const auto opened = encryptor->decrypt(dingcb::Push{
      "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0", "1445827045067", "nEXhMP4r",
      "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUBmfxjZ8Ej23JVYa9VrYeJ"
      "5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSBdHlegK+AGGanfwjXuQ9+0pZcy0w9lQ=="});
  if (!opened) return 2;
  std::puts(opened->plaintext.c_str());
  return 0;
}
