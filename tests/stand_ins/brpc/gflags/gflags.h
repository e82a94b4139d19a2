// A stand-in for gflags with the one flag that examples/brpc sets.
#pragma once

#include <brpc/server.h>

#include <cstdlib>
#include <string>

#define GFLAGS_NAMESPACE google

namespace google {

inline std::string SetCommandLineOption(const char* name, const char* value) {
  if (std::string(name) != "max_body_size") return {};
  brpc::max_body_size = std::strtoul(value, nullptr, 10);
  return value;
}

}  // namespace google
