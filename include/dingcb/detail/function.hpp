// Function: any callable behind one type, without the cost of <functional>.
#pragma once

#include <dingcb/config.hpp>

#include <memory>
#include <type_traits>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

template <class F, class = void>
inline constexpr bool kTellsEmptiness = false;
template <class F>
inline constexpr bool kTellsEmptiness<F, std::void_t<decltype(std::declval<const F&>().operator bool())>> = true;

/// @return whether there is nothing to call: a null pointer, or something like an empty std::function.
template <class F>
bool is_empty(const F& callable) noexcept {
  if constexpr (std::is_pointer_v<F>) {
    return callable == nullptr;
  } else if constexpr (kTellsEmptiness<F>) {
    return !static_cast<bool>(callable);
  } else {
    static_cast<void>(callable);
    return false;
  }
}

template <class Signature>
class Function;

/// A callable, or none. Copies share it. Calling one that is empty is undefined; calls are as safe from several threads
/// as the callable's own.
template <class R, class... Args>
class Function<R(Args...)> {
 public:
  Function() noexcept = default;

  // Not members, which <functional> alone can call.
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Function> &&
                                              !std::is_member_pointer_v<std::decay_t<F>> &&
                                              std::is_invocable_r_v<R, std::decay_t<F>&, Args...>>>
  Function(F&& callable) {
    if (is_empty<std::decay_t<F>>(callable)) return;
    target_ = std::make_shared<Held<std::decay_t<F>>>(std::in_place, std::forward<F>(callable));
  }

  explicit operator bool() const noexcept { return target_ != nullptr; }
  R operator()(Args... args) const { return target_->call(std::forward<Args>(args)...); }

 private:
  struct Target {
    Target() = default;
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;
    virtual ~Target() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Held final : Target {
    template <class G>
    Held(std::in_place_t, G&& callable) : function(std::forward<G>(callable)) {}
    R call(Args... args) override {
      if constexpr (std::is_void_v<R>) {
        static_cast<void>(function(std::forward<Args>(args)...));
      } else {
        return function(std::forward<Args>(args)...);
      }
    }
    F function;
  };

  std::shared_ptr<Target> target_;
};

}  // namespace detail
DINGCB_NAMESPACE_END
