// Expected: dingcb: this is no event
#include <dingcb/events/todo.hpp>

struct Invented {};

void handle(const dingcb::Event& event) {
  dingcb::match(
#if defined(MISUSE)
      event, [](const Invented&) {}, [](const dingcb::Event&) {});
#else
      event, [](const dingcb::events::TodoTaskCreate&) {}, [](const dingcb::Event&) {});
#endif
}
