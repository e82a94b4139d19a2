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

/// Budgets are at most a year, which neither this sum nor the library's own sum for a wait can overflow.
inline std::int64_t deadline_after(std::int64_t now_ms, Milliseconds budget) noexcept {
  constexpr std::int64_t kYear = std::int64_t{365} * 24 * 3600 * 1000;
  return now_ms + std::min(std::max<std::int64_t>(0, budget.count()), kYear);
}

/// What DingTalk says where it checks a URL: nothing that happened.
inline bool is_url_check(Kind kind) noexcept {
  return kind == Kind::check_url || kind == Kind::check_create_suite_url || kind == Kind::check_update_suite_url;
}

/// The verdict of a handler that deferred it: given once, by the handler or by the deadline.
class Pending {
 public:
  /// Told the verdict, in the thread that gives it.
  class Listener {
   public:
    Listener() = default;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    /// @param dropped nobody gave a verdict, and nobody can any more.
    virtual void settled(const Ack& ack, bool dropped) noexcept = 0;

   protected:
    ~Listener() = default;
  };

  explicit Pending(const Event& event) noexcept : event_(event) {}

  /// Makes a verdict without allocating. @param why refers to a literal.
  static Ack make(Verdict verdict, Message why = {}) noexcept { return Ack(verdict, {}, std::move(why)); }
  static Ack too_late() noexcept {
    return make(Verdict::retry, Message::literal("the deferred verdict did not come in time"));
  }

  const Event& event() const noexcept { return event_; }

  bool settled() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ack_.has_value();
  }
  bool dropped() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return dropped_;
  }

  /// Gives the verdict's reason; empty before there is one.
  Message why() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ack_ ? ack_->why() : Message();
  }

  bool settle(Ack ack, bool dropped = false) noexcept {
    std::shared_ptr<Listener> listener;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (ack_) return false;
      ack_.emplace(std::move(ack));
      dropped_ = dropped;
      listener = std::move(listener_);
      settled_.notify_all();
    }
    // Nobody changes the verdict any more.
    if (listener != nullptr) listener->settled(*ack_, dropped_);
    return true;
  }

  /// Waits for the verdict, at most until `timeout` has passed; then it is too_late().
  Ack wait(Milliseconds timeout) noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    settled_.wait_for(lock, std::chrono::milliseconds(timeout.count()), [this] { return ack_.has_value(); });
    if (!ack_) ack_.emplace(too_late());
    return *ack_;
  }

  /// Tells `listener` the verdict, now or later.
  void listen(std::shared_ptr<Listener> listener) noexcept {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!ack_) {
        listener_ = std::move(listener);
        return;
      }
    }
    listener->settled(*ack_, dropped_);
  }

 private:
  const Event event_;
  mutable std::mutex mutex_;
  std::condition_variable settled_;
  std::optional<Ack> ack_;
  bool dropped_ = false;
  std::shared_ptr<Listener> listener_;
};

/// What a Builder collects and a Dispatcher uses.
class Registry {
 public:
  void add(std::string_view type, Handler handler) {
    if (!handler) missing_.push_back("an empty handler for \"" + std::string(type) + '"');
    if (type.empty()) {
      missing_.emplace_back("on_type() without a type");
    } else {
      routes_.push_back({std::string(type), std::move(handler)});
    }
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
      } else if (context.unfit_) {
        ack = Pending::make(Verdict::drop, context.error_.message);
      }
    }
    return context.pending_ == nullptr ? ack : Pending::make(Verdict::deferred);
  }

  Ack dispatch(Context& context) const noexcept {
    Ack ack;
    if (!guard(context, "the handler", [&] { ack = next(0, context); })) {
      context.error_.code = Errc::handler_failed;
      ack = Pending::make(Verdict::retry, context.error_.message);
    } else if (ack.verdict() == Verdict::deferred && context.pending_ == nullptr) {
      ack = Pending::make(Verdict::retry, Message::literal("a deferred verdict of another event was returned"));
    }
    if (context.pending_ != nullptr && ack.verdict() != Verdict::deferred) context.pending_->settle(ack);
    for (const auto& observer : observers_) {
      guard(context, "an observer", [&] { observer(context.event_, ack); });
    }
    return ack;
  }

  std::vector<std::string> types() const {
    std::vector<std::string> types;
    types.reserve(routes_.size());
    for (const Route& route : routes_) {
      if (!is_url_check(kind_of(route.type))) types.push_back(route.type);
    }
    return types;
  }

 private:
  struct Route {
    std::string type;
    Handler handler;
  };

  /// @return whether `call` did not throw. What it threw is put down in the context, beside what stands there.
  template <class Call>
  static bool guard(Context& context, const char* who, Call call) noexcept {
#if defined(__cpp_exceptions)
    try {
      call();
    } catch (const std::exception& exception) {
      put_down(context, who, exception.what());
      return false;
    } catch (...) {
      put_down(context, who, "an exception that is no std::exception");
      return false;
    }
#else
    static_cast<void>(context);
    static_cast<void>(who);
    call();
#endif
    return true;
  }

#if defined(__cpp_exceptions)
  static void put_down(Context& context, const char* who, const char* what) noexcept {
    context.threw_ = true;
    Error& error = context.error_;
    if (error.code == Errc{}) error.code = Errc::handler_failed;
    try {
      std::string text = error.message.empty() ? std::string() : error.message.str() + "; ";
      text.append(who).append(" of \"").append(context.event_.type()).append("\" threw: ").append(what);
      error.message = Message(std::move(text));
    } catch (...) {
      error.message = Message::literal("a handler or observer threw, and there is no memory to say what");
    }
  }
#endif

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
  ~Owner() { pending->settle(detail::Pending::make(Verdict::retry, dropped()), true); }

  static Message dropped() noexcept { return Message::literal("the handler deferred its verdict and never gave it"); }

  const std::shared_ptr<detail::Pending> pending;
};

DINGCB_INLINE bool Deferred::settle(Ack ack) const noexcept {
  if (ack.verdict() == Verdict::deferred) {
    ack = detail::Pending::make(Verdict::retry, Message::literal("a deferred verdict was settled with another one"));
  }
  return owner_->pending->settle(std::move(ack));
}
DINGCB_INLINE bool Deferred::settled() const noexcept { return owner_->pending->settled(); }
DINGCB_INLINE const Event& Deferred::event() const noexcept { return owner_->pending->event(); }

DINGCB_INLINE Context::Context(const Event& event, Milliseconds budget, const Clock* clock) noexcept
    : event_(event), clock_(clock), deadline_ms_(detail::deadline_after(detail::steady_ms(clock), budget)) {}

DINGCB_INLINE Context::~Context() {
  if (pending_ == nullptr) return;
  pending_->settle(detail::Pending::make(Verdict::retry, Message::literal("nobody waits for the deferred verdict")));
}

DINGCB_INLINE Milliseconds Context::remaining() const noexcept {
  return Milliseconds(std::max<std::int64_t>(0, deadline_ms_ - detail::steady_ms(clock_)));
}

DINGCB_INLINE Deferred Context::defer() {
  std::shared_ptr<const Deferred::Owner> owner = deferred_.lock();
  if (owner == nullptr) {
    auto pending = pending_ != nullptr ? pending_ : std::make_shared<detail::Pending>(event_);
    owner = std::make_shared<const Deferred::Owner>(pending);
    pending_ = std::move(pending);  // not before it has an owner, so that a verdict always comes
    deferred_ = owner;
  }
  return Deferred(std::move(owner));
}

DINGCB_INLINE Ack Context::wait(Ack ack) const noexcept {
  if (ack.verdict() != Verdict::deferred || pending_ == nullptr) return ack;
  return pending_->wait(remaining());
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

DINGCB_INLINE void Dispatcher::Builder::add(std::string_view type, detail::Handler handler) {
  registry_->add(type, std::move(handler));
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
