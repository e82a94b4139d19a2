// Bodies of testkit.hpp.
#pragma once

#include <dingcb/detail/codec.hpp>
#include <dingcb/impl/testkit_samples.ipp>
#include <dingcb/testkit.hpp>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace testkit {

// The protocol on OpenSSL's plain calls, for the length of what tests send.
namespace wire {

inline const unsigned char* bytes(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* bytes(std::string& text) noexcept { return reinterpret_cast<unsigned char*>(text.data()); }

[[noreturn]] inline void fail(Errc code, const char* what) {
  dingcb::detail::throw_exception(Error{code, Message(std::string("dingcb::testkit: ") + what), nullptr});
}

inline std::string to_base64(std::string_view raw) {
  std::string text((raw.size() + 2) / 3 * 4 + 1, '\0');
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(bytes(text), bytes(raw), static_cast<int>(raw.size()))));
  return text;
}

/// Decodes strict base64 in one line. @return false for anything else.
inline bool from_base64(std::string_view text, std::string& raw) {
  raw.assign(text.size() / 4 * 3 + 4, '\0');
  const int size = EVP_DecodeBlock(bytes(raw), bytes(text), static_cast<int>(text.size()));
  if (size < 0) return false;
  raw.resize(static_cast<std::size_t>(size));
  for (std::size_t i = text.size(); i-- > 0 && text[i] == '=' && !raw.empty();) raw.pop_back();
  return to_base64(raw) == text;  // OpenSSL takes `=` and white space where none may stand
}

inline std::string sign(std::string_view token, std::string_view timestamp, std::string_view nonce,
                        std::string_view encrypt) {
  std::array<std::string_view, 4> parts{token, timestamp, nonce, encrypt};
  std::sort(parts.begin(), parts.end());
  std::string text;
  for (const std::string_view part : parts) text += part;
  std::array<unsigned char, 20> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) != 1) {
    fail(Errc::signature_failed, "OpenSSL could not compute SHA-1");
  }
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte / 16];
    hex += "0123456789abcdef"[byte % 16];
  }
  return hex;
}

/// AES-256-CBC without padding. @param text a multiple of 16 bytes.
inline std::string aes(const std::string& aes_key, std::string_view text, bool encrypt) {
  // Not from_base64(): the last character of a key may have bits to spare.
  std::string key(36, '\0');
  EVP_DecodeBlock(bytes(key), bytes(aes_key + "="), 44);
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string out(text.size() + 16, '\0');
  int size = 0;
  const bool done =
      context != nullptr &&
      EVP_CipherInit_ex(context.get(), EVP_aes_256_cbc(), nullptr, bytes(key), bytes(key), encrypt ? 1 : 0) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_CipherUpdate(context.get(), bytes(out), &size, bytes(text), static_cast<int>(text.size())) == 1;
  if (!done) fail(encrypt ? Errc::encryption_failed : Errc::decryption_failed, "OpenSSL could not run AES-256-CBC");
  out.resize(text.size());
  return out;
}

inline std::string seal(const Credential& credential, std::string_view prefix, std::string_view plaintext) {
  std::string padded(prefix);
  for (int shift = 24; shift >= 0; shift -= 8) padded += static_cast<char>(plaintext.size() >> shift & 0xFF);
  padded.append(plaintext).append(credential.owner_keys.front());
  const std::size_t pad = 32 - padded.size() % 32;
  padded.append(pad, static_cast<char>(pad));
  return to_base64(aes(credential.aes_key, padded, true));
}

/// Opens what seal() made. @return what is wrong with it; empty where nothing is.
inline std::string unseal(const Credential& credential, std::string_view encrypt, std::string& plaintext) {
  std::string cipher;
  if (encrypt.find_first_of("\r\n") != std::string_view::npos) {
    return "`encrypt` has line breaks; encode base64 in one line";
  }
  if (!from_base64(encrypt, cipher))
    return "`encrypt` is not base64 with padding; encode the ciphertext, and only once";
  if (cipher.empty() || cipher.size() % 16 != 0) {
    return "the ciphertext is no multiple of 16 bytes; encrypt with AES-256-CBC, padded to 32";
  }
  std::string plain = aes(credential.aes_key, cipher, false);
  const auto pad = static_cast<std::size_t>(static_cast<unsigned char>(plain.back()));
  if (pad < 1 || pad > 32 || plain.size() < 20 + pad) {
    return "the padding is wrong; encrypt with this app's EncodingAESKey, its first 16 bytes as IV, and pad with 1 to "
           "32 "
           "bytes of that value";
  }
  if (plain.find_first_not_of(static_cast<char>(pad), plain.size() - pad) != std::string::npos) {
    return "the padding is wrong; pad with 1 to 32 bytes that all have the number of them as value";
  }
  plain.resize(plain.size() - pad);
  std::size_t length = 0;
  for (std::size_t i = 16; i < 20; ++i) length = length * 256 + static_cast<unsigned char>(plain[i]);
  if (length > plain.size() - 20) {
    return "the length field is wrong; put 16 random bytes and the length of the text in 4 bytes, highest first, "
           "before it";
  }
  plaintext = plain.substr(20, length);
  const std::string owner_key = plain.substr(20 + length);
  if (owner_key == credential.owner_keys.front()) return {};
  if (owner_key.empty()) return "no owner key is sealed behind the text; append the one of the push";
  return "another owner key is sealed than the one of the push; append the one that the push had";
}

inline Json member(Json object, std::string_view first, std::string_view second = {}) noexcept {
  const Json value = object[first];
  return value.exists() || second.empty() ? value : object[second];
}

}  // namespace wire

DINGCB_INLINE Platform::Platform(Credential credential, Options options)
    : credential_(std::move(credential)), options_(std::move(options)) {
  Encryptor::create(credential_).value();
}

DINGCB_INLINE SignedPush Platform::push(std::string_view plaintext) const {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  std::array<unsigned char, 16 + 8> random{};
  const bool filled = options_.random != nullptr ? options_.random->fill(random.data(), random.size())
                                                 : RAND_bytes(random.data(), static_cast<int>(random.size())) == 1;
  if (!filled) wire::fail(Errc::random_failed, "there are no random bytes");
  std::string letters;
  for (const unsigned char byte : random) letters += kLetters[byte % kLetters.size()];
  const std::string nonce = letters.substr(16);
  const std::int64_t now =
      options_.clock != nullptr
          ? options_.clock->unix_ms()
          : std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
                .count();
  const std::string timestamp = std::to_string(now);
  const std::string encrypt = wire::seal(credential_, std::string_view(letters).substr(0, 16), plaintext);
  const std::string signature = wire::sign(credential_.token, timestamp, nonce, encrypt);
  return {(options_.msg_signature ? "msg_signature=" : "signature=") + signature + "&timestamp=" + timestamp +
              "&nonce=" + nonce,
          "{\"encrypt\":\"" + encrypt + "\"}"};
}

DINGCB_INLINE SignedPush Platform::push_rows(const std::vector<PushRow>& rows, bool high) const {
  dingcb::detail::JsonWriter writer;
  writer.begin_object();
  writer.key("EventType");
  writer.text(high ? "SYNC_HTTP_PUSH_HIGH" : "SYNC_HTTP_PUSH_MEDIUM");
  writer.key("bizData");
  writer.begin_array();
  for (const PushRow& row : rows) {
    const auto number = [&writer](const char* key, std::int64_t value) {
      writer.key(key);
      writer.number(value);
    };
    const auto text = [&writer](const char* key, const std::string& value) {
      writer.key(key);
      writer.text(value);
    };
    writer.begin_object();
    number("gmt_create", row.gmt_create_ms);
    number("biz_type", row.biz_type);
    number("open_cursor", row.open_cursor);
    text("subscribe_id", row.subscribe_id);
    number("id", row.id);
    number("gmt_modified", row.gmt_modified_ms);
    text("biz_id", row.biz_id);
    text("biz_data", row.biz_data);
    text("corp_id", row.corp_id);
    number("status", row.status);
    writer.end_object();
  }
  writer.end_array();
  writer.end_object();
  return push(writer.take());
}

DINGCB_INLINE Judgement Platform::judge(int status, std::string_view body, std::string_view expected) const {
  Judgement judgement;
  const auto problem = [&judgement](std::string text) {
    judgement.problem = std::move(text);
    return judgement;
  };
  if (status >= 300 && status < 400) {
    return problem("the answer is a redirect, which DingTalk refuses; register the final address");
  }
  if (status != 200) return problem("the status is " + std::to_string(status) + "; DingTalk repeats the push");
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return problem("the body is empty; answer with the encrypted reply");
  }
  const auto document = dingcb::detail::JsonDocument::parse(std::string(body));
  if (!document || !(*document)->root().is_object()) {
    return problem(
        "the body is no JSON object; answer with msg_signature, timeStamp, nonce and encrypt, not with the "
        "plaintext");
  }
  const Json root = (*document)->root();
  const Json signature = wire::member(root, "msg_signature");
  const Json timestamp = wire::member(root, "timeStamp", "timestamp");
  const Json nonce = wire::member(root, "nonce");
  const Json encrypt = wire::member(root, "encrypt");
  const std::pair<const char*, Json> fields[] = {
      {"msg_signature", signature}, {"timeStamp", timestamp}, {"nonce", nonce}, {"encrypt", encrypt}};
  for (const auto& [name, value] : fields) {
    if (!value.exists()) return problem(std::string("the field \"") + name + "\" is missing");
    if (!value.is_string()) return problem(std::string("the field \"") + name + "\" is no text; put it in quotes");
    if (value.as_text().empty()) return problem(std::string("the field \"") + name + "\" is empty");
  }
  if (wire::sign(credential_.token, timestamp.as_text(), nonce.as_text(), encrypt.as_text()) != signature.as_text()) {
    return problem(
        "msg_signature is wrong; sign token, timeStamp, nonce and encrypt of the reply itself, sorted, with "
        "SHA-1, in lower case");
  }
  if (std::string what = wire::unseal(credential_, encrypt.as_text(), judgement.plaintext); !what.empty()) {
    return problem(std::move(what));
  }
  if (judgement.plaintext != expected)
    return problem("the reply decrypts to another text than `" + std::string(expected) + '`');
  judgement.accepted = true;
  return judgement;
}

DINGCB_INLINE std::vector<Sample> samples(std::string_view type) {
  std::vector<Sample> found;
  for (const Sample& sample : wire::kSamples) {
    if (type.empty() || sample.type == type) found.push_back(sample);
  }
  return found;
}

DINGCB_INLINE std::string plaintext_of(const Sample& sample) {
  if (sample.source == Source::http) return std::string(sample.json);
  const auto document = dingcb::detail::JsonDocument::parse(std::string(sample.json));
  if (!document) return std::string(sample.json);
  const Json root = (*document)->root();
  dingcb::detail::JsonWriter writer;
  writer.begin_object();
  writer.key("EventType");
  if (sample.source == Source::stream) {
    // Unlike the struct of the event, its JSON has every key of the page.
    const std::pair<const char*, const char*> header[] = {
        {"eventCorpId", "CorpId"}, {"eventId", "eventId"}, {"eventBornTime", "EventTime"}};
    writer.text(sample.type);
    for (const auto& [from, to] : header) {
      if (!root[from].exists()) continue;
      writer.key(to);
      root[from].is_number() ? writer.raw(root[from].raw()) : writer.text(root[from].as_text());
    }
    for (const Json field : root["data"]) {
      writer.key(field.key());
      field.is_string() ? writer.text(field.as_text()) : writer.raw(field.raw());
    }
  } else if (root["bizData"].exists()) {
    return std::string(sample.json);
  } else {
    writer.text("SYNC_HTTP_PUSH_HIGH");
    writer.key("bizData");
    writer.begin_array();
    writer.begin_object();
    for (const Json column : root) {
      writer.key(column.key());
      // Real rows have text where the pages print an object.
      if (column.is_object()) {
        writer.text(column.raw());
      } else {
        column.is_string() ? writer.text(column.as_text()) : writer.raw(column.raw());
      }
    }
    writer.end_object();
    writer.end_array();
  }
  writer.end_object();
  return writer.take();
}

}  // namespace testkit
DINGCB_NAMESPACE_END
