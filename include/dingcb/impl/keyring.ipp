// The credentials as calls need them: checked, decoded, grouped by token and then by AES key.
#pragma once

#include <dingcb/encryptor.hpp>
#include <dingcb/impl/aes.ipp>
#include <dingcb/impl/guard.ipp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

class Keyring;
struct KeyEntry;
struct TokenEntry;

/// One owner key of one credential: what a push was opened with, and what its reply is sealed with.
struct Identity {
  const Keyring* keyring;
  const TokenEntry* token;
  const KeyEntry* key;
  std::string owner_key;
  std::string label;
};

/// An AES key and everybody who uses it under one token.
struct KeyEntry {
  AesKey key;
  std::size_t index;  // among all keys of the keyring
  std::vector<Identity> identities;
};

/// A token, and the keys that may open what it signed. Apps often share a token, so there may be several.
struct TokenEntry {
  explicit TokenEntry(std::string_view text) : token(text) {}
  Secret token;
  std::vector<KeyEntry> keys;
};

inline void wipe(Credential& credential) noexcept {
  wipe(credential.token);
  wipe(credential.aes_key);
}

/// Wipes credentials at the end of the call that was given them, whatever way it ends.
class WipeAtExit {
 public:
  explicit WipeAtExit(std::vector<Credential>& credentials) noexcept : credentials_(credentials) {}
  WipeAtExit(const WipeAtExit&) = delete;
  WipeAtExit& operator=(const WipeAtExit&) = delete;
  ~WipeAtExit() {
    for (Credential& credential : credentials_) wipe(credential);
  }

 private:
  std::vector<Credential>& credentials_;
};

/// Decodes an EncodingAESKey. Its 43 characters carry 258 bits; DingTalk makes keys whose two spare bits are not zero,
/// so they are dropped unseen.
inline Error decode_aes_key(std::string_view text, const std::string& name, AesKey& out) {
  // Characters, not bytes: 43 characters of which one is not ASCII have the right length and a wrong character.
  const auto length =
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  if (length != 43) {
    return fail(
        Errc::aes_key_length,
        "error 900004: aes_key of " + name + " has " + std::to_string(length) +
            " characters instead of 43; copy the EncodingAESKey from the developer console, without \"=\" or spaces");
  }
  unsigned bits = 0;
  unsigned count = 0;
  std::size_t written = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    unsigned value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<unsigned>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<unsigned>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<unsigned>(c - '0') + 52;
    } else {
      return fail(Errc::aes_key_charset,
                  "error 900004: character " + std::to_string(i + 1) + " of aes_key of " + name +
                      " is no letter or digit; copy the EncodingAESKey from the developer console");
    }
    bits = bits << 6 | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.bytes[written++] = static_cast<unsigned char>(bits >> count);
    }
  }
  return Error{};
}

/// An immutable set of credentials. Identities point into it, so it never moves: it lives behind a shared_ptr.
class Keyring {
 public:
  static Result<std::shared_ptr<const Keyring>> make(const std::vector<Credential>& credentials) {
    if (credentials.empty()) {
      return fail(Errc::credential_missing, "no credential was given; an Encryptor needs at least one");
    }
    auto keyring = std::make_shared<Keyring>();
    for (std::size_t i = 0; i < credentials.size(); ++i) {
      Error error = keyring->add(credentials[i], name_of(credentials[i], i));
      if (error.code != Errc{}) return error;
    }
    keyring->link();
    return std::shared_ptr<const Keyring>(std::move(keyring));
  }

  const std::vector<TokenEntry>& tokens() const noexcept { return tokens_; }

 private:
  static std::string name_of(const Credential& credential, std::size_t index) {
    return credential.label.empty() ? "credential " + std::to_string(index + 1)
                                    : "credential \"" + credential.label + '"';
  }

  Error add(const Credential& credential, const std::string& name) {
    if (credential.token.empty()) {
      return fail(Errc::token_missing, "token of " + name + " is empty; copy it from the developer console");
    }
    if (credential.owner_keys.empty() || std::find(credential.owner_keys.begin(), credential.owner_keys.end(),
                                                   std::string()) != credential.owner_keys.end()) {
      return fail(
          Errc::owner_key_missing,
          "owner_keys of " + name +
              " is empty or holds an empty text; give the AppKey (Client ID) of an internal app, the CorpId where "
              "the callback was registered through the API, or the SuiteKey of a third-party app");
    }
    AesKey key;
    Error error = decode_aes_key(credential.aes_key, name, key);
    if (error.code != Errc{}) return error;

    std::vector<Identity>& identities = entry(entry(credential.token), key).identities;
    for (std::size_t i = 0; i < credential.owner_keys.size(); ++i) {
      const std::string& owner_key = credential.owner_keys[i];
      const auto first = credential.owner_keys.begin();
      if (std::find(first, first + static_cast<std::ptrdiff_t>(i), owner_key) !=
          first + static_cast<std::ptrdiff_t>(i)) {
        continue;  // the same twice in one credential says nothing new
      }
      for (const Identity& other : identities) {
        if (other.owner_key == owner_key) {
          return fail(Errc::credential_duplicate, name + " has the token, the aes_key and the owner key " +
                                                      mask(owner_key) +
                                                      " of an earlier credential; remove one of the two");
        }
      }
      identities.push_back({this, nullptr, nullptr, owner_key, credential.label});
    }
    return Error{};
  }

  TokenEntry& entry(std::string_view token) {
    for (TokenEntry& known : tokens_) {
      if (known.token == token) return known;
    }
    return tokens_.emplace_back(token);
  }

  static KeyEntry& entry(TokenEntry& token, const AesKey& key) {
    for (KeyEntry& known : token.keys) {
      if (known.key.bytes == key.bytes) return known;
    }
    token.keys.push_back({key, 0, {}});
    return token.keys.back();
  }

  // Only now: while credentials were added, the vectors moved.
  void link() noexcept {
    std::size_t keys = 0;
    for (TokenEntry& token : tokens_) {
      for (KeyEntry& key : token.keys) {
        key.index = keys++;
        for (Identity& identity : key.identities) {
          identity.token = &token;
          identity.key = &key;
        }
      }
    }
  }

  std::vector<TokenEntry> tokens_;
};

}  // namespace detail
DINGCB_NAMESPACE_END
