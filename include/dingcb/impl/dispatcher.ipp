// Bodies of dispatcher.hpp.
#pragma once

#include <dingcb/dispatcher.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Milliseconds that only ever grow, for deadlines. An injected clock is taken as it is.
inline std::int64_t steady_ms(const Clock* clock) noexcept {
  if (clock != nullptr) return clock->unix_ms();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The verdict of a handler that deferred it: given once, by the handler or by the deadline.
class Pending {
 public:
  explicit Pending(const Event& event) noexcept : event_(event) {}

  const Event& event() const noexcept { return event_; }

  bool settled() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ack_.has_value();
  }

  bool settle(Ack ack) noexcept {
    Function<void(const Ack&)> listener;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (ack_) return false;
      ack_.emplace(std::move(ack));
      listener = std::move(listener_);
      settled_.notify_all();
    }
    // Nobody changes the verdict any more.
    if (listener) listener(*ack_);
    return true;
  }

  /// Waits for the verdict, at most until `timeout` has passed; then it is `late`.
  Ack wait(Milliseconds timeout, Ack late) noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    settled_.wait_for(lock, std::chrono::milliseconds(timeout.count()), [this] { return ack_.has_value(); });
    if (!ack_) ack_.emplace(std::move(late));
    return *ack_;
  }

  /// Calls `listener` with the verdict, now or later, in the thread that gives it.
  void listen(Function<void(const Ack&)> listener) noexcept {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!ack_) {
        listener_ = std::move(listener);
        return;
      }
    }
    listener(*ack_);
  }

 private:
  const Event event_;
  mutable std::mutex mutex_;
  std::condition_variable settled_;
  std::optional<Ack> ack_;
  Function<void(const Ack&)> listener_;
};

/// What a Builder collects and a Dispatcher uses.
class Registry {
 public:
  void add(std::string type, Handler handler) {
    if (type.empty()) missing_.emplace_back("on_type() without a type");
    if (!handler) missing_.push_back("an empty handler for \"" + type + '"');
    routes_.push_back({std::move(type), std::move(handler)});
  }

  void add_otherwise(Handler handler) {
    if (!handler) missing_.emplace_back("an empty handler for otherwise()");
    if (otherwise_) twice_.emplace_back("otherwise()");
    otherwise_ = std::move(handler);
  }

  void add_observer(Function<void(const Event&, const Ack&)> observer) {
    if (!observer) missing_.emplace_back("an empty observer");
    observers_.push_back(std::move(observer));
  }

  void add_middleware(Function<Ack(Context&, const Next&)> middleware) {
    if (!middleware) missing_.emplace_back("an empty middleware");
    middleware_.push_back(std::move(middleware));
  }

  Error finish() {
    std::sort(routes_.begin(), routes_.end(), [](const Route& a, const Route& b) { return a.type < b.type; });
    for (std::size_t i = 1; i < routes_.size(); ++i) {
      if (routes_[i].type == routes_[i - 1].type && (twice_.empty() || twice_.back() != routes_[i].type)) {
        twice_.push_back(routes_[i].type);
      }
    }
    if (!twice_.empty() || !missing_.empty()) {
      std::string text;
      for (const std::string& type : twice_) text += (text.empty() ? "" : "; ") + ("two handlers for " + type);
      for (const std::string& what : missing_) text += (text.empty() ? "" : "; ") + what;
      return Error{twice_.empty() ? Errc::handler_missing : Errc::duplicate_handler, Message(std::move(text)), nullptr};
    }
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      const Kind kind = kind_of(routes_[i].type);
      if (kind != Kind::unknown) by_kind_[static_cast<std::size_t>(kind)] = static_cast<std::uint32_t>(i + 1);
    }
    return Error{};
  }

  const Handler* find(const Event& event) const noexcept {
    if (event.kind() != Kind::unknown) {
      const std::uint32_t route = by_kind_[static_cast<std::size_t>(event.kind())];
      return route == 0 ? nullptr : &routes_[route - 1].handler;
    }
    const auto found = std::lower_bound(routes_.begin(), routes_.end(), event.type(),
                                        [](const Route& route, std::string_view type) { return route.type < type; });
    return found != routes_.end() && found->type == event.type() ? &found->handler : nullptr;
  }

  Ack next(std::size_t position, Context& context) const {
    if (position < middleware_.size()) return middleware_[position](context, Next(*this, position + 1, context));
    Ack ack;
    const Handler* const handler = find(context.event_);
    if (handler == nullptr || !(*handler)(context, ack)) {
      if (otherwise_) {
        otherwise_(context, ack);
      } else if (context.error_.code == Errc::field_unfit) {
        ack = Ack::drop(context.error_.message.str());
      }
    }
    return context.pending_ == nullptr ? ack : Context::deferred();
  }

  Ack dispatch(Context& context) const noexcept {
    Ack ack = guard(context, [&] { return next(0, context); });
    for (const auto& observer : observers_) {
      guard(context, [&] {
        observer(context.event_, ack);
        return Ack();
      });
    }
    return ack;
  }

  std::vector<std::string> types() const {
    std::vector<std::string> types;
    types.reserve(routes_.size());
    for (const Route& route : routes_) types.push_back(route.type);
    return types;
  }

 private:
  struct Route {
    std::string type;
    Handler handler;
  };

  template <class Call>
  static Ack guard(Context& context, Call call) noexcept {
#if defined(__cpp_exceptions)
    try {
      return call();
    } catch (const std::exception& exception) {
      return failed(context, exception.what());
    } catch (...) {
      return failed(context, "an exception that is no std::exception");
    }
#else
    static_cast<void>(context);
    return call();
#endif
  }

  static Ack failed(Context& context, const char* what) noexcept {
    const std::string& type = context.event_.header().type;
    context.error_ = Error{Errc::handler_failed, Message("the handler of \"" + type + "\" threw: " + what), nullptr};
    return Ack::retry({}, context.error_.message.str());
  }

  std::vector<Route> routes_;                        // sorted by type
  std::array<std::uint32_t, kKindCount> by_kind_{};  // position in routes_ and 1; 0 for none
  Handler otherwise_;
  std::vector<Function<void(const Event&, const Ack&)>> observers_;
  std::vector<Function<Ack(Context&, const Next&)>> middleware_;
  std::vector<std::string> twice_;
  std::vector<std::string> missing_;
};

}  // namespace detail

/// Shared by the copies of a Deferred; what the last of them leaves undecided is retried.
struct Deferred::Owner {
  explicit Owner(std::shared_ptr<detail::Pending> to_settle) noexcept : pending(std::move(to_settle)) {}
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() { pending->settle(Ack::retry({}, "the handler deferred its verdict and never gave it")); }

  const std::shared_ptr<detail::Pending> pending;
};

DINGCB_INLINE bool Deferred::settle(Ack ack) const noexcept {
  if (ack.verdict() == Verdict::deferred) ack = Ack::retry({}, "a deferred verdict was settled with another one");
  return owner_->pending->settle(std::move(ack));
}
DINGCB_INLINE bool Deferred::settled() const noexcept { return owner_->pending->settled(); }
DINGCB_INLINE const Event& Deferred::event() const noexcept { return owner_->pending->event(); }

DINGCB_INLINE Context::Context(const Event& event, Milliseconds budget, const Clock* clock) noexcept
    : event_(event), clock_(clock), deadline_ms_(detail::steady_ms(clock) + budget.count()) {}

DINGCB_INLINE Milliseconds Context::remaining() const noexcept {
  return Milliseconds(std::max<std::int64_t>(0, deadline_ms_ - detail::steady_ms(clock_)));
}

DINGCB_INLINE Deferred Context::defer() {
  if (pending_ == nullptr) pending_ = std::make_shared<detail::Pending>(event_);
  return Deferred(std::make_shared<const Deferred::Owner>(pending_));
}

DINGCB_INLINE Ack Context::wait() const noexcept {
  if (pending_ == nullptr) return Ack();
  return pending_->wait(remaining(), Ack::retry({}, "the deferred verdict did not come in time"));
}

DINGCB_INLINE Ack Next::operator()() const { return registry_.next(position_, context_); }

DINGCB_INLINE Ack Dispatcher::dispatch(Context& context) const noexcept { return registry_->dispatch(context); }
DINGCB_INLINE bool Dispatcher::handles(const Event& event) const noexcept { return registry_->find(event) != nullptr; }
DINGCB_INLINE std::vector<std::string> Dispatcher::subscribed_types() const { return registry_->types(); }

DINGCB_INLINE Dispatcher::Builder::Builder() : registry_(std::make_shared<detail::Registry>()) {}

DINGCB_INLINE Dispatcher::Builder& Dispatcher::Builder::observe(
    detail::Function<void(const Event&, const Ack&)> observer) {
  registry_->add_observer(std::move(observer));
  return *this;
}

DINGCB_INLINE Dispatcher::Builder& Dispatcher::Builder::use(detail::Function<Ack(Context&, const Next&)> middleware) {
  registry_->add_middleware(std::move(middleware));
  return *this;
}

DINGCB_INLINE void Dispatcher::Builder::add(std::string type, detail::Handler handler) {
  registry_->add(std::move(type), std::move(handler));
}

DINGCB_INLINE void Dispatcher::Builder::add_otherwise(detail::Handler handler) {
  registry_->add_otherwise(std::move(handler));
}

DINGCB_INLINE Result<Dispatcher> Dispatcher::Builder::build() {
  const std::shared_ptr<detail::Registry> registry = std::exchange(registry_, std::make_shared<detail::Registry>());
  Error error = registry->finish();
  if (error.code != Errc{}) return error;
  return Dispatcher(registry);
}

DINGCB_NAMESPACE_END
