#include "json.hpp"

#include <openssl/evp.h>
#include <rapidjson/memorystream.h>

#include <algorithm>

namespace command {

JsonDocument parse_json(std::string_view text) {
  JsonDocument document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  return document;
}

const JsonValue* member_of(const JsonValue& object, const char* key) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(key);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

std::string_view text_in(const JsonValue& object, const char* key) {
  const JsonValue* const value = member_of(object, key);
  if (value == nullptr || !value->IsString()) return {};
  return {value->GetString(), value->GetStringLength()};
}

std::string to_text(const JsonValue& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string to_pretty_text(const JsonValue& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 2);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

bool is_utf8(std::string_view text) {
  rapidjson::MemoryStream in(text.data(), text.size());
  rapidjson::StringBuffer out;
  while (in.Tell() < text.size()) {
    if (!rapidjson::UTF8<>::Validate(in, out)) return false;
  }
  return in.Tell() == text.size();
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 1, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  // OpenSSL counts the padding in.
  const auto padding = static_cast<std::size_t>(std::count(text.begin(), text.end(), '='));
  bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size) - std::min(padding, static_cast<std::size_t>(size)));
  return bytes;
}

JsonLine& JsonLine::text(const std::string& key, std::string_view value) {
  if (!is_utf8(value)) return text(key + "_base64", to_base64(value));
  writer_.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
  writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  return *this;
}

JsonLine& JsonLine::number(const char* key, std::int64_t value) {
  writer_.Key(key);
  writer_.Int64(value);
  return *this;
}

JsonLine& JsonLine::real(const char* key, double value) {
  writer_.Key(key);
  writer_.Double(value);
  return *this;
}

JsonLine& JsonLine::boolean(const char* key, bool value) {
  writer_.Key(key);
  writer_.Bool(value);
  return *this;
}

JsonLine& JsonLine::json(const char* key, std::string_view value) {
  writer_.Key(key);
  writer_.RawValue(value.data(), value.size(), rapidjson::kObjectType);
  return *this;
}

std::string JsonLine::object() {
  writer_.EndObject();
  return {buffer_.GetString(), buffer_.GetSize()};
}

std::string JsonLine::line() { return object() + '\n'; }

}  // namespace command
