// What a test cannot do without.
#pragma once

#include <dingcb/result.hpp>

#include "support/catch.hpp"

#include <utility>

namespace support {

/// Takes the value of a result; ends the test with the error where there is none.
template <class T>
T need(dingcb::Result<T> result) {
  if (!result) FAIL(result.error().message.str());
  return *std::move(result);
}

}  // namespace support
