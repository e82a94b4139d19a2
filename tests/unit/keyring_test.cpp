// The public header comes first: in the header-only form it brings the bodies in, and in the right order.
#include <dingcb/encryptor.hpp>

#include <dingcb/impl/keyring.ipp>

#include "support/catch.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

using dingcb::Errc;
using dingcb::detail::AesKey;
using dingcb::detail::Identity;
using dingcb::detail::KeyEntry;
using dingcb::detail::Keyring;
using dingcb::detail::TokenEntry;

const std::string kFirst(43, 'a');
const std::string kSecond(43, 'b');

std::string bytes_of(const std::string& aes_key) {
  AesKey key;
  REQUIRE(dingcb::detail::decode_aes_key(aes_key, "it", key).code == Errc{});
  return {key.bytes.begin(), key.bytes.end()};
}

}  // namespace

TEST_CASE("decode_aes_key decodes the 32 bytes of a key and drops the spare bits") {
  const std::string zero(43, 'A');
  CHECK((bytes_of(zero) == std::string(32, '\0')));
  for (const char spare : {'B', 'C', 'D'}) CHECK((bytes_of(zero.substr(1) + spare) == std::string(32, '\0')));
  CHECK((bytes_of(zero.substr(1) + 'E') == std::string(31, '\0') + '\x01'));
  CHECK((bytes_of("B" + zero.substr(1)) == '\x04' + std::string(31, '\0')));
  // "0123...": six bits a character, 52 to 61 for the digits.
  CHECK((bytes_of("0000" + zero.substr(4)).substr(0, 3) == "\xd3\x4d\x34"));
}

TEST_CASE("Keyring groups credentials by token and by key, and links them") {
  const auto made = Keyring::make({{"one", kFirst, {"a"}, "A"},
                                   {"two", kFirst, {"b"}, "B"},
                                   {"one", kSecond, {"c", "d"}, "C"},
                                   {"one", kFirst, {"e"}, "E"}});
  REQUIRE(made);
  const Keyring& keyring = **made;
  const std::vector<TokenEntry>& tokens = keyring.tokens();
  REQUIRE(tokens.size() == 2);
  CHECK((std::string_view(tokens[0].token) == "one"));
  CHECK((std::string_view(tokens[1].token) == "two"));
  REQUIRE(tokens[0].keys.size() == 2);
  REQUIRE(tokens[1].keys.size() == 1);
  CHECK(tokens[0].keys[0].identities.size() == 2);
  CHECK(tokens[0].keys[1].identities.size() == 2);
  CHECK(tokens[1].keys[0].identities.size() == 1);
  CHECK(tokens[0].keys[0].identities[1].label == "E");
  CHECK(tokens[0].keys[1].identities[1].owner_key == "d");
  CHECK(tokens[0].keys[1].identities[1].label == "C");

  std::set<std::size_t> indices;
  for (const TokenEntry& token : tokens) {
    for (const KeyEntry& key : token.keys) {
      indices.insert(key.index);
      for (const Identity& identity : key.identities) {
        CHECK(identity.keyring == &keyring);
        CHECK(identity.token == &token);
        CHECK(identity.key == &key);
      }
    }
  }
  CHECK(indices == std::set<std::size_t>{0, 1, 2});
}

TEST_CASE("Keyring tells tokens apart that begin alike") {
  const auto made = Keyring::make({{"abc", kFirst, {"a"}, ""}, {"abcd", kFirst, {"a"}, ""}, {"ab", kFirst, {"a"}, ""}});
  REQUIRE(made);
  CHECK((*made)->tokens().size() == 3);
}
