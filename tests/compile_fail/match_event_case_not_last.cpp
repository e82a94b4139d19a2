// Expected: dingcb::match: the case that takes `const dingcb::Event&` takes everything; it must be the last one
#include <dingcb/events/todo.hpp>

void handle(const dingcb::Event& event) {
  dingcb::match(
      event,
#if defined(MISUSE)
      [](const dingcb::Event&) {},
#endif
      [](const dingcb::events::TodoTaskCreate&) {}, [](const dingcb::Event&) {});
}
