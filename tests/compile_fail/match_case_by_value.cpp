// Expected: dingcb::match: each case must take `const E&` of one event type E
#include <dingcb/events/todo.hpp>

void handle(const dingcb::Event& event) {
  dingcb::match(
#if defined(MISUSE)
      event, [](dingcb::events::TodoTaskCreate) {}, [](const dingcb::Event&) {});
#else
      event, [](const dingcb::events::TodoTaskCreate&) {}, [](const dingcb::Event&) {});
#endif
}
