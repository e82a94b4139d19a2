// Event: one thing that happened, in one typed model, however DingTalk delivered it.
#pragma once

#include <dingcb/detail/codec.hpp>
#include <dingcb/events/kind.hpp>
#include <dingcb/result.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// How an event came.
enum class Source : std::uint8_t {
  http,         ///< HTTP push: one flat object with `EventType`.
  sync_http,    ///< SyncHTTP push: a row of `bizData`.
  rds,          ///< A row of the tables that DingTalk writes into the receiver's own MySQL.
  stream,       ///< A frame of a Stream connection.
  failed_list,  ///< An entry of the list of failed pushes.
};

/// What an envelope says about its event, under one name for every spelling. Texts are empty where it says nothing.
struct EventHeader {
  std::string id;                           ///< `eventId`. The same event pushed again has the same id.
  std::string type;                         ///< Wire type, such as `user_add_org`. Empty where a row does not tell it.
  std::string corp_id;                      ///< The organisation: `CorpId`, `corpId`, `corpid`, `AuthCorpId`, ...
  std::string app_id;                       ///< `SuiteKey` of an HTTP push, `eventUnifiedAppId` of a Stream frame.
  std::optional<std::int64_t> born_ms;      ///< When it happened, in milliseconds since 1970.
  Source source = Source::http;             ///< How it came.
  std::string subscribe_id;                 ///< Rows: suite id and `_0`.
  std::string biz_id;                       ///< Rows: the object that changed; its meaning depends on biz_type.
  std::optional<std::int64_t> biz_type;     ///< Rows: the kind of object.
  std::optional<std::int64_t> open_cursor;  ///< Rows: reconciliation cursor.
  std::optional<std::int64_t> gmt_modified_ms;  ///< Rows: last change of the row, in milliseconds since 1970.
  /// Equal for two deliveries of one event, different for two events: the id, or else a SHA-256 digest of the body.
  /// Rows add gmt_modified and open_cursor, because DingTalk replaces a row in place when its object changes again.
  std::string dedup_key;
  /// Equal for events about one object, whose order matters: the organisation, and biz_type and biz_id of a row, or the
  /// id of the object in any other body, or else the type.
  std::string ordering_key;
};

/// A row of DingTalk's tables `open_sync_biz_data` and `open_sync_biz_data_medium`, as read from MySQL.
struct PushRow {
  std::int64_t id = 0;               ///< Changes whenever the row is replaced.
  std::int64_t gmt_create_ms = 0;    ///< Milliseconds since 1970.
  std::int64_t gmt_modified_ms = 0;  ///< Milliseconds since 1970.
  std::string subscribe_id;
  std::string corp_id;
  std::string biz_id;
  std::int64_t biz_type = 0;
  std::string biz_data;  ///< JSON text.
  std::int64_t open_cursor = 0;
  std::int64_t status = 0;  ///< 0 is new; everything else is up to the receiver.
};

namespace detail {

struct EventData;

/// What decoding an event into E needs to know about E.
struct DecodePlan {
  std::string_view type;
  Kind kind;  // Kind::unknown for a user's own struct, which is matched by its type
  const Codec& (*codec)();
  void* (*create)();
  void (*destroy)(void*) noexcept;
};

template <class E, class = void>
inline constexpr Kind kKindOf = Kind::unknown;
template <class E>
inline constexpr Kind kKindOf<E, std::void_t<decltype(EventTraits<E>::kind)>> = EventTraits<E>::kind;

template <class E, class = void>
inline constexpr bool kIsEvent = false;
template <class E>
inline constexpr bool kIsEvent<E, std::void_t<decltype(EventTraits<E>::type)>> = true;

template <class E>
void* create() {
  if constexpr (std::is_default_constructible_v<E>) {
    return new E();
  } else {
    return nullptr;  // codec_of() refuses it
  }
}

template <class E>
inline constexpr DecodePlan kPlanOf{EventTraits<E>::type, kKindOf<E>, codec_of<E>, create<E>,
                                    [](void* object) noexcept { delete static_cast<E*>(object); }};

// Generated code specialises it for the events of this release, so that a file that handles them needs no code to make
// and destroy them.
template <class E>
const DecodePlan& plan_of() noexcept {
  static_assert(
      kIsEvent<E>,
      "dingcb: this is no event; take a struct of dingcb/events/, or specialise dingcb::EventTraits<E> with the "
      "event's wire type as `static constexpr std::string_view type`");
  if constexpr (kIsEvent<E>) {
    return kPlanOf<E>;
  } else {
    return plan_of<E>();
  }
}

}  // namespace detail

/// One event: a typed struct, a known type whose body does not fit its struct, or a type that this release does not
/// know. In all three the header, the raw JSON text and an untyped view of it are there.
///
/// A handle of two pointers: cheap to copy, immutable, safe from any thread. The body is decoded into a struct when
/// that struct is first asked for, once. References and views that it gives live as long as any copy of it.
class Event {
 public:
  Event(const Event&) = default;  // no moves: an Event is never empty
  Event& operator=(const Event&) = default;

  /// Gives the type as an enumerator; Kind::unknown where this release has none, or a row does not tell.
  DINGCB_API Kind kind() const noexcept;
  /// Gives the type as DingTalk writes it.
  std::string_view type() const noexcept { return header().type; }
  DINGCB_API const EventHeader& header() const noexcept;
  /// Gives the JSON text as it came: the body of a push, one row of a SyncHTTP push, the biz_data of an RDS row, a
  /// Stream frame, one entry of the failed-push list.
  DINGCB_API std::string_view raw() const noexcept;
  /// Gives the event's own fields without types: what a struct of it is read from.
  DINGCB_API Json json() const noexcept;

  /// Gives the event as an E; null where it is another one, or its body does not fit.
  /// @tparam E a struct of dingcb/events/, or one of your own with EventTraits<E>.
  template <class E>
  const E* get_if() const {
    return static_cast<const E*>(decode(detail::plan_of<E>()));
  }

  /// Says why get_if<E>() gives null; null where it does not.
  /// @error kind_mismatch: the event is of another type. field_unfit: the message names the field and what stands
  ///   there, never the value.
  template <class E>
  const Error* why_not() const {
    return misfit(detail::plan_of<E>());
  }

  /// The same without naming E, for the case of match(), visit() or a Dispatcher that takes everything else: says why
  /// the body did not fit where it was decoded, and null where it did, or nobody has asked yet.
  /// @error field_unfit. envelope_malformed: a row without a body.
  DINGCB_API const Error* why_not() const noexcept;

 private:
  friend struct detail::EventData;
  explicit Event(std::shared_ptr<const detail::EventData> data) noexcept : data_(std::move(data)) {}
  DINGCB_API const void* decode(const detail::DecodePlan& plan) const;
  DINGCB_API const Error* misfit(const detail::DecodePlan& plan) const;

  std::shared_ptr<const detail::EventData> data_;
};

/// Reads the plaintext of a push: one event, or one for each row of a SyncHTTP push, in their order. A row that is
/// broken becomes an event of unknown type and does not take its siblings along. An empty list of rows gives no event.
/// An event of a SyncHTTP push keeps the whole push in memory.
/// @error not_utf8, json_malformed, json_too_deep; envelope_malformed (no object, or a SyncHTTP push without a list of
///   rows); event_type_missing; input_too_large (2 GB, or 100000 rows). Messages never hold the text.
DINGCB_API Result<std::vector<Event>> parse_push(std::string plaintext);

/// Reads a row of DingTalk's tables. A row whose biz_data is no JSON object becomes an event of unknown type.
DINGCB_API Result<Event> parse_row(const PushRow& row);

/// Reads a frame of a Stream connection: the event object of the documents, or the SDK's frame with `headers` and a
/// `data` text.
/// @error those of parse_push().
DINGCB_API Result<Event> parse_stream(std::string frame);

/// What the failed-push API answered.
struct FailedList {
  bool has_more = false;  ///< More entries wait: call the API again.
  std::vector<Event> events;
};

/// Reads the answer of `call_back/get_call_back_failed_result`. An entry that is broken becomes an event of unknown
/// type.
/// @error those of parse_push(); envelope_malformed also where `errcode` is not 0.
DINGCB_API Result<FailedList> parse_failed_list(std::string json);

namespace detail {
DINGCB_API std::string write_http(const DecodePlan& plan, const void* object, const EventHeader& header);
DINGCB_API std::string write_stream(const DecodePlan& plan, const void* object, const EventHeader& header);
}  // namespace detail

/// Writes an event as the plaintext of an HTTP push: present fields only, under their newest keys. parse_push() reads
/// it back. Of the header it writes id, corp_id and born_ms, where present and no field of the event has their key.
/// A flat push cannot tell the two apart: where only the header has such a part, the field comes back filled. A struct
/// of your own with a field `EventType` says its type by itself.
template <class E>
std::string to_http_json(const E& event, const EventHeader& header = {}) {
  return detail::write_http(detail::plan_of<E>(), &event, header);
}

/// Writes an event as a Stream frame; parse_stream() reads it back. Of the header it writes id, corp_id, app_id and
/// born_ms, where present.
template <class E>
std::string to_stream_json(const E& event, const EventHeader& header = {}) {
  return detail::write_stream(detail::plan_of<E>(), &event, header);
}

/// Makes one callable of several, for visit().
template <class... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
overloaded(Cases...) -> overloaded<Cases...>;

namespace detail {

template <class E>
struct Argument {
  using type = E;
};
template <class R, class E>
Argument<E> argument_of(R (*)(const E&));
template <class C, class R, class E>
Argument<E> argument_of(R (C::*)(const E&));
template <class C, class R, class E>
Argument<E> argument_of(R (C::*)(const E&) const);
Argument<void> argument_of(...);

// The E of a callable that takes `const E&`; void where it names none.
template <class Case, class = void>
struct CaseArgument : decltype(argument_of(std::declval<Case>())) {};
template <class Case>
struct CaseArgument<Case, std::void_t<decltype(&Case::operator())>> : decltype(argument_of(&Case::operator())) {};

enum class MatchFault : std::uint8_t { none, no_case, unnamed, no_last, early };

template <class... Es>
constexpr MatchFault match_fault() noexcept {
  bool last = false;
  bool early = false;
  ((early = early || last, last = std::is_same_v<Es, Event>), ...);
  if (sizeof...(Es) == 0) return MatchFault::no_case;
  if ((... || std::is_void_v<Es>)) return MatchFault::unnamed;
  if (!last) return MatchFault::no_last;
  return early ? MatchFault::early : MatchFault::none;
}

template <class First, class... Rest>
struct LastOf : LastOf<Rest...> {};
template <class Last>
struct LastOf<Last> {
  using type = Last;
};

template <class R, class First, class... Rest>
R match_cases(const Event& event, First& first, Rest&... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return first(event);
  } else {
    const auto* const typed = event.get_if<typename CaseArgument<std::decay_t<First>>::type>();
    if (typed == nullptr) return match_cases<R>(event, rest...);
    if constexpr (std::is_void_v<R>) {
      static_cast<void>(first(*typed));
    } else {
      return first(*typed);
    }
  }
}

}  // namespace detail

/// Calls the first case whose event this is: each case takes `const E&`, the last one `const Event&` for everything
/// else. All cases give what the last one gives; where that is nothing, what others give is dropped.
template <class... Cases>
decltype(auto) match(const Event& event, Cases&&... cases) {
  constexpr auto fault = detail::match_fault<typename detail::CaseArgument<std::decay_t<Cases>>::type...>();
  using Fault = detail::MatchFault;
  static_assert(fault != Fault::no_case,
                "dingcb::match: give at least one case, the last for `const dingcb::Event&`, for everything else");
  static_assert(fault != Fault::unnamed,
                "dingcb::match: each case must take `const E&` of one event type E; for a case that takes `const "
                "auto&`, use dingcb::visit");
  static_assert(
      fault != Fault::no_last,
      "dingcb::match: the last case must take `const dingcb::Event&`, for everything that no other case takes");
  static_assert(fault != Fault::early,
                "dingcb::match: the case that takes `const dingcb::Event&` takes everything; it must be the last one");
  if constexpr (fault == Fault::none) {
    using R = std::invoke_result_t<typename detail::LastOf<Cases...>::type&, const Event&>;
    return detail::match_cases<R>(event, cases...);
  }
}

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/event.ipp>
#endif
