#include <dingcb/impl/random.ipp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace {

using dingcb::RandomSource;
using dingcb::detail::RandomText;

// Delivers the bytes 0, 1, 2, ... in turn, and counts what it was asked for.
class CountingUp final : public RandomSource {
 public:
  bool fill(unsigned char* out, std::size_t size) const noexcept override {
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<unsigned char>(asked++);
    return true;
  }
  mutable std::size_t asked = 0;
};

// Works for a number of bytes, and then no more.
class RunningDry final : public RandomSource {
 public:
  explicit RunningDry(std::size_t left) noexcept : left_(left) {}
  bool fill(unsigned char* out, std::size_t size) const noexcept override {
    if (size > left_) return false;
    left_ -= size;
    std::fill_n(out, size, static_cast<unsigned char>(7));
    return true;
  }

 private:
  mutable std::size_t left_;
};

std::string draw(RandomText& random, const RandomSource* injected, std::size_t size) {
  std::string text(size, '\0');
  REQUIRE(random.fill(injected, text.data(), size));
  return text;
}

}  // namespace

TEST_CASE("RandomText makes each letter and digit from equally many byte values, and skips the rest") {
  RandomText random;
  const CountingUp source;
  const std::string text = draw(random, &source, 248);
  CHECK(source.asked == 248);
  for (const char c : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")) {
    CHECK(std::count(text.begin(), text.end(), c) == 4);
  }
  // The values 248 to 255 are refused, and the next one is taken.
  CHECK(draw(random, &source, 1) == text.substr(0, 1));
  CHECK(source.asked == 256 + 1);
}

TEST_CASE("RandomText asks an injected source for each text anew, and for no more than it needs") {
  RandomText random;
  const CountingUp source;
  draw(random, &source, 16);
  CHECK(source.asked == 16);
  draw(random, &source, 0);
  CHECK(source.asked == 16);
}

TEST_CASE("RandomText fails with its source, whenever that is") {
  for (std::size_t bytes = 0; bytes < 16; ++bytes) {
    RandomText random;
    const RunningDry source(bytes);
    std::string text(16, '\0');
    CHECK_FALSE(random.fill(&source, text.data(), text.size()));
  }
  RandomText random;
  const RunningDry enough(16);
  CHECK(draw(random, &enough, 16) == std::string(16, 'H'));
}

TEST_CASE("RandomText from OpenSSL never repeats itself, across refills and between objects") {
  std::set<std::string> texts;
  RandomText one;
  RandomText other;
  for (int i = 0; i < 2000; ++i) {
    texts.insert(draw(one, nullptr, 16));
    texts.insert(draw(other, nullptr, 16));
  }
  CHECK(texts.size() == 4000);
  // More at once than is drawn ahead.
  const std::string large = draw(one, nullptr, 5000);
  CHECK(std::all_of(large.begin(), large.end(),
                    [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }));
}
