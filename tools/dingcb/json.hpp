// JSON in and out, by RapidJSON.
#pragma once

#include <rapidjson/document.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace command {

using JsonDocument = rapidjson::Document;
using JsonValue = rapidjson::Value;

/// Parses a text; HasParseError() tells whether it is JSON. Without recursion, so that depth does no harm.
JsonDocument parse_json(std::string_view text);

/// The text of a member; empty where there is none.
std::string_view text_in(const JsonValue& object, const char* key);
/// A member; null where there is none, or where `object` is no object.
const JsonValue* member_of(const JsonValue& object, const char* key);

std::string to_text(const JsonValue& value);
/// The same over several lines.
std::string to_pretty_text(const JsonValue& value);

bool is_utf8(std::string_view text);
std::string to_base64(std::string_view bytes);
std::string from_base64(std::string_view text);

/// Writes one object in one line.
class JsonLine {
 public:
  JsonLine() { writer_.StartObject(); }
  /// Text that is not UTF-8 becomes base64, under a key with `_base64` behind.
  JsonLine& text(const std::string& key, std::string_view value);
  JsonLine& number(const char* key, std::int64_t value);
  JsonLine& real(const char* key, double value);
  JsonLine& boolean(const char* key, bool value);
  /// A member whose value is a JSON text already.
  JsonLine& json(const char* key, std::string_view value);
  /// @return the object and a line break; call it once.
  std::string line();
  /// The same without a line break.
  std::string object();

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

}  // namespace command
