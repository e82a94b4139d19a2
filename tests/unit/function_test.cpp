#include <dingcb/detail/function.hpp>

#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <string>

namespace {

using dingcb::detail::Function;

int twice(int value) { return 2 * value; }

struct Member {
  int value = 0;
  int get() const { return value; }
};

static_assert(!std::is_constructible_v<Function<int(int)>, std::string>);
static_assert(!std::is_constructible_v<Function<int(int)>, int (*)(std::string)>);
static_assert(!std::is_constructible_v<Function<int(const Member&)>, int (Member::*)() const>);
static_assert(!std::is_constructible_v<Function<std::string(int)>, int (*)(int)>);

}  // namespace

TEST_CASE("Function calls functions, lambdas and std::function, and gives back what they give") {
  CHECK(Function<int(int)>(twice)(4) == 8);
  CHECK(Function<int(int)>(&twice)(4) == 8);
  CHECK(Function<int(int)>([](int value) { return value + 1; })(4) == 5);
  CHECK(Function<int(int)>(std::function<int(int)>(twice))(4) == 8);
  CHECK(Function<long(short)>(twice)(4) == 8);
}

TEST_CASE("Function of void takes callables that give something") {
  int called = 0;
  const Function<void(int)> function = [&called](int value) { return called = value; };
  function(3);
  CHECK(called == 3);
}

TEST_CASE("Function knows what is empty") {
  CHECK_FALSE(Function<int(int)>());
  CHECK_FALSE(Function<int(int)>(static_cast<int (*)(int)>(nullptr)));
  CHECK_FALSE(Function<int(int)>(std::function<int(int)>()));
  CHECK_FALSE(Function<long(int)>(Function<int(int)>()));
  CHECK(Function<int(int)>(twice));
}

TEST_CASE("Function takes what cannot be copied, and its copies share it") {
  auto counter = std::make_unique<int>(0);
  const Function<int()> function = [counter = std::move(counter)] { return ++*counter; };
  const Function<int()> copy = function;  // NOLINT(performance-unnecessary-copy-initialization)
  CHECK(function() == 1);
  CHECK(copy() == 2);
}

TEST_CASE("Function passes references and values that can only be moved") {
  const Function<std::unique_ptr<int>(std::unique_ptr<int>, int&)> function = [](std::unique_ptr<int> value, int& out) {
    out = *value;
    return value;
  };
  int out = 0;
  CHECK(*function(std::make_unique<int>(7), out) == 7);
  CHECK(out == 7);
}

TEST_CASE("Function destroys its callable with the last copy") {
  const auto held = std::make_shared<int>(1);
  {
    const Function<int()> function = [held] { return *held; };
    const Function<int()> copy = function;  // NOLINT(performance-unnecessary-copy-initialization)
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
}
