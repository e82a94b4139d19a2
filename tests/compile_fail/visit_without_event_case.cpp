// Expected: dingcb::visit: add a case for `const dingcb::Event&`
#include <dingcb/events/visit.hpp>

struct Cases {
#if !defined(MISUSE)
  void operator()(const dingcb::Event&) const {}
#endif
  template <class E, class = decltype(dingcb::EventTraits<E>::type)>
  void operator()(const E&) const {}
};

void handle(const dingcb::Event& event) { dingcb::visit(event, Cases()); }
