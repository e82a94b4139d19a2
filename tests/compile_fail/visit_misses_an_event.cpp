// Expected: dingcb::visit: an event type has no case
#include <dingcb/events/visit.hpp>

#include <type_traits>

struct Cases {
  void operator()(const dingcb::Event&) const {}
#if defined(MISUSE)
  template <class E, class = std::enable_if_t<!std::is_same_v<E, dingcb::events::TodoTaskCreate>>>
#else
  template <class E>
#endif
  void operator()(const E&) const {
  }
};

void handle(const dingcb::Event& event) { dingcb::visit(event, Cases()); }
