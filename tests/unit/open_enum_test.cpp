#include <dingcb/open_enum.hpp>

#include "support/catch.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace {

enum class Scope { organisation, space, person };
enum Plain { kOne, kTwo };

using dingcb::OpenEnum;
using dingcb::RawJson;

}  // namespace

template <>
struct dingcb::EnumTraits<Scope> {
  static constexpr std::string_view texts[] = {"ORG", "SPACE", "person"};
};

template <>
struct dingcb::EnumTraits<Plain> {
  static constexpr std::string_view texts[] = {"1", "2"};
};

TEST_CASE("OpenEnum knows the texts of its enumeration") {
  CHECK(OpenEnum<Scope>("ORG").known() == Scope::organisation);
  CHECK(OpenEnum<Scope>("person").known() == Scope::person);
  CHECK(OpenEnum<Scope>(Scope::space).text() == "SPACE");
  CHECK(OpenEnum<Scope>(Scope::space).known() == Scope::space);
  CHECK(OpenEnum<Plain>("2").known() == kTwo);
}

TEST_CASE("OpenEnum keeps texts that it does not know") {
  for (const std::string& text :
       {std::string("MARS"), std::string("org"), std::string("ORG "), std::string("ORG\0", 4)}) {
    const OpenEnum<Scope> value(text);
    CHECK(value.text() == text);
    CHECK_FALSE(value.known());
    CHECK_FALSE(value.empty());
  }
}

TEST_CASE("OpenEnum is empty where the JSON text says nothing") {
  const OpenEnum<Scope> absent;
  CHECK(absent.empty());
  CHECK(absent.text().empty());
  CHECK_FALSE(absent.known());
  CHECK(absent == OpenEnum<Scope>(""));
  CHECK(absent != Scope::organisation);
}

TEST_CASE("OpenEnum compares with enumerators and with other values, from both sides") {
  const OpenEnum<Scope> value("SPACE");
  CHECK(value == Scope::space);
  CHECK(Scope::space == value);
  CHECK(value != Scope::person);
  CHECK(Scope::person != value);
  CHECK_FALSE(value != Scope::space);
  CHECK_FALSE(Scope::space != value);
  CHECK_FALSE(value == Scope::person);
  CHECK(value == OpenEnum<Scope>(Scope::space));
  CHECK(value != OpenEnum<Scope>("MARS"));
  // Unknown texts are equal only to themselves.
  CHECK(OpenEnum<Scope>("MARS") == OpenEnum<Scope>("MARS"));
  CHECK(OpenEnum<Scope>("MARS") != OpenEnum<Scope>("VENUS"));
  for (const Scope known : {Scope::organisation, Scope::space, Scope::person}) CHECK(OpenEnum<Scope>("MARS") != known);
}

TEST_CASE("OpenEnum is no enumerator that the enumeration does not have") {
  const auto stray = static_cast<Scope>(99);
  CHECK(OpenEnum<Scope>(stray).empty());
  CHECK(OpenEnum<Scope>() != stray);
  CHECK(stray != OpenEnum<Scope>("ORG"));
  CHECK(static_cast<Scope>(-1) != OpenEnum<Scope>());
}

TEST_CASE("OpenEnum is a plain value") {
  static_assert(std::is_nothrow_default_constructible_v<OpenEnum<Scope>>);
  static_assert(std::is_nothrow_move_constructible_v<OpenEnum<Scope>>);
  static_assert(std::is_convertible_v<Scope, OpenEnum<Scope>>);
  static_assert(!std::is_convertible_v<std::string, OpenEnum<Scope>>, "a text may be none of the enumeration's");
  static_assert(!std::is_constructible_v<OpenEnum<Scope>, Plain>);
  OpenEnum<Scope> value;
  value = Scope::person;
  CHECK(value == Scope::person);
  OpenEnum<Scope> moved = std::move(value);
  CHECK(moved.text() == "person");
  moved = OpenEnum<Scope>("MARS");
  CHECK(moved.text() == "MARS");
}

TEST_CASE("RawJson compares by its text") {
  CHECK(RawJson{"[1]"} == RawJson{"[1]"});
  CHECK(RawJson{"[1]"} != RawJson{"[ 1]"});
  CHECK(RawJson() == RawJson{""});
}
