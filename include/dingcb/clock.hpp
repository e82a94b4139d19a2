// The time as dingcb sees it; inject one to freeze it in tests.
#pragma once

#include <dingcb/config.hpp>

#include <cstdint>

DINGCB_NAMESPACE_BEGIN

/// A length of time in whole milliseconds. Made from any std::chrono::duration (`std::chrono::minutes(5)`), whose
/// header it does without: <chrono> would cost a file more than this library's core.
class Milliseconds {
 public:
  constexpr Milliseconds() noexcept = default;
  constexpr explicit Milliseconds(std::int64_t count) noexcept : count_(count) {}
  /// Rounds towards zero; what 64 bits cannot say becomes the longest time they can, NaN the longest ago.
  template <template <class, class> class Duration, class Rep, class Period>
  constexpr Milliseconds(const Duration<Rep, Period>& duration) noexcept
      : count_(clamp(static_cast<long double>(duration.count()) * 1000 * Period::num / Period::den)) {}

  constexpr std::int64_t count() const noexcept { return count_; }

  // With a std::chrono::duration on either side, too.
  friend constexpr bool operator==(Milliseconds left, Milliseconds right) noexcept {
    return left.count_ == right.count_;
  }
  friend constexpr bool operator!=(Milliseconds left, Milliseconds right) noexcept {
    return left.count_ != right.count_;
  }
  friend constexpr bool operator<(Milliseconds left, Milliseconds right) noexcept { return left.count_ < right.count_; }
  friend constexpr bool operator<=(Milliseconds left, Milliseconds right) noexcept {
    return left.count_ <= right.count_;
  }
  friend constexpr bool operator>(Milliseconds left, Milliseconds right) noexcept { return left.count_ > right.count_; }
  friend constexpr bool operator>=(Milliseconds left, Milliseconds right) noexcept {
    return left.count_ >= right.count_;
  }

 private:
  static constexpr std::int64_t clamp(long double ms) noexcept {
    if (ms >= 9223372036854775807.0L) return INT64_MAX;
    if (ms > -9223372036854775807.0L) return static_cast<std::int64_t>(ms);
    return -INT64_MAX;
  }

  std::int64_t count_ = 0;
};

/// A source of time. Where dingcb takes one, a null pointer means the system's clock.
/// Implementations are called from any thread at once.
class DINGCB_VISIBLE Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since 1970-01-01T00:00:00Z.
  virtual std::int64_t unix_ms() const noexcept = 0;
};

DINGCB_NAMESPACE_END
