// Bodies of callback_handler.hpp.
#pragma once

#include <dingcb/callback_handler.hpp>
#include <dingcb/detail/json.hpp>
#include <dingcb/impl/dispatcher.ipp>
#include <dingcb/impl/events/catalogue.ipp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// One value of a query string. Only what is percent-encoded is copied.
class QueryValue {
 public:
  /// @return false where the value is too long for any of DingTalk's parameters.
  bool assign(std::string_view encoded) noexcept {
    text_ = encoded;
    if (encoded.find('%') == std::string_view::npos) return true;
    if (encoded.size() > buffer_.size()) return false;
    std::size_t size = 0;
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      const int high = encoded[i] == '%' && i + 2 < encoded.size() ? digit(encoded[i + 1]) : -1;
      const int low = high >= 0 ? digit(encoded[i + 2]) : -1;
      buffer_[size++] = low < 0 ? encoded[i] : static_cast<char>(high * 16 + low);
      if (low >= 0) i += 2;
    }
    text_ = std::string_view(buffer_.data(), size);
    return true;
  }
  std::string_view text() const noexcept { return text_; }

 private:
  static int digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const int letter = c | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
  }

  std::array<char, 512> buffer_;
  std::string_view text_;
};

/// The three parameters of a push. A `+` stays one: no form made this query, and no parameter holds a space, which form
/// decoding would make of it.
class Query {
 public:
  explicit Query(const Request& request) noexcept {
    if (request.query.empty()) {
      signature_.assign(request.signature);
      timestamp_.assign(request.timestamp);
      nonce_.assign(request.nonce);
      return;
    }
    for (std::string_view rest = request.query; !rest.empty();) {
      const std::string_view pair = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const std::size_t equals = std::min(pair.find('='), pair.size());
      QueryValue* const value = named(pair.substr(0, equals));
      if (value != nullptr && value->text().empty())
        fits_ &= value->assign(pair.substr(std::min(equals + 1, pair.size())));
    }
  }

  bool fits() const noexcept { return fits_; }
  std::string_view signature() const noexcept {
    return signature_.text().empty() ? msg_signature_.text() : signature_.text();
  }
  std::string_view timestamp() const noexcept { return timestamp_.text(); }
  std::string_view nonce() const noexcept { return nonce_.text(); }

 private:
  QueryValue* named(std::string_view name) noexcept {
    if (name == "signature") return &signature_;
    if (name == "msg_signature") return &msg_signature_;
    if (name == "timestamp" || name == "timeStamp") return &timestamp_;
    if (name == "nonce") return &nonce_;
    return nullptr;
  }

  QueryValue signature_;
  QueryValue msg_signature_;
  QueryValue timestamp_;
  QueryValue nonce_;
  bool fits_ = true;
};

/// Finds the text of `encrypt` in a body that is `{"encrypt":"..."}` and nothing else, as DingTalk sends it; without
/// escapes, which base64 does not need. @return false for every other body.
inline bool plain_encrypt(std::string_view body, std::string_view& encrypt) noexcept {
  const auto skip = [&body] { body.remove_prefix(std::min(body.find_first_not_of(" \t\r\n"), body.size())); };
  const auto take = [&](std::string_view token) {
    skip();
    const bool found = body.substr(0, token.size()) == token;
    if (found) body.remove_prefix(token.size());
    return found;
  };
  if (!take("{") || !take("\"encrypt\"") || !take(":") || !take("\"")) return false;
  const std::size_t end = body.find('"');
  if (end == std::string_view::npos || std::memchr(body.data(), '\\', end) != nullptr) return false;
  encrypt = body.substr(0, end);
  body.remove_prefix(end + 1);
  if (!take("}")) return false;
  skip();
  return body.empty();
}

/// What DingTalk says where it checks a URL; answered before anything else.
inline bool is_url_check(Kind kind) noexcept {
  return kind == Kind::check_url || kind == Kind::check_create_suite_url || kind == Kind::check_update_suite_url;
}

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

/// Counters of one kind, spread over the processor's caches: a single one, written by every call, would slow all cores.
class Counters {
 public:
  enum Name : std::size_t {
    received,
    refused,
    broken,
    checks,
    events,
    done,
    retried,
    dropped,
    unknown,
    unhandled,
    unfit,
    failed,
    late,
    kNames
  };

  void add(Name name, std::uint64_t count = 1) noexcept {
    shards_[shard()].values[name].fetch_add(count, std::memory_order_relaxed);
  }
  std::uint64_t get(Name name) const noexcept {
    std::uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.values[name].load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct alignas(64) Shard {
    std::array<std::atomic<std::uint64_t>, kNames> values{};
  };
  static std::size_t shard() noexcept {
    static std::atomic<std::size_t> threads{0};
    static thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
    return mine;
  }
  std::array<Shard, kShards> shards_;
};

/// A genuine push on its way to an answer.
struct Call {
  Opened opened;
  std::string answer = "success";
  Outcome outcome;
  std::int64_t started_us = 0;
  std::int64_t deadline_ms = 0;
  std::atomic<bool> retry{false};
};

/// A push whose answer waits for verdicts.
struct Waiting {
  Call call;
  std::vector<std::shared_ptr<Pending>> pending;
  CallbackHandler::Completion on_response;
  std::atomic<std::size_t> missing{0};  // verdicts
};

class Callback : public std::enable_shared_from_this<Callback> {
 public:
  Callback(Encryptor encryptor, Dispatcher dispatcher, CallbackOptions options)
      : encryptor_(std::move(encryptor)), dispatcher_(std::move(dispatcher)), options_(std::move(options)) {}

  Response handle(const Request& request) noexcept {
    Call call;
    begin(call);
    Response response = guard(request, call, [&] {
      std::vector<std::shared_ptr<Pending>> pending;
      Response refusal;
      if (!process(request, call, pending, refusal)) return refusal;
      for (const std::shared_ptr<Pending>& verdict : pending) {
        const Milliseconds left(std::max<std::int64_t>(0, call.deadline_ms - now_ms()));
        count(call, verdict->wait(left, too_late()));
      }
      return reply(call);
    });
    finish(request, call, response);
    return response;
  }

  void handle(const Request& request, CallbackHandler::Completion on_response) noexcept {
    auto waiting = allocate();
    if (waiting == nullptr) return answer(on_response, response_of(500));
    begin(waiting->call);
    bool answered = true;
    Response response = guard(request, waiting->call, [&] {
      Response refusal;
      if (!process(request, waiting->call, waiting->pending, refusal)) return refusal;
      if (waiting->pending.empty()) return reply(waiting->call);
      wait_for(waiting, on_response);
      answered = false;
      return Response();
    });
    if (!answered) return;
    finish(request, waiting->call, response);
    answer(on_response, std::move(response));
  }

  std::size_t expire() noexcept {
    std::vector<std::shared_ptr<Waiting>> due;
    std::size_t left = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const std::int64_t now = now_ms();
      const auto gone = std::remove_if(waiting_.begin(), waiting_.end(), [&](const std::weak_ptr<Waiting>& entry) {
        std::shared_ptr<Waiting> waiting = entry.lock();
        if (waiting == nullptr || waiting->missing == 0) return true;
        if (waiting->call.deadline_ms > now) return false;
        due.push_back(std::move(waiting));
        return true;
      });
      waiting_.erase(gone, waiting_.end());
      left = waiting_.size();
    }
    for (const std::shared_ptr<Waiting>& waiting : due) {
      for (const std::shared_ptr<Pending>& verdict : waiting->pending) verdict->settle(too_late());
    }
    return left;
  }

  CallbackStats stats() const noexcept {
    CallbackStats stats;
    stats.received = counters_.get(Counters::received);
    stats.refused = counters_.get(Counters::refused);
    stats.broken = counters_.get(Counters::broken);
    stats.checks = counters_.get(Counters::checks);
    stats.events = counters_.get(Counters::events);
    stats.done = counters_.get(Counters::done);
    stats.retried = counters_.get(Counters::retried);
    stats.dropped = counters_.get(Counters::dropped);
    stats.unknown = counters_.get(Counters::unknown);
    stats.unhandled = counters_.get(Counters::unhandled);
    stats.unfit = counters_.get(Counters::unfit);
    stats.failed = counters_.get(Counters::failed);
    stats.late = counters_.get(Counters::late);
    return stats;
  }

  std::uint64_t refused(Errc code) const noexcept {
    const auto index = static_cast<std::size_t>(code);
    return index < by_code_.size() ? by_code_[index].load(std::memory_order_relaxed) : 0;
  }

 private:
  static Ack too_late() noexcept { return Ack::retry({}, "the deferred verdict did not come in time"); }

  std::int64_t now_ms() const noexcept { return steady_ms(options_.clock.get()); }
  std::int64_t now_us() const noexcept {
    if (options_.clock != nullptr) return options_.clock->unix_ms() * 1000;
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  /// Calls the host, whose exceptions end here: the answer is more important.
  template <class Hook, class... Args>
  static void tell(const Hook& hook, const Args&... args) noexcept {
    if (!hook) return;
#if defined(__cpp_exceptions)
    try {
      hook(args...);
    } catch (...) {
      return;
    }
#else
    hook(args...);
#endif
  }

  static void answer(const CallbackHandler::Completion& on_response, Response response) noexcept {
#if defined(__cpp_exceptions)
    try {
      on_response(std::move(response));
    } catch (...) {
      return;
    }
#else
    on_response(std::move(response));
#endif
  }

  static std::shared_ptr<Waiting> allocate() noexcept {
#if defined(__cpp_exceptions)
    try {
      return std::make_shared<Waiting>();
    } catch (...) {
      return nullptr;
    }
#else
    return std::make_shared<Waiting>();
#endif
  }

  void begin(Call& call) noexcept {
    call.started_us = now_us();
    counters_.add(Counters::received);
  }

  /// Counts and reports the answer.
  void finish(const Request& request, Call& call, const Response& response) noexcept {
    call.outcome.status = response.status;
    call.outcome.micros = now_us() - call.started_us;
    call.outcome.late = call.deadline_ms != 0 && now_ms() > call.deadline_ms;
    if (call.outcome.late) {
      counters_.add(Counters::late);
      tell(options_.on_error, request,
           Error{Errc::answer_late,
                 Message::literal(
                     "the answer is later than DingTalk waits for; store the event and handle it afterwards"),
                 nullptr});
    }
    tell(options_.on_outcome, call.outcome);
  }

  /// Nothing in `make` throws but for want of memory.
  template <class Make>
  Response guard(const Request& request, Call& call, Make make) noexcept {
#if defined(__cpp_exceptions)
    try {
      return make();
    } catch (...) {
      return refuse(request, call, Error{Errc::out_of_memory, Message::literal("there is no memory"), nullptr});
    }
#else
    return make();
#endif
  }

  Response refuse(const Request& request, Call& call, const Error& error) noexcept {
    const int status = status_of(error.code);
    counters_.add(status >= 500 ? Counters::broken : Counters::refused);
    by_code_[static_cast<std::size_t>(error.code)].fetch_add(1, std::memory_order_relaxed);
    call.outcome.error = error.code;
    call.deadline_ms = 0;
    tell(options_.on_error, request, error);
    return response_of(status);
  }

  /// Opens the push and dispatches its events. @return false where `refusal` is the answer.
  bool process(const Request& request, Call& call, std::vector<std::shared_ptr<Pending>>& pending, Response& refusal) {
    const auto refused = [&](const Error& error) {
      refusal = refuse(request, call, error);
      return false;
    };
    if (!options_.senders.empty() && !options_.senders.contains(request.sender)) {
      return refused({Errc::sender_refused, Message::literal("the address of the sender is not in the list"), nullptr});
    }
    if (request.body.size() > options_.max_body_size) {
      return refused({Errc::input_too_large, Message::literal("the body is larger than max_body_size"), nullptr});
    }
    const Query query(request);
    std::string_view encrypt;
    std::shared_ptr<const JsonDocument> document;
    if (!query.fits() || !find_encrypt(request.body, encrypt, document)) {
      return refused(
          {Errc::request_malformed,
           Message::literal("the request is no push: its body is no JSON object with a text \"encrypt\", or a "
                            "query parameter is too long; pass the raw query string and the raw body"),
           nullptr});
    }
    if (auto opened = encryptor_.decrypt({query.signature(), query.timestamp(), query.nonce(), encrypt}, call.opened);
        !opened) {
      return refused(opened.error());
    }
    call.outcome.label = call.opened.label;
    auto events = parse_push(std::move(call.opened.plaintext));
    if (!events) return refused(events.error());
    if (events->size() == 1 && is_url_check(events->front().kind())) {
      check_url(events->front(), call);
      return true;
    }
    dispatch(request, *events, call, pending);
    return true;
  }

  static bool find_encrypt(std::string_view body, std::string_view& encrypt,
                           std::shared_ptr<const JsonDocument>& document) {
    if (plain_encrypt(body, encrypt)) return true;
    auto parsed = JsonDocument::parse(std::string(body));
    if (!parsed) return false;
    document = *std::move(parsed);
    const Json text = document->root()["encrypt"];
    encrypt = text.as_text();
    return text.is_string();
  }

  void check_url(const Event& event, Call& call) {
    counters_.add(Counters::checks);
    const std::string_view random = event.json()["Random"].as_text();
    if (options_.echo_random && event.kind() != Kind::check_url && !random.empty()) call.answer = random;
  }

  void dispatch(const Request& request, const std::vector<Event>& events, Call& call,
                std::vector<std::shared_ptr<Pending>>& pending) {
    const bool rows = !events.empty() && events.front().header().source == Source::sync_http;
    const Milliseconds budget = rows ? options_.sync_http_deadline : options_.http_deadline;
    call.deadline_ms = call.started_us / 1000 + budget.count();
    call.outcome.events = events.size();
    counters_.add(Counters::events, events.size());
    for (const Event& event : events) {
      if (event.kind() == Kind::unknown) counters_.add(Counters::unknown);
      if (!dispatcher_.handles(event)) {
        counters_.add(Counters::unhandled);
        tell(options_.on_unhandled, event);
      }
      Context context(event, call.deadline_ms, options_.clock.get());
      const Ack ack = dispatcher_.dispatch(context);
      if (const Error* const error = context.error()) {
        counters_.add(error->code == Errc::field_unfit ? Counters::unfit : Counters::failed);
        tell(options_.on_error, request, *error);
      }
      if (ack.verdict() == Verdict::deferred) {
        pending.push_back(context.pending_);
      } else {
        count(call, ack);
      }
    }
  }

  void count(Call& call, const Ack& ack) noexcept {
    switch (ack.verdict()) {
      case Verdict::done: counters_.add(Counters::done); break;
      case Verdict::drop: counters_.add(Counters::dropped); break;
      default: counters_.add(Counters::retried); call.retry = true;
    }
  }

  Response reply(Call& call) {
    if (call.retry) return response_of(503);
    Reply reply;
    if (auto sealed = encryptor_.encrypt_reply(call.answer, call.opened, reply); !sealed) {
      return refuse(Request{}, call, sealed.error());
    }
    Response response;
    response.status = 200;
    response.content_type = "application/json";
    response.body = reply.to_json();
    return response;
  }

  void wait_for(const std::shared_ptr<Waiting>& waiting, const CallbackHandler::Completion& on_response) {
    std::vector<std::pair<std::shared_ptr<Pending>, Function<void(const Ack&)>>> listeners;
    for (const std::shared_ptr<Pending>& verdict : waiting->pending) {
      listeners.emplace_back(verdict, [self = shared_from_this(), waiting](const Ack& ack) {
        self->count(waiting->call, ack);
        if (waiting->missing.fetch_sub(1) == 1) self->complete(*waiting);
      });
    }
    waiting->missing = listeners.size();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      waiting_.push_back(waiting);
    }
    // From here on nothing throws, so that the answer is given here or there, and not twice.
    waiting->on_response = on_response;
    for (auto& [verdict, listener] : listeners) verdict->listen(std::move(listener));
  }

  void complete(Waiting& waiting) noexcept {
    const Request gone{};
    Response response = guard(gone, waiting.call, [&] { return reply(waiting.call); });
    finish(gone, waiting.call, response);
    answer(waiting.on_response, std::move(response));
  }

  const Encryptor encryptor_;
  const Dispatcher dispatcher_;
  const CallbackOptions options_;
  Counters counters_;
  std::array<std::atomic<std::uint64_t>, 64> by_code_{};
  static_assert(static_cast<std::size_t>(Errc::out_of_memory) < 64, "by_code_ has a place for each Errc");
  std::mutex mutex_;
  std::vector<std::weak_ptr<Waiting>> waiting_;
};

}  // namespace detail

DINGCB_INLINE CallbackHandler::CallbackHandler(Encryptor encryptor, Dispatcher dispatcher, Options options)
    : callback_(std::make_shared<detail::Callback>(std::move(encryptor), std::move(dispatcher), std::move(options))) {}

DINGCB_INLINE Response CallbackHandler::handle(const Request& request) const noexcept {
  return callback_->handle(request);
}
DINGCB_INLINE void CallbackHandler::handle(const Request& request, Completion on_response) const noexcept {
  callback_->handle(request, std::move(on_response));
}
DINGCB_INLINE std::size_t CallbackHandler::expire() const noexcept { return callback_->expire(); }
DINGCB_INLINE CallbackStats CallbackHandler::stats() const noexcept { return callback_->stats(); }
DINGCB_INLINE std::uint64_t CallbackHandler::refused(Errc code) const noexcept { return callback_->refused(code); }

DINGCB_INLINE std::string handler_for(const Event& event) {
  const detail::KindFacts& facts = detail::facts_of(event.kind());
  if (event.kind() == Kind::unknown) {
    return ".on_type(\"" + std::string(event.type()) + "\", [](const dingcb::Event& event) {})";
  }
  return ".on([](const dingcb::events::" + std::string(facts.name) + "& event) {})  // #include <dingcb/events/" +
         std::string(facts.family) + ".hpp>";
}

DINGCB_NAMESPACE_END
