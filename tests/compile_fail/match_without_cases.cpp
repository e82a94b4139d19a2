// Expected: dingcb::match: give at least one case
#include <dingcb/event.hpp>

void handle(const dingcb::Event& event) {
#if defined(MISUSE)
  dingcb::match(event);
#else
  dingcb::match(event, [](const dingcb::Event&) {});
#endif
}
