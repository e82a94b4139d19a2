// Bodies of callback_handler.hpp.
#pragma once

#include <dingcb/callback_handler.hpp>
#include <dingcb/impl/callback_counters.ipp>
#include <dingcb/impl/callback_request.ipp>
#include <dingcb/impl/dispatcher.ipp>
#include <dingcb/impl/encryptor.ipp>
#include <dingcb/impl/events/catalogue.ipp>
#include <dingcb/impl/inbox.ipp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

inline int status_of(Errc code) noexcept {
  switch (code) {
    case Errc::request_malformed:
    case Errc::timestamp_missing:
    case Errc::nonce_missing:
    case Errc::ciphertext_empty:
    case Errc::base64_malformed:
    case Errc::ciphertext_not_block_multiple:
    case Errc::timestamp_malformed: return 400;
    case Errc::input_too_large: return 413;
    case Errc::signature_failed:
    case Errc::encryption_failed:
    case Errc::decryption_failed:
    case Errc::random_failed:
    case Errc::plaintext_too_long:
    case Errc::not_utf8:
    case Errc::json_malformed:
    case Errc::json_too_deep:
    case Errc::envelope_malformed:
    case Errc::event_type_missing:
    case Errc::out_of_memory: return 500;
    case Errc::inbox_full:
    case Errc::inbox_locked:
    case Errc::inbox_corrupt:
    case Errc::inbox_schema:
    case Errc::inbox_failed: return 503;
    default: return 403;
  }
}

inline Response response_of(int status) noexcept {
  Response response;
  response.status = status;
  // Short enough for the string itself, so that it can be said without memory, too.
  response.body = status >= 500 ? "try again" : "refused";
  return response;
}

/// Events on their way into the inbox.
struct Storing {
  std::vector<StoredEvent> events;
  Inbox::PutDone done;
};

/// A request on its way to an answer.
struct Call {
  std::shared_ptr<const Identity> opener;
  std::string answer = "success";
  std::vector<std::shared_ptr<Pending>> pending;  // verdicts that were deferred, or that of the inbox
  std::shared_ptr<std::atomic<Errc>> refusal;     // why the inbox did not take the events
  Storing storing;                                // until put() takes it
  Outcome outcome;
  std::int64_t started_us = 0;
  std::int64_t deadline_ms = INT64_MAX;
  std::int64_t wait_until_ms = INT64_MAX;
  bool retry = false;
};

class Callback : public std::enable_shared_from_this<Callback> {
 public:
  Callback(const Encryptor& encryptor, Dispatcher dispatcher, CallbackOptions options)
      : engine_(EngineOf::get(encryptor)), dispatcher_(std::move(dispatcher)), options_(std::move(options)) {}

  Response handle(const Request& request) noexcept {
    Call call;
    begin(call);
    Response response = guard(request, call, [&] {
      const Error error = process(request, call);
      if (error.code != Errc{}) return refuse(request, call, error);
      put(std::move(call.storing));
      for (const std::shared_ptr<Pending>& verdict : call.pending) {
        const Ack ack = verdict->wait(Milliseconds(std::max<std::int64_t>(0, call.wait_until_ms - now_ms())));
        if (settle(ack, verdict->dropped())) call.retry = true;
      }
      return reply(request, call);
    });
    finish(request, call, response);
    counters_.finish();
    return response;
  }

  void handle(const Request& request, CallbackHandler::Completion on_response) noexcept {
    Call call;
    begin(call);
    bool waits = false;
    Response response = guard(request, call, [&] {
      const Error error = process(request, call);
      if (error.code != Errc{}) return refuse(request, call, error);
      if (call.pending.empty()) return reply(request, call);
      Storing storing = std::move(call.storing);
      wait_for(call, on_response);
      waits = true;
      put(std::move(storing));
      return Response();
    });
    if (waits) return;
    finish(request, call, response);
    tell(on_response, std::move(response));
    counters_.finish();
  }

  std::size_t expire() noexcept {
    std::shared_ptr<Waiting> due;
    std::size_t left = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const std::int64_t now = now_ms();
      // From behind, because the last one takes the place of one that is taken out.
      for (std::size_t i = waiting_.size(); i-- > 0;) {
        if (waiting_[i]->deadline_ms > now) continue;
        std::shared_ptr<Waiting> waiting = take_out(i);
        waiting->next_due = std::move(due);
        due = std::move(waiting);
      }
      left = waiting_.size();
    }
    for (; due != nullptr; due = std::move(due->next_due)) {
      for (const std::shared_ptr<Pending>& verdict : due->call.pending) verdict->settle(Pending::too_late());
    }
    return left;
  }

  std::size_t in_flight() const noexcept {
    // First, because whatever is seen to have finished is then seen to have begun, too.
    const std::uint64_t finished = counters_.get(Count::finished);
    return static_cast<std::size_t>(counters_.get(Count::received) - finished);
  }

  CallbackStats stats() const noexcept {
    CallbackStats stats;
    stats.received = counters_.get(Count::received);
    stats.refused = counters_.get(Count::refused);
    stats.broken = counters_.get(Count::broken);
    stats.checks = counters_.get(Count::checks);
    stats.events = counters_.get(Count::events);
    stats.done = counters_.get(Count::done);
    stats.retried = counters_.get(Count::retried);
    stats.dropped = counters_.get(Count::dropped);
    stats.stored = counters_.get(Count::stored);
    stats.duplicates = counters_.get(Count::duplicates);
    stats.unknown = counters_.get(Count::unknown);
    stats.unhandled = counters_.get(Count::unhandled);
    stats.unfit = counters_.get(Count::unfit);
    stats.failed = counters_.get(Count::failed);
    stats.late = counters_.get(Count::late);
    return stats;
  }

  std::uint64_t refused(Errc code) const noexcept {
    const auto index = static_cast<std::size_t>(code);
    return index < by_code_.size() ? by_code_[index].load(std::memory_order_relaxed) : 0;
  }

  Diagnosis diagnose(const Request& request) const {
    const Query query = query_of(request);
    std::string_view encrypt;
    std::string buffer;
    if (!Body(request.body).find(encrypt, buffer)) encrypt = {};
    return engine_->diagnose({query.signature(), query.timestamp(), query.nonce(), encrypt});
  }

 private:
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  /// A request whose answer waits for verdicts.
  struct Waiting final : Pending::Listener {
    Waiting(std::shared_ptr<Callback> for_callback, std::int64_t until_ms, CallbackHandler::Completion to_tell) noexcept
        : callback(std::move(for_callback)), deadline_ms(until_ms), on_response(std::move(to_tell)) {}

    void settled(const Ack& ack, bool dropped) noexcept override {
      if (callback->settle(ack, dropped)) retry.store(true, std::memory_order_relaxed);
      arrive();
    }
    void arrive() noexcept {
      if (missing.fetch_sub(1, std::memory_order_acq_rel) == 1) callback->complete(*this);
    }

    const std::shared_ptr<Callback> callback;
    const std::int64_t deadline_ms;
    const CallbackHandler::Completion on_response;
    Call call;  // its `pending` is what expire() reads, and changes no more
    std::atomic<bool> retry{false};
    std::atomic<std::size_t> missing{0};  // verdicts, and handle() itself: the last to arrive answers
    std::size_t position = kNowhere;      // in waiting_
    std::shared_ptr<Waiting> next_due;
  };

  static Query query_of(const Request& request) noexcept {
    return request.query.empty() ? Query(request.signature, request.timestamp, request.nonce) : Query(request.query);
  }

  std::int64_t now_ms() const noexcept { return steady_ms(options_.clock.get()); }
  std::int64_t now_us() const noexcept {
    if (options_.clock != nullptr) return options_.clock->unix_ms() * 1000;
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  void begin(Call& call) noexcept {
    call.started_us = now_us();
    counters_.add(Count::received);
  }

  /// Counts and reports the answer.
  void finish(const Request& request, Call& call, const Response& response) noexcept {
    const std::int64_t now = now_us();
    call.outcome.status = response.status;
    if (call.opener != nullptr) call.outcome.label = call.opener->label;
    call.outcome.micros = now - call.started_us;
    call.outcome.late = now / 1000 >= call.deadline_ms;
    if (call.outcome.late) {
      counters_.add(Count::late);
      report(request, Errc::answer_late,
             Message::literal("the answer is later than DingTalk waits for; store the event and handle it afterwards"));
    }
    tell(options_.on_outcome, call.outcome);
  }

  void report(const Request& request, Errc code, Message message) noexcept {
    tell(options_.on_error, request, Error{code, std::move(message), nullptr});
  }

  /// Nothing in `make` throws but for want of memory.
  template <class Make>
  Response guard(const Request& request, Call& call, Make make) noexcept {
#if defined(__cpp_exceptions)
    try {
      return make();
    } catch (...) {
      const Error error = fail(Errc::out_of_memory, "there is no memory");
      for (const std::shared_ptr<Pending>& verdict : call.pending) {
        verdict->settle(Pending::make(Verdict::retry, error.message));
      }
      return refuse(request, call, error);
    }
#else
    static_cast<void>(request);
    static_cast<void>(call);
    return make();
#endif
  }

  Response refuse(const Request& request, Call& call, const Error& error) noexcept {
    const int status = status_of(error.code);
    counters_.add(status >= 500 ? Count::broken : Count::refused);
    by_code_[static_cast<std::size_t>(error.code)].fetch_add(1, std::memory_order_relaxed);
    call.outcome.error = error.code;
    call.deadline_ms = INT64_MAX;
    tell(options_.on_error, request, error);
    return response_of(status);
  }

  /// Opens the push and dispatches its events. @return why it has to be refused; Errc{} where it has not.
  Error process(const Request& request, Call& call) {
    if (!options_.senders.empty() && !options_.senders.contains(request.sender)) {
      return fail(Errc::sender_refused, "the address of the sender is not in the list");
    }
    if (request.body.size() > options_.max_body_size) {
      return fail(Errc::input_too_large, "the body is larger than max_body_size");
    }
    const Query query = query_of(request);
    std::string_view encrypt;
    std::string buffer;
    if (!query.fits() || !Body(request.body).find(encrypt, buffer)) {
      return fail(
          Errc::request_malformed,
          "the request is no push: its body is no JSON object with a text \"encrypt\", or a query parameter is too "
          "long; pass the raw query string and the raw body");
    }
    std::string plaintext;
    const Push push{query.signature(), query.timestamp(), query.nonce(), encrypt};
    if (auto opened = engine_->decrypt(push, plaintext, call.opener); !opened) return std::move(opened).error();
    auto events = parse_push(std::move(plaintext));
    if (!events) return std::move(events).error();
    if (events->size() == 1 && is_url_check(events->front().kind()) &&
        events->front().header().source == Source::http) {
      check_url(events->front(), call);
    } else {
      dispatch(request, *events, call);
    }
    return Error{};
  }

  void check_url(const Event& event, Call& call) {
    counters_.add(Count::checks);
    const std::string_view random = event.json()["Random"].as_text();
    if (options_.echo_random && event.kind() != Kind::check_url && !random.empty()) call.answer = random;
  }

  void dispatch(const Request& request, const std::vector<Event>& events, Call& call) {
    const bool rows = !events.empty() && events.front().header().source == Source::sync_http;
    const std::int64_t started_ms = call.started_us / 1000;
    call.deadline_ms = deadline_after(started_ms, rows ? options_.sync_http_deadline : options_.http_deadline);
    call.wait_until_ms = call.deadline_ms;
    call.outcome.events = events.size();
    counters_.add(Count::events, events.size());
    for (const Event& event : events) {
      if (event.kind() == Kind::unknown) counters_.add(Count::unknown);
      if (!dispatcher_.handles(event)) {
        counters_.add(Count::unhandled);
        tell(options_.on_unhandled, event);
      }
    }
    if (options_.inbox != nullptr) {
      // A refusal that comes in time makes DingTalk repeat the push; one that comes late may count as lost.
      call.wait_until_ms -= (call.deadline_ms - started_ms) / 10;
      if (!events.empty()) store(events, call);
      return;
    }
    for (const Event& event : events) {
      Context context(event, call.deadline_ms, options_.clock.get());
      const Ack ack = dispatcher_.dispatch(context);
      if (context.unfit_) counters_.add(Count::unfit);
      if (context.threw_) counters_.add(Count::failed);
      if (const Error* const error = context.error()) tell(options_.on_error, request, *error);
      if (ack.verdict() == Verdict::deferred) {
        call.pending.push_back(std::move(context.pending_));
      } else if (count(ack)) {
        call.retry = true;
      }
    }
  }

  /// Prepares what put() takes, the end of which is waited for like a deferred verdict.
  void store(const std::vector<Event>& events, Call& call) {
    call.storing.events.reserve(events.size());
    for (const Event& event : events) call.storing.events.push_back(StoredEvent::of(event));
    const auto pending = std::make_shared<Pending>(events.front());
    call.refusal = std::make_shared<std::atomic<Errc>>(Errc{});
    call.storing.done = [callback = shared_from_this(), pending,
                         refusal = call.refusal](const Result<PutCount>& count) {
      if (count) {
        callback->counters_.add(Count::stored, count->stored);
        callback->counters_.add(Count::duplicates, count->duplicates);
        pending->settle(Ack::done());
      } else {
        refusal->store(count.error().code);
        pending->settle(Pending::make(Verdict::retry, count.error().message));
      }
    };
    call.pending.push_back(pending);
  }

  /// Puts events into the inbox, which may hold the thread for as long as it likes: their answer is waited for already.
  void put(Storing storing) noexcept {
    if (!storing.done) return;
    const auto failed = ask([&]() -> Result<void> {
      options_.inbox->put_later(std::move(storing.events), storing.done);
      return {};
    });
    if (!failed) tell(storing.done, Result<PutCount>(failed.error()));
  }

  /// @return whether the event has to come again.
  bool count(const Ack& ack) noexcept {
    switch (ack.verdict()) {
      case Verdict::done: counters_.add(Count::done); return false;
      case Verdict::drop: counters_.add(Count::dropped); return false;
      default: counters_.add(Count::retried); return true;
    }
  }

  /// Counts a verdict that was deferred.
  bool settle(const Ack& ack, bool dropped) noexcept {
    if (dropped) {
      counters_.add(Count::failed);
      report(Request{}, Errc::handler_failed, ack.why());
    }
    if (options_.inbox != nullptr) return ack.verdict() != Verdict::done;
    return count(ack);
  }

  Response reply(const Request& request, Call& call) {
    if (call.retry && call.refusal != nullptr) return refuse_unstored(request, call);
    if (call.retry) return response_of(503);
    Response response;
    if (auto sealed = engine_->encrypt_reply(call.answer, *call.opener, response.body); !sealed) {
      return refuse(request, call, sealed.error());
    }
    response.status = 200;
    response.content_type = "application/json";
    return response;
  }

  Response refuse_unstored(const Request& request, Call& call) noexcept {
    Error error{call.refusal->load(), call.pending.front()->why(), nullptr};
    if (error.code == Errc{}) {
      error = fail(Errc::inbox_failed, "the inbox did not store the events before the answer was due");
    }
    const std::int64_t deadline_ms = call.deadline_ms;
    Response response = refuse(request, call, error);
    call.deadline_ms = deadline_ms;  // the push is genuine, so that its answer may be late
    return response;
  }

  /// Answers `call` once its verdicts are there. Where this throws it has done nothing.
  void wait_for(Call& call, const CallbackHandler::Completion& on_response) {
    const auto waiting = std::make_shared<Waiting>(shared_from_this(), call.wait_until_ms, on_response);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      waiting_.push_back(waiting);
      waiting->position = waiting_.size() - 1;
      waiting->missing = call.pending.size() + 1;
      waiting->call = std::move(call);
    }
    for (const std::shared_ptr<Pending>& verdict : waiting->call.pending) verdict->listen(waiting);
    waiting->arrive();
  }

  void complete(Waiting& waiting) noexcept {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (waiting.position != kNowhere) take_out(waiting.position);
    }
    const Request gone{};
    Call& call = waiting.call;
    call.retry = call.retry || waiting.retry.load(std::memory_order_relaxed);
    Response response = guard(gone, call, [&] { return reply(gone, call); });
    finish(gone, call, response);
    tell(waiting.on_response, std::move(response));
    counters_.finish();
  }

  /// With the mutex held.
  std::shared_ptr<Waiting> take_out(std::size_t position) noexcept {
    std::shared_ptr<Waiting> waiting = std::move(waiting_[position]);
    waiting->position = kNowhere;
    if (position + 1 < waiting_.size()) {
      waiting_[position] = std::move(waiting_.back());
      waiting_[position]->position = position;
    }
    waiting_.pop_back();
    return waiting;
  }

  const std::shared_ptr<Engine> engine_;
  const Dispatcher dispatcher_;
  const CallbackOptions options_;
  Counters counters_;
  std::array<std::atomic<std::uint64_t>, 64> by_code_{};
  static_assert(static_cast<std::size_t>(Errc::lease_lost) < 64, "by_code_ has a place for each Errc");
  std::mutex mutex_;
  std::vector<std::shared_ptr<Waiting>> waiting_;
};

}  // namespace detail

DINGCB_INLINE CallbackHandler::CallbackHandler(const Encryptor& encryptor, Dispatcher dispatcher, Options options)
    : callback_(std::make_shared<detail::Callback>(encryptor, std::move(dispatcher), std::move(options))) {}

DINGCB_INLINE Response CallbackHandler::handle(const Request& request) const noexcept {
  return callback_->handle(request);
}
DINGCB_INLINE void CallbackHandler::handle(const Request& request, Completion on_response) const noexcept {
  callback_->handle(request, std::move(on_response));
}
DINGCB_INLINE std::size_t CallbackHandler::expire() const noexcept { return callback_->expire(); }
DINGCB_INLINE std::size_t CallbackHandler::in_flight() const noexcept { return callback_->in_flight(); }
DINGCB_INLINE CallbackStats CallbackHandler::stats() const noexcept { return callback_->stats(); }
DINGCB_INLINE std::uint64_t CallbackHandler::refused(Errc code) const noexcept { return callback_->refused(code); }

DINGCB_INLINE Diagnosis CallbackHandler::diagnose(const Request& request) const { return callback_->diagnose(request); }

DINGCB_INLINE std::string handler_for(const Event& event) {
  if (event.type().empty()) return ".otherwise([](const dingcb::Event& event) {})";
  if (event.kind() != Kind::unknown) {
    const detail::KindFacts& facts = detail::facts_of(event.kind());
    return ".on([](const dingcb::events::" + std::string(facts.name) + "& event) {})  // #include <dingcb/events/" +
           std::string(facts.family) + ".hpp>";
  }
  std::string literal;
  for (const char c : event.type()) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || c == '"' || c == '\\') {
      for (const char part : {'\\', static_cast<char>('0' + byte / 64), static_cast<char>('0' + byte / 8 % 8),
                              static_cast<char>('0' + byte % 8)}) {
        literal += part;
      }
    } else {
      literal += c;
    }
  }
  return ".on_type(\"" + literal + "\", [](const dingcb::Event& event) {})";
}

DINGCB_NAMESPACE_END
