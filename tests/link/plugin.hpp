// What the plug-ins of these tests export: two shared libraries, built with hidden symbols, that each use dingcb.
#pragma once

#include <system_error>

#define PLUGIN_API __attribute__((visibility("default")))

#define PLUGIN(name)                                          \
  namespace name {                                            \
  PLUGIN_API std::error_code padding_error();                 \
  PLUGIN_API bool is_padding_error(const std::error_code& e); \
  PLUGIN_API const std::error_category& category();           \
  PLUGIN_API void throw_padding_error();                      \
  PLUGIN_API bool opens_the_sample();                         \
  }
PLUGIN(left)
PLUGIN(right)
#undef PLUGIN
