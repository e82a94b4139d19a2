// select: an event as a std::variant over a few types. A header of its own, because <variant> is costly to include.
#pragma once

#include <dingcb/event.hpp>

#include <utility>
#include <variant>

DINGCB_NAMESPACE_BEGIN

/// An E inside an event, which it keeps alive.
template <class E>
class Selected {
 public:
  Selected(const Event& event, const E& typed) noexcept : event_(event), typed_(&typed) {}
  const E& get() const noexcept { return *typed_; }

 private:
  Event event_;
  const E* typed_;
};

/// Any other event, or one whose body does not fit.
template <>
class Selected<Event> {
 public:
  explicit Selected(const Event& event) noexcept : event_(event) {}
  const Event& get() const noexcept { return event_; }

 private:
  Event event_;
};

/// Gives the event as the one of Es that it is, or as Selected<Event>; for std::visit. get() of each alternative gives
/// the event itself.
template <class... Es>
std::variant<Selected<Es>..., Selected<Event>> select(const Event& event) {
  static_assert(sizeof...(Es) > 0, "dingcb::select: name the event types to select");
  std::variant<Selected<Es>..., Selected<Event>> selected(std::in_place_index<sizeof...(Es)>, event);
  static_cast<void>((... || [&] {
    const Es* const typed = event.get_if<Es>();
    if (typed != nullptr) selected = Selected<Es>(event, *typed);
    return typed != nullptr;
  }()));
  return selected;
}

DINGCB_NAMESPACE_END
