// Bodies of testkit.hpp.
#pragma once

#include <dingcb/detail/codec.hpp>
#include <dingcb/impl/testkit_samples.ipp>
#include <dingcb/impl/testkit_wire.ipp>
#include <dingcb/testkit.hpp>

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace testkit {
namespace wire {

/// What can be wrong with an answer. docs/errors.md lists the same.
struct Problem {
  std::string_view cause;
  std::string_view part;  // of the answer
  std::string_view text;  // `{}` stands for something that only the answer tells
};

inline constexpr Problem kProblems[] = {
    {"none", "reply", ""},
    {"redirected", "status",
     "the status is {}, a redirect, which DingTalk does not follow; register the final address"},
    {"status_not_200", "status",
     "the status is {}; DingTalk takes 200 with an encrypted reply for an answer and repeats the push otherwise"},
    {"body_empty", "body", "the body is empty; answer with the encrypted reply"},
    {"reply_not_encrypted", "body",
     "the body is the text of the reply itself; encrypt and sign it, and answer with msg_signature, timeStamp, nonce "
     "and encrypt"},
    {"event_echoed", "body", "the body is an event; encrypt the text `success`, not the event, and answer with that"},
    {"json_in_text", "body",
     "the body is a JSON text with the reply inside it; it was serialised twice, so send the reply as it is"},
    {"body_not_json", "body",
     "the body is no JSON object; answer with {\"msg_signature\":...,\"timeStamp\":...,\"nonce\":...,"
     "\"encrypt\":...}"},
    {"field_missing", "body", "the field \"{}\" is missing"},
    {"field_misnamed", "body", "the field is misnamed: DingTalk wants {}"},
    {"field_not_text", "body", "the field \"{}\" is no text; put its value in quotes"},
    {"field_empty", "body", "the field \"{}\" is empty"},
    {"signature_upper_case", "msg_signature", "msg_signature is right but for its case; write hex in lower case"},
    {"signature_unsorted", "msg_signature",
     "msg_signature is over the right texts in a wrong order; sort token, timeStamp, nonce and encrypt by their bytes "
     "before they are joined"},
    {"signature_wrong", "msg_signature",
     "msg_signature is wrong; sign the token of this app and the timeStamp, nonce and encrypt of the reply, not of the "
     "push, sorted, with SHA-1"},
    {"encrypt_line_breaks", "encrypt", "encrypt has line breaks; encode base64 in one line"},
    {"encrypt_url_safe", "encrypt",
     "encrypt is base64 in the alphabet for addresses; use the one with `+` and `/`, and padding"},
    {"encrypt_not_base64", "encrypt", "encrypt is no base64 with padding; encode the ciphertext, and once only"},
    {"ciphertext_size", "encrypt", "the ciphertext is no multiple of 16 bytes; encrypt with AES-256-CBC, padded to 32"},
    {"aes_key_wrong", "encrypt",
     "encrypt does not decrypt; encrypt with AES-256-CBC, the EncodingAESKey of this app (decoded: 32 bytes) and its "
     "first 16 bytes as IV"},
    {"padding_wrong", "encrypt",
     "the padding is wrong; append 1 to 32 bytes that all have their number as value, also where the length is a "
     "multiple of 32 without them"},
    {"envelope_missing", "encrypt",
     "the text stands alone; put 16 random bytes and its length in 4 bytes, highest first, before it, and the owner "
     "key behind it"},
    {"length_wrong", "encrypt",
     "the length field is wrong; it is the number of bytes of the text alone, in 4 bytes, highest first, behind 16 "
     "random bytes"},
    {"owner_key_missing", "encrypt", "no owner key stands behind the text; append the one that the push had"},
    {"owner_key_wrong", "encrypt", "another owner key is sealed than in the push; append the one that the push had"},
    {"plaintext_wrong", "plaintext", "the reply decrypts to another text than `{}`"},
};

inline Judgement& find(Judgement& judgement, std::string_view cause, std::string_view detail = {}) {
  const auto* const problem = std::find_if(std::begin(kProblems), std::end(kProblems),
                                           [cause](const Problem& one) { return one.cause == cause; });
  judgement.cause = problem->cause;
  judgement.problem = problem->text;
  if (const std::size_t gap = judgement.problem.find("{}"); gap != std::string::npos) {
    judgement.problem.replace(gap, 2, detail);
  }
  judgement.accepted = problem == kProblems;
  return judgement;
}

/// A field of a reply: its names, the best first, and what names look like that were meant for it.
struct Field {
  std::string_view name;
  std::string_view other_name;
  std::string_view also_meant;
};
inline constexpr Field kFields[] = {{"msg_signature", "", "signature"},
                                    {"timeStamp", "timestamp", ""},
                                    {"nonce", "", ""},
                                    {"encrypt", "", "msgencrypt"}};

/// Small letters and digits only, so that `MsgSignature` and `msg_signature` are the same.
inline std::string simplified(std::string_view name) {
  std::string simple;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') simple += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) simple += c;
  }
  return simple;
}

/// Finds a member of the reply that was meant for the field.
inline Json meant_for(const Field& field, Json reply) {
  for (const Json member : reply) {
    const std::string name = simplified(member.key());
    if (name == simplified(field.name) || name == field.also_meant) return member;
  }
  return Json();
}

/// Reads the four texts of a reply. @return whether they are there; `judgement` says why not.
inline bool read_reply(Json root, std::array<std::string_view, 4>& texts, Judgement& judgement) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Field& field = kFields[i];
    Json value = root[field.name];
    if (!value.exists() && !field.other_name.empty()) value = root[field.other_name];
    if (!value.exists()) {
      const Json meant = meant_for(field, root);
      if (meant.exists()) {
        find(judgement, "field_misnamed",
             '"' + std::string(field.name) + "\", not \"" + std::string(meant.key()) + '"');
      } else {
        find(judgement, "field_missing", field.name);
      }
      return false;
    }
    if (!value.is_string() || value.as_text().empty()) {
      find(judgement, value.is_string() ? "field_empty" : "field_not_text", field.name);
      return false;
    }
    texts[i] = value.as_text();
  }
  return true;
}

/// Says what a body is that is no reply.
inline std::string_view other_body(std::string_view body, Json root, std::string_view expected) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "body_empty";
  if (root.is_string()) {
    const auto inside = dingcb::detail::JsonDocument::parse(std::string(root.as_text()));
    if (inside && (*inside)->root().is_object()) return "json_in_text";
  }
  const std::string_view text = body.substr(first, body.find_last_not_of(" \t\r\n") + 1 - first);
  return text == expected || (root.is_string() && root.as_text() == expected) ? "reply_not_encrypted" : "body_not_json";
}

inline std::string_view wrong_signature(Parts parts, std::string_view signature) {
  const std::string right = digest(parts);
  if (simplified(signature) == right) return "signature_upper_case";
  while (std::next_permutation(parts.begin(), parts.end())) {
    if (digest(parts) == signature) return "signature_unsorted";
  }
  return "signature_wrong";
}

inline std::string_view wrong_base64(std::string text) {
  if (text.find_first_of("\r\n") != std::string::npos) return "encrypt_line_breaks";
  if (text.find_first_of("-_") == std::string::npos) return "encrypt_not_base64";
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.resize((text.size() + 3) / 4 * 4, '=');
  return to_base64(from_base64(text)) == text ? "encrypt_url_safe" : "encrypt_not_base64";
}

/// Opens the ciphertext of a reply. @param message receives its text where it has one. @return what is wrong, or none.
inline std::string_view unseal(const Credential& credential, std::string_view owner_key, std::string_view encrypt,
                               std::string_view expected, std::string& message) {
  const std::string cipher = from_base64(encrypt);
  if (to_base64(cipher) != encrypt) return wrong_base64(std::string(encrypt));
  if (cipher.size() % 16 != 0) return "ciphertext_size";
  const std::string plain = aes(credential.aes_key, cipher, false);
  const std::size_t pad = padding_of(plain);
  const std::string_view content = std::string_view(plain).substr(0, plain.size() - pad);
  const std::size_t length = content.size() < 20 ? 0 : read_length(content.substr(16, 4));
  const bool fits = content.size() >= 20 && length <= content.size() - 20;
  const std::string_view sealed = fits ? content.substr(20 + length) : std::string_view();
  if (pad == 0) {
    // Where the owner key stands in its place, the key cannot be wrong.
    return fits && sealed.substr(0, owner_key.size()) == owner_key ? "padding_wrong" : "aes_key_wrong";
  }
  if (content.size() < 20 || (!expected.empty() && content.substr(0, expected.size()) == expected)) {
    return "envelope_missing";
  }
  const bool owned =
      content.size() >= 20 + owner_key.size() && content.substr(content.size() - owner_key.size()) == owner_key;
  // Of the wrong keys one in 256 gives what looks like padding, but no owner key behind it.
  if (!fits) return owned ? "length_wrong" : "aes_key_wrong";
  message = content.substr(20, length);
  if (sealed == owner_key) return "none";
  if (owned) return "length_wrong";
  return sealed.empty() ? "owner_key_missing" : "owner_key_wrong";
}

/// Gives the biz_type that the samples of an event have; 0 where none has.
inline std::int64_t biz_type_of(std::string_view type) {
  for (const Sample& sample : samples(type)) {
    if (sample.source != Source::sync_http) continue;
    const auto document = dingcb::detail::JsonDocument::parse(std::string(sample.json));
    if (const auto number = document ? (*document)->root()["biz_type"].as_int64() : std::nullopt) return *number;
  }
  return 0;
}

DINGCB_INLINE PushRow make_row(std::string body, std::string_view type, const EventHeader& header) {
  static constexpr std::string_view kType = "\"EventType\"";  // stands first
  PushRow row;
  row.gmt_modified_ms = header.gmt_modified_ms.value_or(header.born_ms.value_or(0));
  row.gmt_create_ms = header.born_ms.value_or(row.gmt_modified_ms);
  row.subscribe_id = header.subscribe_id;
  row.corp_id = header.corp_id;
  row.biz_id = header.biz_id;
  row.open_cursor = header.open_cursor.value_or(0);
  row.biz_data = std::move(body.replace(1, kType.size(), "\"syncAction\""));
  row.biz_type = header.biz_type ? *header.biz_type : biz_type_of(type);
  return row;
}

}  // namespace wire

DINGCB_INLINE Platform::Platform(Credential credential, Options options)
    : credential_(std::move(credential)), options_(std::move(options)) {
  Encryptor::create(credential_).value();
  if (options_.owner_key.empty()) options_.owner_key = credential_.owner_keys.front();
}

DINGCB_INLINE SignedPush Platform::push(std::string_view plaintext) const {
  wire::require(plaintext.size() < std::size_t{1} << 30, Errc::plaintext_too_long, "the plaintext is too long to push");
  std::array<unsigned char, 16 + 8> random{};
  const bool filled = options_.random != nullptr ? options_.random->fill(random.data(), random.size())
                                                 : RAND_bytes(random.data(), static_cast<int>(random.size())) == 1;
  wire::require(filled, Errc::random_failed, "there are no random bytes for nonce and prefix");
  std::string letters;
  for (const unsigned char byte : random) letters += wire::kLetters[byte % wire::kLetters.size()];
  const std::string nonce = options_.nonce.empty() ? letters.substr(16) : options_.nonce;
  std::string timestamp = options_.timestamp;
  if (timestamp.empty()) {
    using std::chrono::milliseconds;
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    timestamp =
        std::to_string(options_.clock != nullptr ? options_.clock->unix_ms()
                                                 : std::chrono::duration_cast<milliseconds>(since_epoch).count());
  }
  const std::string encrypt =
      wire::seal(credential_.aes_key, std::string_view(letters).substr(0, 16), plaintext, options_.owner_key);
  const std::string signature = wire::sign(credential_.token, timestamp, nonce, encrypt);
  return {(options_.msg_signature ? "msg_signature=" : "signature=") + signature +
              "&timestamp=" + wire::percent_encoded(timestamp) + "&nonce=" + wire::percent_encoded(nonce),
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
  if (status != 200) {
    return wire::find(judgement, status >= 300 && status < 400 ? "redirected" : "status_not_200",
                      std::to_string(status));
  }
  const auto document = dingcb::detail::JsonDocument::parse(std::string(body));
  const Json root = document ? (*document)->root() : Json();
  if (!root.is_object()) return wire::find(judgement, wire::other_body(body, root, expected));
  if (!root["encrypt"].exists() && (root["EventType"].exists() || root["syncAction"].exists())) {
    return wire::find(judgement, "event_echoed");
  }
  std::array<std::string_view, 4> texts;
  if (!wire::read_reply(root, texts, judgement)) return judgement;
  const auto [signature, timestamp, nonce, encrypt] = texts;
  const wire::Parts parts = wire::sorted(credential_.token, timestamp, nonce, encrypt);
  if (wire::digest(parts) != signature) return wire::find(judgement, wire::wrong_signature(parts, signature));
  const std::string_view cause = wire::unseal(credential_, options_.owner_key, encrypt, expected, judgement.plaintext);
  if (cause == "none" && judgement.plaintext != expected) return wire::find(judgement, "plaintext_wrong", expected);
  return wire::find(judgement, cause);
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
