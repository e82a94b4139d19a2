// Dispatcher: which handler gets which event, and what it answers.
#pragma once

#include <dingcb/clock.hpp>
#include <dingcb/detail/function.hpp>
#include <dingcb/event.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// What shall become of an event.
enum class Verdict : std::uint8_t {
  done,      ///< It is dealt with.
  retry,     ///< It shall come again: DingTalk keeps its copy, an inbox waits for Ack::delay().
  drop,      ///< It never will be dealt with, and shall not come again; an inbox keeps it among its dead letters.
  deferred,  ///< Deferred::settle() will tell. Only Context::defer() makes this one.
};

namespace detail {
class Callback;
class Pending;
class Registry;
}  // namespace detail

/// A handler's verdict.
class Ack {
 public:
  /// Makes done().
  Ack() noexcept = default;

  static Ack done() noexcept { return Ack(); }
  /// @param delay before the next attempt, for an inbox; DingTalk has its own rhythm.
  /// @param why for the host's log; never sent.
  static Ack retry(Milliseconds delay = {}, std::string why = {}) {
    return Ack(Verdict::retry, delay, why.empty() ? Message() : Message(std::move(why)));
  }
  /// @param why for the host's log; never sent.
  static Ack drop(std::string why = {}) {
    return Ack(Verdict::drop, {}, why.empty() ? Message() : Message(std::move(why)));
  }

  Verdict verdict() const noexcept { return verdict_; }
  Milliseconds delay() const noexcept { return delay_; }
  const Message& why() const noexcept { return why_; }

 private:
  friend class detail::Pending;
  Ack(Verdict verdict, Milliseconds delay, Message why) noexcept
      : verdict_(verdict), delay_(delay), why_(std::move(why)) {}

  Verdict verdict_ = Verdict::done;
  Milliseconds delay_;
  Message why_;  // so that copies never fail
};

/// A verdict that is given later, from any thread. Copies stand for the same verdict; when the last one goes without
/// having given it, the event is retried. Not to be used after it was moved from.
///
/// What waits for the answer ends in the thread that gives the last verdict: there the completion is called, and where
/// no CallbackHandler is left, the handlers are destroyed with what they captured. So a handler must not own the thread
/// that settles, such as a pool whose destructor joins it.
class Deferred {
 public:
  /// Gives the verdict. The first one counts; whatever comes after it, or after the sender was asked to repeat the
  /// event because its deadline had passed, changes nothing.
  /// @return whether this one counts. What the handler throws afterwards, and another verdict of a middleware, still
  ///   overrule it.
  DINGCB_API bool settle(Ack ack) const noexcept;
  /// Tells whether a verdict counts already, or none will any more.
  DINGCB_API bool settled() const noexcept;
  /// Gives the event, which lives as long as this object.
  DINGCB_API const Event& event() const noexcept;

 private:
  friend class Context;
  struct Owner;
  explicit Deferred(std::shared_ptr<const Owner> owner) noexcept : owner_(std::move(owner)) {}
  std::shared_ptr<const Owner> owner_;
};

/// What a handler may ask about the event it was given. Belongs to one call of a handler; do not keep it.
class Context {
 public:
  /// @param event must outlive the Context.
  /// @param budget time to answer, from now on.
  /// @param clock null: the system's steady clock. Must outlive the Context.
  DINGCB_API Context(const Event& event, Milliseconds budget, const Clock* clock = nullptr) noexcept;
  Context(Event&&, Milliseconds, const Clock* = nullptr) = delete;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  /// A deferred verdict that nobody waits for becomes Ack::retry().
  DINGCB_API ~Context();

  const Event& event() const noexcept { return event_; }
  /// Gives the time that is left to answer; 0 when it is over.
  DINGCB_API Milliseconds remaining() const noexcept;

  /// Takes the verdict out of the handler's hands: what it returns is ignored, what Deferred::settle() is told counts.
  /// A handler that throws afterwards is retried all the same. Called again, it gives the same verdict.
  DINGCB_API Deferred defer();

  /// Waits, for whoever called dispatch(), until a verdict that it gave as deferred is settled: at most for the time
  /// that is left, measured by the system's clock; then it is Ack::retry(). Gives every other verdict back as it is.
  DINGCB_API Ack wait(Ack ack) const noexcept;

  /// Says why no handler could deal with the event: handler_failed, or field_unfit; or that an observer threw. Null
  /// when all went well.
  const Error* error() const noexcept { return error_.code == Errc{} ? nullptr : &error_; }

 private:
  friend class Dispatcher;
  friend class detail::Callback;
  friend class detail::Registry;
  Context(const Event& event, std::int64_t deadline_ms, const Clock* clock) noexcept
      : event_(event), clock_(clock), deadline_ms_(deadline_ms) {}

  const Event& event_;
  const Clock* clock_;
  std::int64_t deadline_ms_;
  std::shared_ptr<detail::Pending> pending_;
  std::weak_ptr<const Deferred::Owner> deferred_;
  Error error_;
  bool unfit_ = false;  // as error_ says, unless something was thrown, too
  bool threw_ = false;
};

/// What stands behind a middleware: the next one, or at last the handler. Belongs to one call of the middleware.
class Next {
 public:
  /// Goes on. @return the verdict; Verdict::deferred where the handler deferred it.
  DINGCB_API Ack operator()() const;

 private:
  friend class detail::Registry;
  Next(const detail::Registry& registry, std::size_t position, Context& context) noexcept
      : registry_(registry), position_(position), context_(context) {}
  const detail::Registry& registry_;
  std::size_t position_;
  Context& context_;
};

namespace detail {

// The event of a handler that takes `(const E&)` or `(const E&, Context&)`.
template <class F, class = void>
struct HandlerArgument {
  using type = void;
};
template <class F>
struct HandlerArgument<F, std::void_t<decltype(&F::operator())>> : HandlerArgument<decltype(&F::operator())> {};
template <class R, class E, class... More>
struct HandlerArgument<R (*)(const E&, More...), void> {
  using type = E;
};
template <class R, class E, class... More>
struct HandlerArgument<R (*)(const E&, More...) noexcept, void> {
  using type = E;
};
template <class C, class R, class E, class... More>
struct HandlerArgument<R (C::*)(const E&, More...), void> {
  using type = E;
};
template <class C, class R, class E, class... More>
struct HandlerArgument<R (C::*)(const E&, More...) const, void> {
  using type = E;
};
template <class C, class R, class E, class... More>
struct HandlerArgument<R (C::*)(const E&, More...) noexcept, void> {
  using type = E;
};
template <class C, class R, class E, class... More>
struct HandlerArgument<R (C::*)(const E&, More...) const noexcept, void> {
  using type = E;
};

template <class F, class E>
Ack call_handler(F& handler, const E& event, Context& context) {
  constexpr bool kPlain = std::is_invocable_v<F&, const E&>;
  constexpr bool kWithContext = std::is_invocable_v<F&, const E&, Context&>;
  static_assert(kPlain || kWithContext,
                "dingcb: a handler takes `(const E&)` or `(const E&, dingcb::Context&)`, where E is an event");
  const auto call = [&]() -> decltype(auto) {
    if constexpr (kWithContext) {
      return handler(event, context);
    } else if constexpr (kPlain) {
      return handler(event);
    }
  };
  using R = decltype(call());
  static_assert(std::is_void_v<R> || std::is_same_v<std::decay_t<R>, Ack>,
                "dingcb: a handler returns `void` (the event is dealt with) or `dingcb::Ack`");
  if constexpr (std::is_void_v<R>) {
    call();
    return Ack();
  } else {
    return call();
  }
}

/// Handles an event, or says that its body does not fit by returning false.
using Handler = Function<bool(Context&, Ack&)>;

}  // namespace detail

/// Gives each event to its handler. Built once, immutable; a handle, whose copies share the handlers. dispatch() may be
/// called from any number of threads at once, and so are the handlers; it takes no lock and allocates nothing. The last
/// copy destroys the handlers with what they captured: a CallbackHandler's may go in the thread that gives the last
/// deferred verdict.
class Dispatcher {
 public:
  class Builder;

  /// Gives the event of the context to its handler, and the verdict back. A handler or middleware that throws gives
  /// Ack::retry() and Context::error() handler_failed. A body that does not fit goes to otherwise() like an unknown
  /// event; without otherwise() it gives Ack::drop(). In both cases Context::error() is field_unfit. An event that
  /// nobody takes is Ack::done(). Verdict::deferred: see Context::wait().
  DINGCB_API Ack dispatch(Context& context) const noexcept;

  /// Tells whether a handler, other than otherwise(), takes events of this type.
  DINGCB_API bool handles(const Event& event) const noexcept;

  /// Gives the wire types that have a handler, sorted: the `call_back_tag` list of the registration API. Without URL
  /// checks, to which nobody subscribes.
  DINGCB_API std::vector<std::string> subscribed_types() const;

 private:
  explicit Dispatcher(std::shared_ptr<const detail::Registry> registry) noexcept : registry_(std::move(registry)) {}
  std::shared_ptr<const detail::Registry> registry_;
};

/// Collects handlers. Use it in one thread, once.
class Dispatcher::Builder {
 public:
  DINGCB_API Builder();
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  /// Adds the handler of the event E: a callable `(const E&)` or `(const E&, Context&)` that returns void or Ack, where
  /// E is a struct of dingcb/events/, or one of your own with EventTraits.
  template <class F>
  Builder& on(F&& handler) {
    using Callable = std::decay_t<F>;
    using E = typename detail::HandlerArgument<Callable>::type;
    static_assert(!std::is_void_v<E>,
                  "dingcb: on() finds the event in the parameter of the handler, which must be one callable that takes "
                  "`(const E&)` or `(const E&, dingcb::Context&)`; `auto` does not tell it");
    static_assert(!std::is_same_v<E, Event>,
                  "dingcb: a handler of `const dingcb::Event&` takes every event; give it to otherwise(), observe() or "
                  "on_type()");
    if constexpr (!std::is_void_v<E> && !std::is_same_v<E, Event>) {
      const detail::DecodePlan& plan = detail::plan_of<E>();
      detail::Handler typed;
      if (!detail::is_empty<Callable>(handler)) {
        typed = [call = Callable(std::forward<F>(handler))](Context& context, Ack& ack) mutable {
          const E* const event = context.event().template get_if<E>();
          if (event != nullptr) {
            ack = detail::call_handler(call, *event, context);
          } else {
            context.error_ = *context.event().template why_not<E>();
            context.unfit_ = true;
          }
          return event != nullptr;
        };
      }
      add(plan.type, std::move(typed));
    }
    return *this;
  }

  /// Adds the handler of a wire type that this release does not know, or that you want untyped: a callable
  /// `(const Event&)` or `(const Event&, Context&)`.
  template <class F>
  Builder& on_type(std::string_view type, F&& handler) {
    add(type, untyped(std::forward<F>(handler)));
    return *this;
  }

  /// Sets who takes all other events, and those whose body does not fit.
  template <class F>
  Builder& otherwise(F&& handler) {
    add_otherwise(untyped(std::forward<F>(handler)));
    return *this;
  }

  /// Adds an observer, which is told every event with its verdict, Verdict::deferred where that comes later: a callable
  /// `(const Event&, const Ack&)`. It cannot change the verdict; what it throws is reported as handler_failed and
  /// changes nothing else.
  DINGCB_API Builder& observe(detail::Function<void(const Event&, const Ack&)> observer);

  /// Wraps everything that is added, observers excepted: a callable `(Context&, const Next&)` that returns Ack, and
  /// calls the Next to go on. Those that are added first are outermost. The verdict of the outermost counts; another
  /// one in place of Verdict::deferred settles what was deferred.
  DINGCB_API Builder& use(detail::Function<Ack(Context&, const Next&)> middleware);

  /// Makes the Dispatcher; the Builder is empty afterwards.
  /// @error duplicate_handler: two handlers of one event. handler_missing: an empty handler, or on_type() without a
  ///   type. The message lists all mistakes, not only the first.
  DINGCB_API Result<Dispatcher> build();

 private:
  template <class F>
  static detail::Handler untyped(F&& handler) {
    using Callable = std::decay_t<F>;
    if (detail::is_empty<Callable>(handler)) return {};
    return [call = Callable(std::forward<F>(handler))](Context& context, Ack& ack) mutable {
      ack = detail::call_handler(call, context.event(), context);
      return true;
    };
  }
  DINGCB_API void add(std::string_view type, detail::Handler handler);
  DINGCB_API void add_otherwise(detail::Handler handler);

  std::shared_ptr<detail::Registry> registry_;
};

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/dispatcher.ipp>
#endif
