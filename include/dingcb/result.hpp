// Result<T>: a value or an Error.
#pragma once

#include <dingcb/error.hpp>

#include <cstdlib>
#include <exception>
#include <optional>
#include <utility>

DINGCB_NAMESPACE_BEGIN

/// What Result::value() throws on an error; what() is the error's message.
class DINGCB_VISIBLE Exception : public std::exception {
 public:
  explicit Exception(Error error) noexcept : error_(std::move(error)) {}
  const char* what() const noexcept override { return error_.message.c_str(); }
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

namespace detail {
[[noreturn]] inline void throw_exception(const Error& error) {
#if defined(__cpp_exceptions)
  throw Exception(error);
#else
  static_cast<void>(error);
  std::abort();
#endif
}
}  // namespace detail

/// A value or an Error, as the answer of a call that can fail on bad input. Test it before use; `*` and `->` on an
/// error, and error() on a value, are undefined, value() throws.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : value_(std::move(value)) {}
  Result(Error error) noexcept : error_(std::move(error)) {}

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return value_.has_value(); }

  T& operator*() & noexcept { return *value_; }
  const T& operator*() const& noexcept { return *value_; }
  T operator*() && noexcept { return *std::move(value_); }
  T* operator->() noexcept { return &*value_; }
  const T* operator->() const noexcept { return &*value_; }

  /// @throws Exception when this holds an error (std::abort under -fno-exceptions).
  T& value() & { return require(), *value_; }
  const T& value() const& { return require(), *value_; }
  /// The same for a temporary: a value, and no reference, so that `for (x : call().value())` is right in C++17, too.
  T value() && { return require(), *std::move(value_); }

  template <class U>
  T value_or(U&& fallback) const& {
    return value_ ? *value_ : static_cast<T>(std::forward<U>(fallback));
  }

  const Error& error() const& noexcept { return error_; }
  Error error() && noexcept { return std::move(error_); }

 private:
  void require() const {
    if (!value_) detail::throw_exception(error_);
  }

  std::optional<T> value_;
  Error error_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() noexcept = default;
  Result(Error error) noexcept : error_(std::move(error)), ok_(false) {}

  bool has_value() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  /// @throws Exception when this holds an error (std::abort under -fno-exceptions).
  void value() const {
    if (!ok_) detail::throw_exception(error_);
  }
  const Error& error() const& noexcept { return error_; }
  Error error() && noexcept { return std::move(error_); }

 private:
  Error error_;
  bool ok_ = true;
};

DINGCB_NAMESPACE_END
