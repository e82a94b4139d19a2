// Errors in one line, and calls of code that may throw from where nothing may.
#pragma once

#include <dingcb/result.hpp>

#include <cstddef>
#include <new>
#include <string>
#include <system_error>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

inline Error fail(Errc code, std::string text) { return Error{code, Message(std::move(text)), nullptr}; }

template <std::size_t N>
Error fail(Errc code, const char (&text)[N]) noexcept {
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
    return fail(Errc::out_of_memory, "there is no memory");
  } catch (...) {
    return fail(Errc::inbox_failed, "the inbox threw an exception");
  }
#else
  return call();
#endif
}

/// Starts the threads of an inbox. @return inbox_failed where the system gives none.
template <class Start>
Error start_threads(Start start) {
#if defined(__cpp_exceptions)
  try {
    start();
  } catch (const std::system_error& error) {
    return fail(Errc::inbox_failed, "the system gives the inbox no thread: " + error.code().message());
  }
#else
  start();
#endif
  return Error{};
}

}  // namespace detail
DINGCB_NAMESPACE_END
