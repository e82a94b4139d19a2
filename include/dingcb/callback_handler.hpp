// CallbackHandler: raw query string and body in, status and body out, whatever the HTTP server is.
#pragma once

#include <dingcb/address_ranges.hpp>
#include <dingcb/clock.hpp>
#include <dingcb/detail/function.hpp>
#include <dingcb/dispatcher.hpp>
#include <dingcb/encryptor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

DINGCB_NAMESPACE_BEGIN

class Inbox;

/// An HTTP request as it came. Views only: the text must live until handle() returns.
struct Request {
  /// What follows `?` in the request line, as it stands there: not decoded, not re-encoded. A `?` in front is skipped.
  std::string_view query;
  std::string_view body;         ///< The whole body, byte by byte.
  std::string_view sender{};     ///< Address of the sender, `203.119.1.2`; needed for CallbackOptions::senders only.
  std::string_view signature{};  ///< Used where `query` is empty, as are the next two: see decoded().
  std::string_view timestamp{};
  std::string_view nonce{};

  /// Makes a request of the target in the request line, `/callback?signature=...`, for servers that do not take it
  /// apart.
  static Request from_target(std::string_view target, std::string_view body) noexcept {
    const std::size_t mark = target.find('?');
    return {mark == std::string_view::npos ? std::string_view{} : target.substr(mark), body};
  }

  /// Makes a request of values that the HTTP server has already percent-decoded, for servers that give no raw query.
  static Request decoded(std::string_view signature, std::string_view timestamp, std::string_view nonce,
                         std::string_view body) noexcept {
    Request request{{}, body};
    request.signature = signature;
    request.timestamp = timestamp;
    request.nonce = nonce;
    return request;
  }
};

/// What the HTTP server has to send: never an empty body with status 200.
struct Response {
  int status = 500;
  std::string_view content_type = "text/plain";  ///< Refers to a literal.
  std::string body;
};

/// What one call of CallbackHandler::handle() came to, for metrics and tracing.
struct Outcome {
  int status = 0;           ///< Of the response.
  Errc error{};             ///< Why the request was refused; Errc{} where it was not.
  std::string_view label;   ///< Credential::label of the credential that opened the push; empty where none did.
  std::size_t events = 0;   ///< How many events the push brought; 0 for a URL check.
  std::int64_t micros = 0;  ///< From the call to the response, in microseconds.
  bool late = false;        ///< The deadline had passed when the response was made.
};

/// Settings of a CallbackHandler; the defaults suit a callback behind any HTTP server.
struct CallbackOptions {
  /// Most bytes of a body; more are refused unread with status 413. HTTP servers should have a limit of their own, too.
  std::size_t max_body_size = std::size_t{16} * 1024 * 1024;
  /// How long DingTalk waits for the answer to an HTTP push. It is what Context::remaining() starts from, and the time
  /// after which an answer counts as late.
  Milliseconds http_deadline{2500};
  Milliseconds sync_http_deadline{1200};  ///< The same for SyncHTTP pushes.
  /// Answers check_create_suite_url and check_update_suite_url with the value of `Random`, as a comment in one of
  /// DingTalk's samples asks; all its pages, and the code beside the comment, say `success`.
  bool echo_random = false;
  /// Who may send; empty: anybody, which is safe, because pushes are signed. AddressRanges::dingtalk() has the
  /// documented ranges.
  AddressRanges senders;
  /// Where events are stored instead of being handled: the answer is given once they are durable, and a Worker takes
  /// them from there. URL checks are answered without it. Null: handlers run before the answer. At most nine tenths of
  /// the deadline are spent waiting for it; then, or where it is full or fails, the answer is 503, and DingTalk repeats
  /// the push. What was stored all the same is then a duplicate.
  std::shared_ptr<Inbox> inbox;
  std::shared_ptr<const Clock> clock;  ///< Null: the system's steady clock. Measures the deadlines.

  /// Told each refusal, each failure of a handler, each body that does not fit, each late answer. Called in the thread
  /// of the request, also from several at once; an empty Request for what a deferred verdict brought about.
  detail::Function<void(const Request&, const Error&)> on_error;
  /// Told each event that no handler takes, otherwise() aside. handler_for() gives a line of code to paste.
  detail::Function<void(const Event&)> on_unhandled;
  /// Told the outcome of each request, after its response was made and before it is given back.
  detail::Function<void(const Outcome&)> on_outcome;
};

/// Counters since the start. Each is exact; together they are no snapshot.
struct CallbackStats {
  std::uint64_t received = 0;    ///< Requests.
  std::uint64_t refused = 0;     ///< Requests that were answered with 4xx; see CallbackHandler::refused().
  std::uint64_t broken = 0;      ///< Requests that were answered with 5xx for another reason than a verdict.
  std::uint64_t checks = 0;      ///< URL checks.
  std::uint64_t events = 0;      ///< Events, each row of a batch counted.
  std::uint64_t done = 0;        ///< Events by verdict.
  std::uint64_t retried = 0;     ///< Events by verdict.
  std::uint64_t dropped = 0;     ///< Events by verdict.
  std::uint64_t stored = 0;      ///< Events that the inbox took.
  std::uint64_t duplicates = 0;  ///< Events that the inbox had already.
  std::uint64_t unknown = 0;     ///< Events of a type that this release does not know.
  std::uint64_t unhandled = 0;   ///< Events that no handler takes, otherwise() aside.
  std::uint64_t unfit = 0;       ///< Events whose body did not fit the struct of their handler.
  std::uint64_t failed = 0;      ///< Events whose handler or observer threw, and deferred verdicts that were forgotten.
  std::uint64_t late = 0;        ///< Answers after the deadline.
};

namespace detail {
class Callback;
}

/// Answers DingTalk's callbacks: verifies, decrypts, reads the events, dispatches them, and encrypts the reply.
///
/// What the hooks and a completion throw is caught and forgotten. Where memory runs out the answer is a 5xx, too.
///
/// Status 200 with an encrypted `success` where every event is done or dropped, or stored in the inbox, and for URL
/// checks, which it answers by itself. 503 where a handler asks for a retry, throws, or defers its verdict for too
/// long, or the inbox refuses: DingTalk repeats the push, with all rows of a SyncHTTP batch. 4xx for what cannot be
/// from DingTalk, 500 where the push is genuine but cannot be read, or OpenSSL fails. The body of a refusal is the same
/// for every reason; CallbackOptions::on_error has the reason.
///
/// A handle: copies share counters and settings. Safe from any number of threads at once; takes no lock, unless a
/// verdict is deferred.
class CallbackHandler {
 public:
  using Options = CallbackOptions;
  using Completion = detail::Function<void(Response)>;

  DINGCB_API CallbackHandler(const Encryptor& encryptor, Dispatcher dispatcher, Options options = {});

  /// Handles a request. Where a handler defers its verdict the thread waits for it, until the deadline, for which the
  /// system's clock is used.
  DINGCB_API Response handle(const Request& request) const noexcept;

  /// The same for servers that can answer later: `on_response` is called exactly once, before this call returns, or
  /// later in the thread that gives the last deferred verdict, in one of the inbox, or in expire(). The CallbackHandler
  /// has to live until this call returns, no longer.
  DINGCB_API void handle(const Request& request, Completion on_response) const noexcept;

  /// Answers the requests whose deferred verdicts did not come in time. Servers that use the form with a completion
  /// call it from a timer, every 50 ms or so: the library has no thread of its own. A verdict that comes after the
  /// deadline, but before this call, still counts; its answer counts as late.
  /// @return how many requests still wait.
  DINGCB_API std::size_t expire() const noexcept;

  /// Gives how many requests have come and are not answered yet: until handle() has its response, or the completion has
  /// returned. A server that passes no more requests on may stop at 0. Until then it calls expire(), so that the wait
  /// has an end.
  DINGCB_API std::size_t in_flight() const noexcept;

  DINGCB_API CallbackStats stats() const noexcept;
  /// Gives how many requests were refused or broken for this reason.
  DINGCB_API std::uint64_t refused(Errc code) const noexcept;

  /// Says why a captured request is refused: which of token, AES key and owner key is wrong, or what happened to query
  /// and body on their way. For a person at a console, as Encryptor::diagnose(): slow, and nothing is dispatched.
  /// @return cause `none` where the push opens. A body that is no JSON object with a text `encrypt` counts as one with
  ///   an empty one.
  DINGCB_API Diagnosis diagnose(const Request& request) const;

 private:
  std::shared_ptr<detail::Callback> callback_;
};

/// Gives a handler for the event to paste into a Dispatcher::Builder, with the header to include:
/// `.on([](const dingcb::events::UserAddOrg& event) {})  // #include <dingcb/events/contact.hpp>`. An event of a type
/// that this release does not know gets an on_type(), a row that does not tell its type an otherwise().
DINGCB_API std::string handler_for(const Event& event);

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/callback_handler.ipp>
#endif
