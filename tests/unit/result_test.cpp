#include <dingcb/result.hpp>

#include "support/catch.hpp"

#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using dingcb::Errc;
using dingcb::Error;
using dingcb::Exception;
using dingcb::Message;
using dingcb::Result;

const std::string kText(100, 'v');

Error refusal() { return {Errc::padding, Message(std::string("the padding is wrong")), nullptr}; }

Result<std::string> give(bool good) {
  if (!good) return refusal();
  return kText;
}

Result<void> check(bool good) {
  if (!good) return refusal();
  return {};
}

template <class T>
Error caught(Result<T> result) {
  try {
    static_cast<void>(result.value());
  } catch (const Exception& exception) {
    return exception.error();
  }
  return {};
}

}  // namespace

TEST_CASE("Result holds a value") {
  Result<std::string> result = give(true);
  CHECK(result.has_value());
  CHECK(static_cast<bool>(result));
  CHECK(*result == kText);
  CHECK(result->size() == kText.size());
  CHECK(result.value() == kText);
  CHECK(result.value_or("fallback") == kText);
  *result = "changed";
  CHECK(std::as_const(result).value() == "changed");
  CHECK(*std::as_const(result) == "changed");
  CHECK(std::as_const(result)->front() == 'c');
}

TEST_CASE("Result holds an error") {
  const Result<std::string> result = give(false);
  CHECK_FALSE(result.has_value());
  CHECK_FALSE(static_cast<bool>(result));
  CHECK(result.error().code == Errc::padding);
  CHECK(result.error().message == "the padding is wrong");
  CHECK(result.value_or("fallback") == "fallback");
  CHECK(give(false).error().code == Errc::padding);
}

TEST_CASE("Result::value throws the error") {
  CHECK(caught(give(false)).code == Errc::padding);
  const Result<std::string> kept = give(false);
  CHECK_THROWS_AS(kept.value(), Exception);
  CHECK_THROWS_AS(give(false).value(), Exception);
  CHECK_NOTHROW(give(true).value());
  try {
    static_cast<void>(give(false).value());
    FAIL("value() returned");
  } catch (const std::exception& exception) {
    CHECK(std::string(exception.what()) == "the padding is wrong");
  }
}

TEST_CASE("Result moves its value out of a temporary") {
  Result<std::string> result = give(true);
  const char* const data = result->data();
  const std::string moved = *std::move(result);
  CHECK(moved.data() == data);
  CHECK(give(true).value() == kText);
  static_assert(std::is_same_v<decltype(std::declval<Result<std::string>>().value()), std::string>);
  static_assert(std::is_same_v<decltype(*std::declval<Result<std::string>>()), std::string>);
}

TEST_CASE("Result of a temporary gives a value that lives as long as a loop over it") {
  const auto list = [] { return Result<std::vector<std::string>>(std::vector<std::string>{kText, kText}); };
  std::string all;
  for (const std::string& text : list().value()) all += text;
  for (const std::string& text : *list()) all += text;
  CHECK(all == kText + kText + kText + kText);
}

TEST_CASE("Result takes types that can only be moved") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  REQUIRE(result);
  CHECK(**result == 7);
  const Result<std::unique_ptr<int>> moved = std::move(result);
  CHECK(**moved == 7);
  const std::unique_ptr<int> out = Result<std::unique_ptr<int>>(std::make_unique<int>(8)).value();
  CHECK(*out == 8);
  CHECK_FALSE(Result<std::unique_ptr<int>>(refusal()));
  static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
  static_assert(std::is_nothrow_move_constructible_v<Result<std::unique_ptr<int>>>);
}

TEST_CASE("Result takes types without a default constructor") {
  struct Whole {
    explicit Whole(int given) : number(given) {}
    int number;
  };
  CHECK(Result<Whole>(Whole(3))->number == 3);
  CHECK_FALSE(Result<Whole>(refusal()));
}

TEST_CASE("Result copies value and error") {
  const Result<std::string> good = give(true);
  Result<std::string> copy = good;
  *copy = "other";
  CHECK(*good == kText);
  copy = give(false);
  CHECK(copy.error().code == Errc::padding);
  copy = good;
  CHECK(*copy == kText);
}

TEST_CASE("Result<void> is a success or an error") {
  CHECK(check(true));
  CHECK(check(true).has_value());
  CHECK_NOTHROW(check(true).value());
  const Result<void> bad = check(false);
  CHECK_FALSE(bad);
  CHECK_FALSE(bad.has_value());
  CHECK(bad.error().code == Errc::padding);
  CHECK_THROWS_AS(bad.value(), Exception);
  CHECK(caught(check(false)).message == "the padding is wrong");
  CHECK(check(false).error().message == "the padding is wrong");
}

TEST_CASE("Result gives its error away without a copy") {
  const Error original = refusal();
  Result<void> holder = original;
  const Error moved = std::move(holder).error();
  CHECK(moved.message.data() == original.message.data());
  Result<int> number = original;
  CHECK(std::move(number).error().message.data() == original.message.data());
}

TEST_CASE("Only value() of a Result can throw") {
  using Text = Result<std::string>;
  static_assert(noexcept(std::declval<Text&>().has_value()));
  static_assert(noexcept(static_cast<bool>(std::declval<Text&>())));
  static_assert(noexcept(*std::declval<Text&>()));
  static_assert(noexcept(std::declval<Text&>().operator->()));
  static_assert(noexcept(std::declval<Text&>().error()));
  static_assert(noexcept(Text(std::declval<Error>())));
  static_assert(std::is_nothrow_move_constructible_v<Text>);
  static_assert(std::is_nothrow_default_constructible_v<Result<void>>);
  static_assert(noexcept(Result<void>(std::declval<Error>())));
  static_assert(std::is_nothrow_move_constructible_v<Result<void>>);
  static_assert(std::is_same_v<Text::value_type, std::string>);
  CHECK_THROWS_AS(give(false).value(), Exception);
}

TEST_CASE("An Exception outlives the Result it came from") {
  static_assert(std::is_nothrow_copy_constructible_v<Exception>);
  std::exception_ptr kept;
  try {
    static_cast<void>(give(false).value());
  } catch (const Exception& exception) {
    kept = std::make_exception_ptr(exception);
  }
  REQUIRE(kept != nullptr);
  try {
    std::rethrow_exception(kept);
  } catch (const Exception& exception) {
    CHECK(exception.error().code == Errc::padding);
    CHECK(exception.error().message == exception.what());
  }
}
