#include <dingcb/detail/codec.hpp>

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

using dingcb::Json;
using dingcb::OpenEnum;
using dingcb::RawJson;
using dingcb::detail::codec_of;
using dingcb::detail::Fit;
using dingcb::detail::JsonDocument;
using dingcb::detail::JsonWriter;
using dingcb::detail::Misfit;
using dingcb::detail::misfit_error;

enum class Scope { org, space };

struct Role {
  std::optional<std::int64_t> id;
  std::string name;
};

struct Everything {
  std::string text;
  std::optional<std::string> note;
  std::optional<std::int64_t> time;
  std::optional<double> price;
  std::optional<bool> active;
  OpenEnum<Scope> scope;
  RawJson extra;
  std::vector<std::string> user_ids;
  std::vector<std::int64_t> dept_ids;
  std::vector<RawJson> values;
  std::vector<OpenEnum<Scope>> scopes;
  std::optional<Role> owner;
  std::vector<Role> roles;
  Role role;
};

struct Plain {
  std::int64_t x = 3;
  double y = 0.5;
  bool z = true;
};

struct Tree {
  std::string name;
  std::vector<Tree> children;
};

struct Shared {
  std::vector<std::string> user_id;
  std::string id;
};

struct Empty {};

struct Astray {
  std::string text;
};

struct Wide {
  std::int64_t numbers[70] = {};
};

std::string wandering;

}  // namespace

template <>
struct dingcb::EnumTraits<Scope> {
  static constexpr std::string_view texts[] = {"ORG", "SPACE"};
};

template <>
struct dingcb::EventTraits<Role> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id);
    visit("name", self.name, "roleName");
  }
};

template <>
struct dingcb::EventTraits<Everything> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("text", self.text, "Text", "TEXT");
    visit("note", self.note);
    visit("timeStamp", self.time, "time_stamp", "TimeStamp");
    visit("price", self.price);
    visit("active", self.active);
    visit("scope", self.scope);
    visit("extra", self.extra);
    visit("userIds", self.user_ids, "user_ids");
    visit("deptIds", self.dept_ids);
    visit("values", self.values);
    visit("scopes", self.scopes);
    visit("owner", self.owner);
    visit("roles", self.roles);
    visit("role", self.role);
  }
};

template <>
struct dingcb::EventTraits<Plain> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("x", self.x);
    visit("y", self.y);
    visit("z", self.z);
  }
};

template <>
struct dingcb::EventTraits<Tree> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("name", self.name);
    visit("children", self.children);
  }
};

template <>
struct dingcb::EventTraits<Shared> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("userId", self.user_id, "id");
    visit("id", self.id);
  }
};

template <>
struct dingcb::EventTraits<Empty> {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&) {}
};

template <>
struct dingcb::EventTraits<Astray> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("text", self.text);
    visit("wandering", wandering);
  }
};

// A table with more fields than the interpreter keeps on the stack.
template <>
const dingcb::detail::Codec& dingcb::detail::codec_of<Wide>() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> names;
    names.reserve(70);
    for (int i = 0; i < 70; ++i) names.push_back("number" + std::to_string(i));
    return names;
  }();
  static const Codec& codec = make_codec<Wide>([](Wide& wide, TableBuilder& field) {
    std::size_t i = 0;
    for (std::int64_t& number : wide.numbers) field(keys[i++].c_str(), number);
  });
  return codec;
}

namespace {

template <class T>
T read(std::string text) {
  const auto document = JsonDocument::parse(std::move(text));
  REQUIRE(document);
  T object;
  Misfit misfit;
  const Fit fit = codec_of<T>().read((*document)->root(), &object, misfit);
  INFO(misfit_error(misfit).message.str());
  REQUIRE(fit == Fit::filled);
  return object;
}

template <class T = Everything>
std::string misfit_of(std::string text) {
  const auto document = JsonDocument::parse(std::move(text));
  REQUIRE(document);
  T object;
  Misfit misfit;
  REQUIRE(codec_of<T>().read((*document)->root(), &object, misfit) == Fit::misfit);
  const dingcb::Error error = misfit_error(misfit);
  CHECK(error.code == dingcb::Errc::field_unfit);
  return error.message.str();
}

template <class T>
std::string written(const T& object) {
  JsonWriter writer;
  codec_of<T>().write(&object, writer);
  return writer.take();
}

using Texts = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("Codec reads fields of every type") {
  const auto all = read<Everything>(
      R"({"text":"\u8bf7","note":"n","timeStamp":1663143335567,"price":12.5,"active":true,"scope":"SPACE",)"
      R"("extra":{ "a" : [1] },"userIds":["a","b"],"deptIds":[1,2],"values":[{},1,"x"],"scopes":["ORG","NEW"],)"
      R"("owner":{"id":1,"name":"o"},"roles":[{"id":2,"name":"r"},{}],"role":{"name":"p"},"unknown":{"a":1}})");
  CHECK(all.text == "\xE8\xAF\xB7");
  CHECK(all.note == "n");
  CHECK(all.time == 1663143335567);
  CHECK(all.price == 12.5);
  CHECK(all.active == true);
  CHECK(all.scope == Scope::space);
  CHECK(all.extra.text == R"({ "a" : [1] })");
  CHECK(all.user_ids == Texts{"a", "b"});
  CHECK(all.dept_ids == Numbers{1, 2});
  REQUIRE(all.values.size() == 3);
  CHECK(all.values[0].text == "{}");
  CHECK(all.values[1].text == "1");
  CHECK(all.values[2].text == "\"x\"");
  REQUIRE(all.scopes.size() == 2);
  CHECK(all.scopes[0].known() == Scope::org);
  CHECK_FALSE(all.scopes[1].known());
  CHECK(all.scopes[1].text() == "NEW");
  REQUIRE(all.owner);
  CHECK(all.owner->id == 1);
  CHECK(all.owner->name == "o");
  REQUIRE(all.roles.size() == 2);
  CHECK(all.roles[0].id == 2);
  CHECK_FALSE(all.roles[1].id);
  CHECK(all.role.name == "p");
}

TEST_CASE("Codec leaves a struct as it is where the fields are absent or null") {
  for (const char* text :
       {"{}",
        R"({"text":null,"note":null,"timeStamp":null,"price":null,"active":null,"scope":null,"extra":null,)"
        R"("userIds":null,"deptIds":null,"values":null,"scopes":null,"owner":null,"roles":null,"role":null})",
        R"({"timeStamp":"","price":"","active":"","userIds":"","deptIds":"","owner":"","roles":"","role":""})"}) {
    INFO(text);
    const auto none = read<Everything>(text);
    CHECK_FALSE(codec_of<Everything>().present(&none));
    CHECK(written(none) == "{}");
  }
  const auto plain = read<Plain>(R"({"x":null,"y":""})");
  CHECK(plain.x == 3);
  CHECK(plain.y == 0.5);
  CHECK(plain.z);
}

TEST_CASE("Codec takes the canonical key, then the other spellings in their order, whatever the order of the members") {
  CHECK(read<Everything>(R"({"TEXT":"3","text":"1","Text":"2"})").text == "1");
  CHECK(read<Everything>(R"({"TEXT":"3","Text":"2"})").text == "2");
  CHECK(read<Everything>(R"({"Text":"2","TEXT":"3"})").text == "2");
  CHECK(read<Everything>(R"({"TEXT":"3"})").text == "3");
  CHECK(read<Everything>(R"({"text":null,"Text":"2"})").text == "2");
  CHECK(read<Everything>(R"({"text":"first","text":"last","Text":"2"})").text == "last");
  // An empty text says nothing beside one that does.
  CHECK(read<Everything>(R"({"text":"","Text":"2","TEXT":"3"})").text == "2");
  CHECK(read<Everything>(R"({"Text":"2","text":""})").text == "2");
  CHECK(read<Everything>(R"({"text":"1","text":""})").text == "1");
  CHECK(read<Everything>(R"({"teXt":"wrong case"})").text.empty());
  CHECK(read<Everything>(R"({"TimeStamp":3,"time_stamp":2})").time == 2);
}

TEST_CASE("Codec reads two fields from one key where both claim it") {
  const auto one = read<Shared>(R"({"id":"7"})");
  CHECK(one.user_id == Texts{"7"});
  CHECK(one.id == "7");
  const auto both = read<Shared>(R"({"id":"7","userId":["8"]})");
  CHECK(both.user_id == Texts{"8"});
  CHECK(both.id == "7");
}

TEST_CASE("Codec takes numbers as text and text as numbers") {
  const auto all = read<Everything>(
      R"({"text":12345678901234567890,"note":true,"timeStamp":"1663143335567","price":"0.25","active":"true","scope":7,)"
      R"("userIds":[1,"b",false],"deptIds":["1",2.0]})");
  CHECK(all.text == "12345678901234567890");
  CHECK(all.note == "true");
  CHECK(all.time == 1663143335567);
  CHECK(all.price == 0.25);
  CHECK(all.active == true);
  CHECK(all.scope.text() == "7");
  CHECK(all.user_ids == Texts{"1", "b", "false"});
  CHECK(all.dept_ids == Numbers{1, 2});
}

TEST_CASE("Codec takes one value for a list of one, and skips null in a list") {
  const auto all = read<Everything>(R"({"userIds":"a","deptIds":7,"values":{"a":1},"scopes":"ORG","roles":{"id":1}})");
  CHECK(all.user_ids == Texts{"a"});
  CHECK(all.dept_ids == Numbers{7});
  CHECK(all.values.size() == 1);
  CHECK(all.scopes.size() == 1);
  CHECK(all.roles.size() == 1);
  CHECK(read<Everything>(R"({"userIds":[null,"a",null,""],"deptIds":[null,""],"roles":[null]})").user_ids ==
        Texts{"a", ""});
}

TEST_CASE("Codec looks into texts that hold the object or list that is expected") {
  const auto all = read<Everything>(
      R"({"owner":" {\"id\":\"5\"}","roles":"[{\"id\":1},\"{\\\"id\\\":2}\"]","role":"{}","userIds":"[\"a\",\"b\"]",)"
      R"("deptIds":"[1]","extra":"{\"a\":1}","text":"{\"a\":1}"})");
  REQUIRE(all.owner);
  CHECK(all.owner->id == 5);
  REQUIRE(all.roles.size() == 2);
  CHECK(all.roles[1].id == 2);
  CHECK(all.user_ids == Texts{"a", "b"});
  CHECK(all.dept_ids == Numbers{1});
  CHECK(all.extra.text == R"("{\"a\":1}")");
  CHECK(all.text == R"({"a":1})");
  // What is no JSON, or JSON of another type, is a text.
  CHECK(read<Everything>(R"({"userIds":"[not a list"})").user_ids == Texts{"[not a list"});
  CHECK(read<Everything>(R"({"userIds":"{\"a\":1}"})").user_ids == Texts{"{\"a\":1}"});
  CHECK(read<Role>(R"("{\"id\":9}")").id == 9);
}

TEST_CASE("Codec follows texts within texts only a few levels") {
  std::string text = R"({"name":"leaf"})";
  for (int i = 0; i < 4; ++i) {
    JsonWriter writer;
    writer.begin_object();
    writer.key("children");
    writer.text(text);
    writer.end_object();
    text = writer.take();
  }
  const auto tree = read<Tree>(text);
  REQUIRE(tree.children.size() == 1);
  CHECK(tree.children[0].children.at(0).children.at(0).children.at(0).name == "leaf");
  JsonWriter writer;
  writer.begin_object();
  writer.key("children");
  writer.text(text);
  writer.end_object();
  CHECK(misfit_of<Tree>(writer.take()) ==
        "field \"children.children.children.children.children\" does not fit: expected a list, found a text");
}

TEST_CASE("Codec names the field that does not fit, and never its value") {
  const std::vector<std::pair<const char*, const char*>> unfit{
      {R"({"text":{"a":"secret"}})", "field \"text\" does not fit: expected a text, found an object"},
      {R"({"Text":["secret"]})", "field \"Text\" does not fit: expected a text, found a list"},
      {R"({"timeStamp":"secret"})", "field \"timeStamp\" does not fit: expected an integer of 64 bits, found a text"},
      {R"({"timeStamp":1.5})", "field \"timeStamp\" does not fit: expected an integer of 64 bits, found a number"},
      {R"({"timeStamp":true})", "field \"timeStamp\" does not fit: expected an integer of 64 bits, found a boolean"},
      {R"({"price":[]})", "field \"price\" does not fit: expected a number, found a list"},
      {R"({"active":"secret"})", "field \"active\" does not fit: expected a boolean, found a text"},
      {R"({"scope":{}})", "field \"scope\" does not fit: expected a text, found an object"},
      {R"({"userIds":{"not":"a list"}})", "field \"userIds\" does not fit: expected a list, found an object"},
      {R"({"userIds":["a",["secret"]]})", "field \"userIds[1]\" does not fit: expected a text, found a list"},
      {R"({"deptIds":"secret"})", "field \"deptIds\" does not fit: expected a list, found a text"},
      {R"({"owner":1})", "field \"owner\" does not fit: expected an object, found a number"},
      {R"({"owner":[]})", "field \"owner\" does not fit: expected an object, found a list"},
      {R"({"owner":"{secret"})", "field \"owner\" does not fit: expected an object, found a text"},
      {R"({"role":{"id":{}}})", "field \"role.id\" does not fit: expected an integer of 64 bits, found an object"},
      {R"({"roles":[{},{"id":1},{"id":"secret"}]})",
       "field \"roles[2].id\" does not fit: expected an integer of 64 bits, found a text"},
      {R"({"roles":{"id":"secret"}})", "field \"roles.id\" does not fit: expected an integer of 64 bits, found a text"},
      {R"({"roles":"[{\"roleName\":[]}]"})", "field \"roles[0].roleName\" does not fit: expected a text, found a list"},
      {"[]", "the event does not fit: expected an object, found a list"},
      {"7", "the event does not fit: expected an object, found a number"},
  };
  for (const auto& [text, message] : unfit) CHECK(misfit_of(text) == message);
  CHECK(misfit_of<Tree>(R"({"children":[{"children":[{"name":[]}]}]})") ==
        "field \"children[0].children[0].name\" does not fit: expected a text, found a list");
}

TEST_CASE("Codec refuses to read a struct whose fields() visits a variable that is no part of it") {
  wandering = "untouched";
  CHECK(misfit_of<Astray>(R"({"text":"a","wandering":"b"})").find("\"wandering\"") != std::string::npos);
  CHECK(wandering == "untouched");
}

TEST_CASE("Codec reads structs without fields, and with many") {
  read<Empty>(R"({"a":1,"":2})");
  CHECK(written(Empty{}) == "{}");

  std::string text;
  for (int i = 69; i >= 0; --i)
    text += (text.empty() ? "{\"number" : ",\"number") + std::to_string(i) + "\":" + std::to_string(i);
  const Wide wide = read<Wide>(text + "}");
  for (std::int64_t i = 0; i < 70; ++i) CHECK(wide.numbers[i] == i);
}

TEST_CASE("Codec::read_absent fills one field where it is absent") {
  const auto document = JsonDocument::parse(R"({"id":"7","bad":[[]]})");
  REQUIRE(document);
  const Json id = (*document)->root()["id"];
  const dingcb::detail::Codec& codec = codec_of<Everything>();
  Misfit misfit;
  Everything all;
  CHECK(codec.read_absent("userIds", id, &all, misfit) == Fit::filled);
  CHECK(all.user_ids == Texts{"7"});
  all.user_ids = {"8"};
  CHECK(codec.read_absent("userIds", id, &all, misfit) == Fit::absent);
  CHECK(all.user_ids == Texts{"8"});
  CHECK(codec.read_absent("timeStamp", id, &all, misfit) == Fit::filled);
  CHECK(all.time == 7);
  CHECK(codec.read_absent("user_ids", id, &all, misfit) == Fit::absent);
  CHECK(codec.read_absent("price", Json(), &all, misfit) == Fit::absent);
  CHECK(codec.read_absent("deptIds", (*document)->root()["bad"], &all, misfit) == Fit::misfit);
  CHECK(misfit.path == "deptIds[0]");
}

TEST_CASE("Codec writes what is present under canonical keys, and reads it back") {
  const std::string text =
      R"({"text":"\u0001\"\\","note":"","timeStamp":-1,"price":0.1,"active":false,"scope":"NEW","extra":[ 1 ],)"
      R"("userIds":["a",""],"deptIds":[1],"values":[{},"x"],"scopes":["ORG"],"owner":{},"roles":[{"id":1},{}],)"
      R"("role":{"name":"r"}})";
  const auto all = read<Everything>(text);
  CHECK(written(all) == text);
  CHECK(written(read<Everything>(written(all))) == text);
  CHECK(written(read<Everything>(R"({"TEXT":"t","user_ids":["a"]})")) == R"({"text":"t","userIds":["a"]})");
  CHECK(written(Plain{}) == R"({"x":3,"y":0.5,"z":true})");

  JsonWriter writer;
  writer.begin_object();
  writer.key("EventType");
  writer.text("plain");
  const Plain plain;
  codec_of<Plain>().write_members(&plain, writer);
  writer.end_object();
  CHECK(writer.take() == R"({"EventType":"plain","x":3,"y":0.5,"z":true})");
}

TEST_CASE("Codec writes JSON whatever a program puts into a struct") {
  Everything all;
  all.text =
      "\xFF"
      "a\xE8\xAF\xB7\xE8";
  all.extra.text = "{broken";
  all.price = std::numeric_limits<double>::infinity();
  all.values = {RawJson{}, RawJson{"\"\\u8bf7\""}};
  CHECK(written(all) ==
        "{\"text\":\"\xEF\xBF\xBD"
        "a\xE8\xAF\xB7\xEF\xBF\xBD\",\"price\":null,\"extra\":\"{broken\","
        "\"values\":[null,\"\\u8bf7\"]}");
  CHECK(JsonDocument::parse(written(all)));
}

TEST_CASE("JsonWriter writes numbers that read back the same") {
  for (const double number : {0.0, 1.0, -1.5, 0.1, 1e21, 5e-324, 1.7976931348623157e308, 123456789.125, 1.0 / 3}) {
    JsonWriter writer;
    writer.begin_array();
    writer.number(number);
    writer.end_array();
    const auto document = JsonDocument::parse(writer.take());
    REQUIRE(document);
    CHECK((*document)->root().at(0).as_double() == number);
  }
  JsonWriter writer;
  writer.number(std::numeric_limits<std::int64_t>::min());
  CHECK(writer.take() == "-9223372036854775808");
  writer.number(std::numeric_limits<double>::quiet_NaN());
  CHECK(writer.take() == "null");
}

TEST_CASE("OpenEnum keeps the text of values that nobody knows") {
  OpenEnum<Scope> scope;
  CHECK(scope.empty());
  CHECK_FALSE(scope.known());
  CHECK(scope != Scope::org);
  scope = Scope::space;
  CHECK(scope.text() == "SPACE");
  CHECK(scope == Scope::space);
  CHECK(Scope::org != scope);
  CHECK(scope.known() == Scope::space);
  scope = OpenEnum<Scope>(std::string("LATER"));
  CHECK_FALSE(scope.known());
  CHECK(scope.text() == "LATER");
  CHECK(scope == OpenEnum<Scope>(std::string("LATER")));
  CHECK(scope != OpenEnum<Scope>(Scope::org));
  CHECK(OpenEnum<Scope>(static_cast<Scope>(99)).empty());
}
