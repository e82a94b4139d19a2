// The source of the random bytes in nonces and message prefixes; inject one to make replies repeatable in tests.
#pragma once

#include <dingcb/config.hpp>

#include <cstddef>

DINGCB_NAMESPACE_BEGIN

/// A source of random bytes. Where dingcb takes one, a null pointer means OpenSSL's CSPRNG, reseeded after a fork.
/// Implementations are called from any thread at once.
class DINGCB_VISIBLE RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Fills `size` bytes at `out`. @return false where no randomness can be had; the reply is then refused.
  virtual bool fill(unsigned char* out, std::size_t size) const noexcept = 0;
};

DINGCB_NAMESPACE_END
