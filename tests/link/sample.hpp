// The push that the official docs print, opened and answered. It has internal linkage: each translation unit and each
// form has its own.
#pragma once

#include <dingcb/dingcb.hpp>

namespace {

bool open_and_answer_sample() {
  const auto encryptor = dingcb::Encryptor::create(
      dingcb::Credential{"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "docs"});
  if (!encryptor) return false;
  const auto opened = encryptor->decrypt(dingcb::Push{
      "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0", "1445827045067", "nEXhMP4r",
      "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUBmfxjZ8Ej23JVYa9VrYeJ"
      "5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSBdHlegK+AGGanfwjXuQ9+0pZcy0w9lQ=="});
  if (!opened || opened->plaintext.find("LPIdSnlF") == std::string::npos) return false;
  const auto reply = encryptor->encrypt_reply("success", *opened);
  return reply && encryptor->verify({reply->msg_signature, reply->timestamp, reply->nonce, reply->encrypt});
}

}  // namespace
