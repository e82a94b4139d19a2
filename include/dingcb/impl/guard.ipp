// Calls of code that may throw, from where nothing may.
#pragma once

#include <dingcb/result.hpp>

#include <cstddef>
#include <new>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

template <std::size_t N>
Error literal_error(Errc code, const char (&text)[N]) noexcept {
  return Error{code, Message::literal(text), nullptr};
}

/// Calls the host, whose exceptions end here.
template <class Hook, class... Args>
void tell(const Hook& hook, Args&&... args) noexcept {
  if (!hook) return;
#if defined(__cpp_exceptions)
  try {
    hook(std::forward<Args>(args)...);
  } catch (...) {
    return;
  }
#else
  hook(std::forward<Args>(args)...);
#endif
}

/// Calls an inbox, which may be the host's and throw. @return its Result.
template <class Call>
auto ask(Call call) noexcept -> decltype(call()) {
#if defined(__cpp_exceptions)
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return literal_error(Errc::out_of_memory, "there is no memory");
  } catch (...) {
    return literal_error(Errc::inbox_failed, "the inbox threw an exception");
  }
#else
  return call();
#endif
}

}  // namespace detail
DINGCB_NAMESPACE_END
