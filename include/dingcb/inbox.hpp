// Inbox: store first, answer at once, process later; and the Worker that processes what is stored.
#pragma once

#include <dingcb/clock.hpp>
#include <dingcb/detail/function.hpp>
#include <dingcb/dispatcher.hpp>
#include <dingcb/event.hpp>
#include <dingcb/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// An event in the form in which it is stored: text and numbers, and everything that the event can be made of again.
/// The texts are of any length; a store whose keys are limited stores a digest of what is longer.
struct StoredEvent {
  Source source = Source::http;  ///< How it came; with `body` all that event() needs.
  std::string body;              ///< JSON text in UTF-8. Plaintext of a customer: it belongs into no log.
  std::string type;              ///< Wire type; empty where a row does not tell it.
  std::string corp_id;           ///< The organisation; may be empty.
  std::string dedup_key;         ///< Equal for two deliveries of one event; never empty.
  std::string ordering_key;      ///< Events with the same key are handled one after the other. Empty: in any order.
  /// Names the state of which this event is the newest value, `suite_ticket/<suite id>`; empty for all other events.
  /// See Inbox::latest().
  std::string latest_key;
  /// Equal for an HTTP push and the entry of the failed-push list that tells of the same event, which may have
  /// different dedup_keys: a digest of its type, organisation, time and values. Empty for other sources, and where the
  /// event does not say when it happened.
  std::string twin_key;
  std::optional<std::int64_t> born_ms;  ///< When it happened, in milliseconds since 1970.

  /// Makes the stored form of an event.
  DINGCB_API static StoredEvent of(const Event& event);

  /// Makes the event again: of the same source, with the same header and raw text.
  /// @error those of parse_push(), where the store gave back something else than it was given.
  DINGCB_API Result<Event> event() const;
};

/// What became of the events of one Inbox::put().
struct PutCount {
  std::size_t stored = 0;
  std::size_t duplicates = 0;  ///< Their dedup_key was there already: they came before, or twice in this batch.
};

/// An event that is leased to one worker, which alone may handle it until the lease ends.
struct ClaimedEvent {
  std::string id;             ///< Names the event in its store.
  std::string lease;          ///< Proves the claim: another one for every claim of the same event.
  std::uint32_t attempt = 1;  ///< Counts the claims, this one included, since it was put or requeued.
  std::int64_t stored_ms = 0;
  StoredEvent event;
};

/// What becomes of a claimed event.
enum class Fate : std::uint8_t {
  done,       ///< Never to be handled again. Its dedup_key stays until Inbox::clean() takes it.
  delay,      ///< Claimed again after Settlement::delay at the earliest; until then its ordering_key waits.
  bury,       ///< Becomes a dead letter. What stands behind it in its ordering_key goes on.
  give_back,  ///< As if it had not been claimed: the attempt does not count.
  extend,     ///< Stays claimed: the lease ends after Settlement::delay from now.
};

/// The settlement of one claim.
struct Settlement {
  std::string id;     ///< ClaimedEvent::id.
  std::string lease;  ///< ClaimedEvent::lease.
  Fate fate = Fate::done;
  Milliseconds delay{};  ///< For Fate::delay and Fate::extend, from now on.
  std::string why{};     ///< For Fate::delay and Fate::bury: what the handler said, or threw.
};

/// How an inbox stands.
struct InboxStats {
  std::uint64_t pending = 0;              ///< Stored and neither done nor dead: waiting, delayed or claimed.
  std::uint64_t claimed = 0;              ///< Of those, under a lease that has not ended.
  std::uint64_t dead = 0;                 ///< Dead letters.
  std::optional<std::int64_t> oldest_ms;  ///< When the oldest pending event was stored; none without one.
};

/// An event that no worker will handle any more, unless it is requeued.
struct DeadLetter {
  std::string id;
  std::uint32_t attempts = 0;
  std::string why;
  std::int64_t stored_ms = 0;
  std::int64_t buried_ms = 0;
  StoredEvent event;  ///< In a list without its body.
};

/// Which dead letters to list.
struct DeadQuery {
  std::size_t limit = 100;
  std::string after{};    ///< DeadLetter::id of the last one seen; empty: from the oldest.
  std::string type{};     ///< Only this wire type; empty: all.
  std::string corp_id{};  ///< Only this organisation; empty: all.
};

/// How long an inbox keeps what no longer has to be handled.
struct Retention {
  /// The keys of what is done, so that a repetition is noticed: longer than DingTalk may repeat. Its bodies need not be
  /// kept. RDS rows stay for 7 days.
  Milliseconds done{std::int64_t{8} * 24 * 3600 * 1000};
  Milliseconds dead{};  ///< Dead letters; 0: for ever.
};

namespace detail {
class Bell;
class Crew;
DINGCB_API Error unsupported() noexcept;
DINGCB_API std::shared_ptr<Bell> make_bell();
}  // namespace detail

/// Durable storage of events between the answer to DingTalk and their handler.
///
/// dingcb brings one over SQLite (dingcb/inbox/sqlite.hpp) and one over MySQL and MariaDB (dingcb/inbox/mysql.hpp). For
/// storage of your own derive from it: put(), claim(), settle() and stats() are all that CallbackHandler and Worker
/// need; an inbox without the rest answers inbox_unsupported where somebody asks for it.
///
/// All calls come from any thread at once. What an implementation throws counts as inbox_failed.
///
/// At least once: an event that put() stored is claimed until it is settled as done or buried. It is handled twice
/// where a worker dies, or loses its lease, after the handler did its work and before settle() returned.
/// @error of every call: inbox_failed, inbox_locked, inbox_corrupt; they leave the inbox as it was, but for a put() or
///   settle() that the storage may have finished unseen. Doing it again is right: put() then finds duplicates, settle()
///   a lease that has ended.
class DINGCB_VISIBLE Inbox {
  // No virtual function has its body elsewhere, so that two libraries that link dingcb statically share one vtable.
 public:
  using PutDone = detail::Function<void(const Result<PutCount>&)>;

  Inbox() : bell_(detail::make_bell()) {}
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  virtual ~Inbox() = default;

  /// Stores the events, all or none, behind everything that is stored already and in this order. It returns when they
  /// would survive a power cut. An event whose dedup_key is there already, in whatever state, changes nothing; nor does
  /// one of Source::failed_list where an HTTP push has its twin_key.
  /// @error inbox_full: there is no room, by the inbox's own limit or the disk's, and not all of the events are there
  ///   already.
  virtual Result<PutCount> put(const std::vector<StoredEvent>& events) = 0;

  /// The same without holding the thread: `done` is called exactly once, in this call or later in another thread. By
  /// default it calls put(), so that a callback is answered when that returns: it has to give up before the answer is
  /// due.
  virtual void put_later(std::vector<StoredEvent> events, PutDone done) { put_now(std::move(events), std::move(done)); }

  /// Leases events to the caller: those that are due, the longest due first. An event is due when it was never claimed,
  /// when its delay is over, or when its lease has ended, and when no event with the same ordering_key that was put
  /// earlier is pending. So no two claimed events ever share an ordering_key.
  /// @param limit how many at most.
  /// @return none where none is due: the call does not wait for one.
  virtual Result<std::vector<ClaimedEvent>> claim(std::size_t limit, Milliseconds lease) = 0;

  /// Settles claims; durable when it returns, but for Fate::extend.
  /// @return the positions of those that changed nothing because the claim no longer holds: its lease had ended and the
  ///   event was claimed again, or the claim was settled before. A lease that has ended without another claim still
  ///   holds.
  virtual Result<std::vector<std::size_t>> settle(const std::vector<Settlement>& settlements) = 0;

  virtual Result<InboxStats> stats() = 0;

  /// Lists dead letters, the oldest first, without their bodies.
  /// @error inbox_failed: DeadQuery::after is no id.
  virtual Result<std::vector<DeadLetter>> dead_letters(const DeadQuery& /*query*/) { return detail::unsupported(); }
  /// Gives a dead letter with its body; nothing where there is none of this id.
  virtual Result<std::optional<DeadLetter>> dead_letter(std::string_view /*id*/) { return detail::unsupported(); }
  /// Makes dead letters pending again, due at once, with no attempt counted; the first event of
  /// their ordering_key at that time may still come before them. Ids that name none are skipped.
  /// @return how many there were.
  virtual Result<std::size_t> requeue(const std::vector<std::string>& /*ids*/) { return detail::unsupported(); }
  /// Drops dead letters for good; their dedup_key stays as if they were done. Ids that name none are skipped.
  /// @return how many there were.
  virtual Result<std::size_t> purge(const std::vector<std::string>& /*ids*/) { return detail::unsupported(); }

  /// Forgets what has been kept for long enough, a limited number per call, so that it does not hold up the rest.
  /// @return how many were forgotten; more may be left where it is not 0.
  virtual Result<std::size_t> clean(const Retention& /*retention*/) { return detail::unsupported(); }

  /// Gives the newest event of a state, such as `suite_ticket/<suite id>`: durable before put() returns, and there
  /// whether the event is pending, done or forgotten. Newest by `born_ms`; of two equal ones, or where one says
  /// nothing, the one that was put later. A duplicate changes nothing.
  /// @return nothing where none ever came.
  virtual Result<std::optional<StoredEvent>> latest(std::string_view /*key*/) { return detail::unsupported(); }

 protected:
  /// Tells the workers of this inbox in this process that there is something to claim. Never needed: they look every
  /// WorkerOptions::poll.
  DINGCB_API void arrived() noexcept;

 private:
  friend class detail::Crew;
  DINGCB_API void put_now(std::vector<StoredEvent>&& events, PutDone&& done);

  std::shared_ptr<detail::Bell> bell_;
};

/// Stores events that came otherwise than by a callback, such as Stream frames: all or none, in their order.
/// @error those of Inbox::put().
DINGCB_API Result<PutCount> put_events(Inbox& inbox, const std::vector<Event>& events);

/// Gives the Inbox::latest() key of a suite's newest ticket: `suite_ticket/` and its SuiteKey (HTTP) or suite id
/// (rows).
DINGCB_API std::string suite_ticket_key(std::string_view suite);

/// Settings of a Worker.
struct WorkerOptions {
  std::size_t threads = 4;  ///< Handlers that run at once; at least 1. One more thread talks to the inbox.
  std::size_t batch = 32;   ///< Most events that are claimed and not settled yet; at least `threads`.
  /// For how long events are claimed. It is extended while a handler runs, so that it has to cover a stall of the
  /// inbox, not the slowest handler; and it is how long an event waits after a process died.
  Milliseconds lease{60000};
  Milliseconds poll{500};  ///< How often to look for events that nobody announced.
  /// After as many attempts an event that shall be retried becomes a dead letter; at least 1. An event whose claims
  /// were never settled, because its handler ends the process, becomes one without being handled again.
  std::uint32_t max_attempts = 10;
  /// Delay before the second attempt where the handler says none; doubled for each further one, up to
  /// `longest_delay`, of which up to half is then taken off at random, so that what failed together does not come
  /// together again. A delay that the handler gives is taken as it is.
  Milliseconds first_delay{1000};
  Milliseconds longest_delay{600000};
  /// What Context::remaining() starts from, and how long a deferred verdict is waited for. Handlers that take longer
  /// are not interrupted.
  Milliseconds budget{60000};
  Retention retention;
  Milliseconds clean_every{60000};     ///< How often to call Inbox::clean(); 0: never.
  std::shared_ptr<const Clock> clock;  ///< Null: the system's steady clock. For Context::remaining() only.

  /// Told each failure: of a handler or body (with the event), of the inbox (with nullptr), each claim that was lost
  /// before it could be settled. Called from the worker's threads, also from several at once; as on_settled, it must
  /// not wait for the worker.
  detail::Function<void(const Error&, const ClaimedEvent*)> on_error;
  /// Told what became of an event, after it was settled.
  detail::Function<void(const ClaimedEvent&, const Settlement&)> on_settled;
};

/// Counters since the start. Each is exact; together they are no snapshot.
struct WorkerStats {
  std::uint64_t claimed = 0;
  std::uint64_t done = 0;
  std::uint64_t retried = 0;
  std::uint64_t buried = 0;
  std::uint64_t given_back = 0;
  std::uint64_t lost = 0;    ///< Claims that no longer held when they were settled: such an event may come twice.
  std::uint64_t failed = 0;  ///< Calls of the inbox that failed.
};

/// Takes events out of an inbox and gives them to their handlers: at least once, in order for each ordering_key, with
/// several attempts.
///
/// Ack::done() settles an event for good, as does an event that nobody handles; Ack::retry() delays it; Ack::drop() and
/// a body that fits no handler make a dead letter of it. A handler that throws is retried.
///
/// Any number of workers may share an inbox, in one process or several. It is the one place where dingcb has threads of
/// its own: they run from the constructor to stop(). Do not fork() while one lives, nor end it in one of its handlers.
class Worker {
 public:
  using Options = WorkerOptions;

  /// Starts the threads.
  /// @throws std::system_error where the system gives no thread.
  DINGCB_API Worker(std::shared_ptr<Inbox> inbox, Dispatcher dispatcher, Options options = {});
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Calls stop().
  DINGCB_API ~Worker();

  /// Claims no more; what is claimed already is still handled.
  DINGCB_API void pause() noexcept;
  DINGCB_API void resume() noexcept;
  /// Waits until the inbox has nothing pending, neither delayed nor claimed by somebody else: at most for `timeout`. A
  /// paused worker does not go on for it.
  /// @return whether it was empty.
  DINGCB_API bool drain(Milliseconds timeout);
  /// Ends the worker: waits for the handlers that run, gives back what was claimed and not begun, and settles
  /// the rest. Where the inbox fails then, the leases end by themselves. May be called again.
  DINGCB_API void stop() noexcept;

  DINGCB_API WorkerStats stats() const noexcept;

 private:
  std::shared_ptr<detail::Crew> crew_;
};

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/inbox.ipp>
#endif
