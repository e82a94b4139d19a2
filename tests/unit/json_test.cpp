#include <dingcb/detail/json.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::Errc;
using dingcb::Json;
using dingcb::JsonType;
using dingcb::detail::JsonDocument;

using Document = std::shared_ptr<const JsonDocument>;

Document parse(std::string text) {
  auto document = JsonDocument::parse(std::move(text));
  INFO((document ? std::string_view() : std::string_view(document.error().message)));
  REQUIRE(document);
  return *document;
}

dingcb::Error refusal(std::string text) {
  const auto document = JsonDocument::parse(std::move(text));
  REQUIRE_FALSE(document);
  return document.error();
}

Errc code_of(std::string text) {
  const auto document = JsonDocument::parse(std::move(text));
  return document ? Errc{} : document.error().code;
}

std::string nested(std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

std::optional<std::int64_t> int64_of(const std::string& literal) {
  const Document number = parse("[" + literal + "]");
  const Document text = parse("[\"" + literal + "\"]");
  CHECK(number->root().at(0).as_int64() == text->root().at(0).as_int64());
  return number->root().at(0).as_int64();
}

std::optional<double> double_of(const std::string& literal) {
  const Document number = parse("[" + literal + "]");
  const Document text = parse("[\"" + literal + "\"]");
  CHECK(number->root().at(0).as_double() == text->root().at(0).as_double());
  return number->root().at(0).as_double();
}

}  // namespace

TEST_CASE("Json gives members and elements of every type") {
  const Document document = parse(
      R"( { "text" : "a\"b" , "number":-1.5e3,"yes":true,"no":false,"nothing":null,"list":[1,[],{ "x" : [ ] },"z"],"":7} )");
  const Json root = document->root();
  CHECK(root.is_object());
  CHECK(root.size() == 7);
  CHECK(root.key().empty());
  CHECK(root["text"].is_string());
  CHECK(root["text"].as_text() == "a\"b");
  CHECK(root["text"].key() == "text");
  CHECK(root["number"].is_number());
  CHECK(root["number"].as_text() == "-1.5e3");
  CHECK(root["yes"].is_bool());
  CHECK(root["yes"].as_text() == "true");
  CHECK(root["no"].as_text() == "false");
  CHECK(root["nothing"].exists());
  CHECK(root["nothing"].is_null());
  CHECK(root["nothing"].as_text().empty());
  CHECK(root[""].as_int64() == 7);

  const Json list = root["list"];
  CHECK(list.is_array());
  CHECK(list.size() == 4);
  CHECK(list.at(0).as_int64() == 1);
  CHECK(list.at(1).is_array());
  CHECK(list.at(1).size() == 0);
  CHECK(list.at(2)["x"].is_array());
  CHECK(list.at(3).as_text() == "z");
  CHECK_FALSE(list.at(4).exists());

  std::vector<std::string> keys;
  for (const Json member : root) keys.emplace_back(member.key());
  CHECK(keys == std::vector<std::string>{"text", "number", "yes", "no", "nothing", "list", ""});
  for (const Json element : list) CHECK(element.key().empty());
}

TEST_CASE("Json is absent, and harmless, where there is nothing") {
  const Document document = parse(R"({"a":{"b":1},"list":[1]})");
  const Json root = document->root();
  const std::vector<Json> absent{
      Json(),          root["x"],          root["x"]["y"].at(3)["z"], root["a"]["b"]["c"],  root["list"]["0"],
      root["a"].at(1), root["list"].at(1), JsonDocument().root(),     root["a"]["b"].at(0),
  };
  for (const Json json : absent) {
    CHECK_FALSE(json.exists());
    CHECK(json.type() == JsonType::null);
    CHECK_FALSE(json.is_null());
    CHECK(json.size() == 0);
    CHECK(json.begin() == json.end());
    CHECK(json.key().empty());
    CHECK(json.raw().empty());
    CHECK(json.as_text().empty());
    CHECK_FALSE(json.as_int64());
    CHECK_FALSE(json.as_double());
    CHECK_FALSE(json.as_bool());
  }
}

TEST_CASE("Json takes the last of members with one name, and compares names byte by byte") {
  const Document document = parse("{\"id\":1,\"ID\":2,\"id\":3,\"i\\u0064\":4,\"id\\u0000\":5}");
  CHECK(document->root()["id"].as_int64() == 4);
  CHECK(document->root()["ID"].as_int64() == 2);
  CHECK(document->root()[std::string_view("id\0", 3)].as_int64() == 5);
  CHECK(document->root().size() == 5);
}

TEST_CASE("Json::raw gives arrays and objects as they were received") {
  const std::string text =
      R"({"first":"\u8bf7\n","object": { "b" : [ 1 , "\u5047" ] , "a":{} },"number":1.50E+1,"text":"\u8bf7"})";
  const Document document = parse(text);
  const Json root = document->root();
  CHECK(document->source() == text);
  CHECK(root.raw() == text);
  CHECK(root["object"].raw() == R"({ "b" : [ 1 , "\u5047" ] , "a":{} })");
  CHECK(root["object"]["b"].raw() == R"([ 1 , "\u5047" ])");
  CHECK(root["object"]["a"].raw() == "{}");
  CHECK(root["number"].raw() == "1.50E+1");
  CHECK(root["text"].raw() == "\xE8\xAF\xB7");
  CHECK(root["object"]["b"].at(1).as_text() == "\xE5\x81\x87");
}

TEST_CASE("JsonDocument unescapes strings of every length") {
  const std::string all = R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u8bf7\ud83d\ude00\u0000.")";
  const std::string expected("\"\\/\b\f\n\r\tA\xC3\xA9\xE8\xAF\xB7\xF0\x9F\x98\x80\0.", 20);
  CHECK(parse(all)->root().as_text() == expected);
  // The vector code works on pieces of 16 bytes.
  for (std::size_t before = 0; before < 40; ++before) {
    for (std::size_t after = 0; after < 40; after += 3) {
      const std::string left(before, 'l');
      const std::string right(after, 'r');
      const Document document = parse(
          std::string("[\"").append(left).append("\\n").append(right).append("\\t\",\"").append(right).append("\"]"));
      CHECK(document->root().at(0).as_text() == std::string(left).append("\n").append(right).append("\t"));
      CHECK(document->root().at(1).as_text() == right);
    }
  }
}

TEST_CASE("JsonDocument unescapes strings with many escapes, wherever they stand") {
  // The text shrinks in place, so that what is written overlaps what is still to be read.
  for (std::size_t step = 1; step < 40; ++step) {
    std::string text;
    std::string expected;
    for (std::size_t i = 0; i < 400; ++i) {
      const char letter = static_cast<char>('a' + i % 26);
      text += i % step == 0 ? "\\\"" : std::string(1, letter);
      expected += i % step == 0 ? '"' : letter;
    }
    const Document document = parse(std::string("[\"").append(text).append("\",\"").append(text).append("\"]"));
    CHECK(document->root().at(0).as_text() == expected);
    CHECK(document->root().at(1).as_text() == expected);
  }
}

TEST_CASE("JsonDocument::read_inside reads the JSON in a string, and leaves everything else as it is") {
  JsonDocument document;
  const std::string surrogates = R"("{\"a\":[\"\\ud83d\\ude00\",\"\\ud83d!\"]}")";
  REQUIRE(
      document
          .read(R"({"json":"{\"a\":[1,\"\u8bf7\"]} ","not":"{\"a\":","text":"text","null":null,"object":{"b":2},"u":)" +
                surrogates + "}")
          .code == Errc{});
  const Json root = document.root();
  const Json inside = document.read_inside(root["json"]);
  CHECK(inside["a"].size() == 2);
  CHECK(inside["a"].at(1).as_text() == "\xE8\xAF\xB7");
  CHECK(inside.raw() == "{\"a\":[1,\"\xE8\xAF\xB7\"]}");
  CHECK(document.read_inside(root["not"]).as_text() == "{\"a\":");
  CHECK(document.read_inside(root["text"]).as_text() == "text");
  CHECK(document.read_inside(root["null"]).is_null());
  CHECK(document.read_inside(root["object"])["b"].as_int64() == 2);
  CHECK_FALSE(document.read_inside(Json()).exists());
  const Json mended = document.read_inside(root["u"]);
  CHECK(mended["a"].at(0).as_text() == "\xF0\x9F\x98\x80");
  CHECK(mended["a"].at(1).as_text() == "\xEF\xBF\xBD!");
  // What was read before is still there, and the strings themselves, too.
  CHECK(inside["a"].at(0).as_int64() == 1);
  CHECK(root["json"].as_text() == "{\"a\":[1,\"\xE8\xAF\xB7\"]} ");
}

TEST_CASE("JsonDocument::read_inside grows the document as far as the strings need it") {
  // Dense ones, sparse ones, and broken ones in between.
  std::string dense = "[0";
  for (int i = 1; i < 3000; ++i) dense += ",0";
  dense += ']';
  const std::string sparse = "[\\\"" + std::string(5000, 's') + "\\\"]";
  std::string text = "[";
  for (int i = 0; i < 50; ++i) {
    text.append("\"").append(dense).append("\",\"").append(sparse).append("\",\"").append(dense).append("x\",");
  }
  JsonDocument document;
  REQUIRE(document.read(text + "0]").code == Errc{});
  std::vector<Json> inside;
  for (const Json string : document.root()) inside.push_back(document.read_inside(string));
  REQUIRE(inside.size() == 151);
  for (std::size_t i = 0; i + 1 < inside.size(); i += 3) {
    REQUIRE(inside[i].size() == 3000);
    REQUIRE(inside[i].raw() == dense);
    REQUIRE(inside[i + 1].at(0).as_text() == std::string(5000, 's'));
    REQUIRE(inside[i + 2].as_text() == dense + "x");
  }
}

TEST_CASE("JsonDocument takes any value as root, white space around it and a byte order mark") {
  CHECK(parse("1")->root().as_int64() == 1);
  CHECK(parse("\"\"")->root().is_string());
  CHECK(parse("null")->root().is_null());
  CHECK(parse(" \t\r\n[ ]\n\n")->root().raw() == "[ ]");
  const Document marked = parse("\xEF\xBB\xBF{\"a\":{\"b\":1}}");
  CHECK(marked->root().raw() == "{\"a\":{\"b\":1}}");
  CHECK(marked->root()["a"].raw() == "{\"b\":1}");
  CHECK(code_of("{}\xEF\xBB\xBF") == Errc::json_malformed);
  CHECK(code_of("\xEF\xBB\xBF") == Errc::json_malformed);
}

TEST_CASE("JsonDocument refuses what is no JSON, and says where") {
  const std::vector<std::pair<std::string, std::string>> refused{
      {"", "byte 0: expected a value"},
      {"   ", "byte 3: expected a value"},
      {"not json", "expected a value"},
      {"nul", "expected a value"},
      {"{", "byte 1: expected a member name"},
      {"{1:2}", "byte 1: expected a member name"},
      {"{\"a\"}", "byte 4: expected ':'"},
      {"{\"a\":}", "byte 5: expected a value"},
      {"{\"a\":1", "byte 6: expected ',' or '}'"},
      {"{\"a\":1]", "byte 6: expected ',' or '}'"},
      {"{\"a\":1,}", "byte 7: expected a member name"},
      {"[1", "byte 2: expected ',' or ']'"},
      {"[1 2]", "byte 3: expected ',' or ']'"},
      {"[1,]", "byte 3: expected a value"},
      {"[,1]", "byte 1: expected a value"},
      {"[]x", "byte 2: expected nothing more"},
      {"{} {}", "byte 3: expected nothing more"},
      {"\"abc", "byte 4: expected '\"'"},
      {"\"a\\x\"", "byte 2: expected another character"},
      {"\"\\u12G4\"", "byte 1: expected four hexadecimal digits"},
      {"\"\\ud8G0\"", "byte 1: expected four hexadecimal digits"},
      {"\"\\ud8", "expected four hexadecimal digits"},
      {"01", "expected"},
      {"-", "expected a value"},
      {"+1", "expected a value"},
      {".5", "expected a value"},
      {"1.", "byte 2: expected a digit after the decimal point"},
      {"1e", "byte 2: expected a digit in the exponent"},
      {"1e400", "byte 0: expected a number within the range"},
      {"NaN", "expected a value"},
      {"Infinity", "expected a value"},
      {"[1]//", "expected nothing more"},
      {"'a'", "expected a value"},
      {"True", "expected a value"},
      {std::string("{}\0", 3), "byte 2: a control character"},
      {std::string("{\"a\0\":1}", 8), "byte 3: a control character"},
      {std::string("\0", 1), "byte 0: a control character"},
  };
  for (const auto& [text, expected] : refused) {
    INFO(text);
    const dingcb::Error error = refusal(text);
    CHECK(error.code == Errc::json_malformed);
    INFO(error.message.str());
    CHECK(error.message.find(expected) != std::string_view::npos);
  }
  CHECK(refusal("[\"top secret\" \"top secret\"]").message.find("secret") == std::string_view::npos);
}

TEST_CASE("JsonDocument reads half a surrogate pair as U+FFFD") {
  const std::vector<std::pair<std::string, std::string>> mended{
      {R"("\ud83d")", "?"},
      {R"("\uD83Dx")", "?x"},
      {R"("\uDbFf\u0041")", "?A"},
      {R"("\ude00")", "?"},
      {R"("\udc00\ud83d\ude00")", "?\xF0\x9F\x98\x80"},
      {R"("\ud83d\ude00\ude00")", "\xF0\x9F\x98\x80?"},
      {R"("\ud83d\ud83d\ude00")", "?\xF0\x9F\x98\x80"},
      {R"("\ud83d\\ude00")", "?\\ude00"},
      {R"("\\ud83d")", "\\ud83d"},
      {R"("\ud7ff\ue000")", "\xED\x9F\xBF\xEE\x80\x80"},
  };
  for (const auto& [text, expected] : mended) {
    INFO(text);
    std::string read;
    for (const char c : expected) read += c == '?' ? std::string("\xEF\xBF\xBD") : std::string(1, c);
    CHECK(parse(text)->root().as_text() == read);
    std::string both = "{";
    both.append(text).append(":").append(text).append("}");
    const auto object = parse(both);
    CHECK(object->root()[read].as_text() == read);
    CHECK(object->root().raw() == object->source());
  }
}

TEST_CASE("JsonDocument refuses control characters wherever they stand") {
  for (char control = 0; control < 0x20; ++control) {
    for (std::size_t position = 0; position < 40; ++position) {
      std::string text(40, 'x');
      text[position] = control;
      const bool space = control == '\n' || control == '\r' || control == '\t';
      CHECK(code_of("\"" + text + "\"") == Errc::json_malformed);
      CHECK(code_of("[" + std::string(position, ' ') + control + "]") == (space ? Errc{} : Errc::json_malformed));
    }
  }
  CHECK(parse("\"\x7F\"")->root().as_text() == "\x7F");
}

TEST_CASE("JsonDocument takes exactly what is UTF-8") {
  // Every code point, in the encoding that the standard's table gives.
  for (std::uint32_t point = 0x80; point <= 0x110010; point += point < 0x3000 ? 1 : 13) {
    std::string text;
    const auto put = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (point < 0x800) {
      put(0xC0 | point >> 6);
    } else if (point < 0x10000) {
      put(0xE0 | point >> 12), put(0x80 | (point >> 6 & 0x3F));
    } else {
      put(0xF0 | point >> 18), put(0x80 | (point >> 12 & 0x3F)), put(0x80 | (point >> 6 & 0x3F));
    }
    put(0x80 | (point & 0x3F));
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    const bool good = !surrogate && point <= 0x10FFFF;
    if (code_of("\"" + text + "\"") != (good ? Errc{} : Errc::not_utf8)) FAIL("code point " << point);
  }
  const std::vector<std::string> bad{
      "\x80",
      "\xBF",
      "\xC0\x80",
      "\xC1\xBF",
      "\xC2",
      "\xC2\x41",
      "\xC2\xC2\x80",
      "\xE0\x80\x80",
      "\xE0\x9F\xBF",
      "\xED\xA0\x80",
      "\xED\xBF\xBF",
      "\xE8\xAF",
      "\xE8\x41\x80",
      "\xE8\xAF\x41",
      "\xF0\x8F\xBF\xBF",
      "\xF4\x90\x80\x80",
      "\xF5\x80\x80\x80",
      "\xFF",
      "\xF0\x9F\x98",
      "\xF0\x9F\x98\x41",
  };
  for (const std::string& bytes : bad) {
    for (std::size_t before = 0; before < 20; ++before) {
      const std::string start = "\"" + std::string(before, 'x');
      for (const std::string& end : {std::string("\""), std::string("\xE8\xAF\xB7 and more than sixteen bytes\"")}) {
        const dingcb::Error error = refusal(std::string(start).append(bytes).append(end));
        CHECK(error.code == Errc::not_utf8);
      }
      CHECK(code_of(start + bytes) == Errc::not_utf8);  // no byte after it
    }
  }
  CHECK(refusal("[\"\xE8\xAF\xB7\xFF\"]").message.find("byte 5") != std::string_view::npos);
}

TEST_CASE("JsonDocument nests 64 levels and no more") {
  CHECK(code_of(nested(64)) == Errc{});
  CHECK(code_of(nested(65)) == Errc::json_too_deep);
  CHECK(code_of(std::string(1'000'000, '[')) == Errc::json_too_deep);
  CHECK(refusal(std::string(100, '[')).message.find("byte 64") != std::string_view::npos);
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  CHECK(code_of(objects) == Errc::json_too_deep);
  // Depth, not number: the levels are free again when they are closed.
  std::string row = "[" + nested(63);
  for (int i = 0; i < 100; ++i) row += "," + nested(63);
  CHECK(code_of(row + "]") == Errc{});
}

TEST_CASE("JsonDocument keeps its order when it grows") {
  std::string text = "[";
  constexpr std::int64_t kCount = 100'000;
  for (std::int64_t i = 0; i < kCount; ++i) text.append("[").append(std::to_string(i % 10)).append(",{}],");
  const Document document = parse(text + "0]");
  CHECK(document->root().size() == kCount + 1);
  std::int64_t i = 0;
  for (const Json pair : document->root()) {
    if (i == kCount) break;
    if (pair.size() != 2 || pair.at(0).as_int64() != i % 10 || pair.at(1).raw() != "{}") FAIL("at " << i);
    ++i;
  }
}

TEST_CASE("Json::as_int64 reads integers exactly, however they are written") {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  CHECK(int64_of("0") == 0);
  CHECK(int64_of("-0") == 0);
  CHECK(int64_of("1663143335567") == 1663143335567);
  CHECK(int64_of("9223372036854775807") == kMax);
  CHECK(int64_of("-9223372036854775808") == kMin);
  CHECK(int64_of("9007199254740993") == 9007199254740993);
  CHECK(int64_of("9007199254740993.0") == 9007199254740993);
  CHECK(int64_of("1.5E12") == 1500000000000);
  CHECK(int64_of("1.50e+1") == 15);
  CHECK(int64_of("1500e-2") == 15);
  CHECK(int64_of("9.223372036854775807e18") == kMax);
  CHECK(int64_of("-922337203685477580800e-2") == kMin);
  CHECK(int64_of("100.000") == 100);
  CHECK(int64_of("0.0e300") == 0);
  CHECK(int64_of("0e-99999999999999999999") == 0);
  CHECK(int64_of("10" + std::string(300, '0') + "e-301") == 1);
  CHECK(int64_of("0." + std::string(300, '0') + "1e301") == 1);

  for (const char* literal : {"9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e19", "3.5",
                              "-0.1", "15e-1", "1e-1", "184467440737095516150", "1e-99999999999999999999"}) {
    INFO(literal);
    CHECK_FALSE(int64_of(literal));
  }
  for (const char* text :
       {"", " 1", "1 ", "+1", "-", "1.", ".5", "1e", "1e+", "0x10", "1,000", "12a", "true", "1\\u0000"}) {
    INFO(text);
    CHECK_FALSE(parse("\"" + std::string(text) + "\"")->root().as_int64());
    CHECK_FALSE(parse("\"" + std::string(text) + "\"")->root().as_double());
  }
  CHECK(parse("\"007\"")->root().as_int64() == 7);
  CHECK_FALSE(parse("true")->root().as_int64());
  CHECK_FALSE(parse("[1]")->root().as_int64());
  CHECK_FALSE(parse("null")->root().as_int64());
}

TEST_CASE("Json::as_double reads numbers correctly rounded") {
  CHECK(double_of("0.1") == 0.1);
  CHECK(double_of("-12.5e-1") == -1.25);
  CHECK(double_of("7") == 7.0);
  CHECK(double_of("1.7976931348623157e308") == std::numeric_limits<double>::max());
  CHECK(double_of("4.9e-324") == std::numeric_limits<double>::denorm_min());
  CHECK(double_of("1e-400") == 0.0);
  CHECK(double_of("9007199254740993") == 9007199254740992.0);
  CHECK(double_of("2.2250738585072011e-308") == 2.2250738585072011e-308);
  // RapidJSON's own conversion gives finite numbers here, or reads out of bounds.
  CHECK_FALSE(double_of("922337208623157e308"));
  CHECK_FALSE(double_of("123456789012345678901e300"));
  CHECK(double_of("1.2345678901234567890123e-345") == 0.0);
  CHECK(double_of("-770280551149.4473768062352e-347") == 0.0);
  CHECK(double_of("9223372086231570000e-308") == 9223372086231570000e-308);
  CHECK(double_of("0." + std::string(2000, '0') + "1e2000") == 0.1);
  CHECK_FALSE(parse("[1.8e308]")->root().at(0).as_double());
  CHECK_FALSE(parse("\"1e400\"")->root().as_double());
  CHECK_FALSE(parse("true")->root().as_double());
  CHECK_FALSE(parse("{}")->root().as_double());
}

TEST_CASE("Json::as_bool reads booleans, their names and 0 and 1") {
  for (const char* yes : {"true", "\"true\"", "1", "\"1\""}) CHECK(parse(yes)->root().as_bool() == true);
  for (const char* no : {"false", "\"false\"", "0", "\"0\""}) CHECK(parse(no)->root().as_bool() == false);
  for (const char* other : {"2", "\"yes\"", "\"\"", "\"TRUE\"", "null", "[true]", "{}", "1.0"}) {
    INFO(other);
    CHECK_FALSE(parse(other)->root().as_bool());
  }
}
