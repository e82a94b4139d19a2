// The time as dingcb sees it; inject one to freeze it in tests.
#pragma once

#include <dingcb/config.hpp>

#include <cstdint>

DINGCB_NAMESPACE_BEGIN

/// A source of time. Where dingcb takes one, a null pointer means the system's clock.
/// Implementations are called from any thread at once.
class DINGCB_VISIBLE Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since 1970-01-01T00:00:00Z.
  virtual std::int64_t unix_ms() const noexcept = 0;
};

DINGCB_NAMESPACE_END
