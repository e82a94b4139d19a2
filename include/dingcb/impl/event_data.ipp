// An event as it was parsed, and what was decoded of it.
#pragma once

#include <dingcb/event.hpp>
#include <dingcb/impl/events/catalogue.ipp>
#include <dingcb/impl/guard.ipp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// What was made of an event for one struct: the struct, or why not.
struct Decoded {
  const DecodePlan* plan = nullptr;
  void* object = nullptr;
  Error error;
  const Decoded* next = nullptr;

  Decoded() = default;
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;
  ~Decoded() {
    if (object != nullptr) plan->destroy(object);
  }
};

/// An event as it was parsed: a part of a Delivery. Only `decoded` ever changes: entries are put in front, and none is
/// taken away.
struct EventData {
  EventHeader header;
  Kind kind = Kind::unknown;
  std::string_view raw;
  Json payload;
  mutable std::atomic<const Decoded*> decoded{nullptr};

  EventData() = default;
  EventData(const EventData&) = delete;
  EventData& operator=(const EventData&) = delete;
  ~EventData() {
    for (const Decoded* entry = decoded.load(std::memory_order_acquire); entry != nullptr;) {
      delete std::exchange(entry, entry->next);
    }
  }

  static Event handle(std::shared_ptr<const EventData> data) noexcept { return Event(std::move(data)); }

  bool is(const DecodePlan& plan) const noexcept {
    return plan.kind != Kind::unknown ? plan.kind == kind : plan.type == header.type;
  }

  const Decoded& decode(const DecodePlan& plan) const {
    const Decoded* const known = decoded.load(std::memory_order_acquire);
    if (const Decoded* const entry = find(plan, known, nullptr)) return *entry;
    auto made = std::make_unique<Decoded>();
    made->plan = &plan;
    if (is(plan)) {
      read(plan, *made);
    } else {
      // A type that this release does not know is the sender's text, and no error holds that.
      const std::string other = kind == Kind::unknown ? "of an unknown type" : '"' + std::string(type_of(kind)) + '"';
      made->error = Error{Errc::kind_mismatch,
                          Message("the event is " + other + ", not \"" + std::string(plan.type) + '"'), nullptr};
    }
    made->next = known;
    // Two threads may decode at the same time; the first to be done wins, so that a struct never moves.
    while (
        !decoded.compare_exchange_weak(made->next, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
      if (const Decoded* const entry = find(plan, made->next, known)) return *entry;
    }
    return *made.release();
  }

 private:
  static const Decoded* find(const DecodePlan& plan, const Decoded* from, const Decoded* to) noexcept {
    for (; from != to; from = from->next) {
      if (from->plan == &plan) return from;
    }
    return nullptr;
  }

  void read(const DecodePlan& plan, Decoded& made) const {
    const Codec& codec = plan.codec();
    made.object = plan.create();
    Misfit misfit;
    if (!payload.exists()) {
      misfit.expected = "an object";
      misfit.found = "nothing";
    } else if (codec.read(payload, made.object, misfit) != Fit::misfit) {
      return read_biz_id(codec, made.object);
    }
    plan.destroy(std::exchange(made.object, nullptr));
    made.error = misfit_error(misfit);
  }

  // Old rows name the object in the column biz_id alone. Under another biz_type the column means something else, and
  // what is no id of this kind says nothing against the body.
  void read_biz_id(const Codec& codec, void* object) const {
    std::string_view keys = facts_of(kind).biz_id_keys;
    if (keys.empty() || header.biz_id.empty()) return;
    const RowKinds kinds = kinds_of_biz_type(header.biz_type.value_or(-1));
    if (std::none_of(kinds.begin(), kinds.end(), [this](const RowKind& row) { return row.kind == kind; })) return;
    if (codec.present(keys.substr(0, keys.find('|')), object)) return;
    JsonWriter writer;
    writer.text(header.biz_id);
    const auto id = JsonDocument::parse(writer.take());
    if (!id) return;
    // A struct of this release has the first key; a user's own may have any.
    for (Misfit misfit; !keys.empty();) {
      if (codec.read_absent(next_key(keys), (*id)->root(), object, misfit) == Fit::filled) return;
    }
  }
};

/// What came at once, and its events, all of which keep it.
struct Delivery {
  JsonDocument document;
  std::string text;                   // that raw of the event points into, where it is no JSON
  EventData event;                    // where it is one
  std::unique_ptr<EventData[]> list;  // where it may be several
};

/// Gives the handle of an event of a delivery.
inline Event handle(const std::shared_ptr<Delivery>& delivery, const EventData& data) noexcept {
  return EventData::handle(std::shared_ptr<const EventData>(delivery, &data));
}

inline bool is_row(const EventHeader& header) noexcept {
  return header.source == Source::sync_http || header.source == Source::rds;
}

}  // namespace detail
DINGCB_NAMESPACE_END
