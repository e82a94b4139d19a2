// Time and randomness that tests inject.
#pragma once

#include <dingcb/clock.hpp>
#include <dingcb/random.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace injected {

/// A clock that stands still until it is told.
class FakeClock final : public dingcb::Clock {
 public:
  explicit FakeClock(std::int64_t unix_ms = 1000000) noexcept : now(unix_ms) {}
  std::int64_t unix_ms() const noexcept override { return now.load(); }
  std::atomic<std::int64_t> now;
};

/// A source of randomness that has none.
class NoRandom final : public dingcb::RandomSource {
 public:
  bool fill(unsigned char*, std::size_t) const noexcept override { return false; }
};

}  // namespace injected
