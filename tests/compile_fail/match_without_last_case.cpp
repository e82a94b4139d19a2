// Expected: dingcb::match: the last case must take `const dingcb::Event&`
#include <dingcb/events/todo.hpp>

void handle(const dingcb::Event& event) {
  dingcb::match(
      event, [](const dingcb::events::TodoTaskCreate&) {},
#if defined(MISUSE)
      [](const dingcb::events::TodoTaskUpdate&) {});
#else
      [](const dingcb::Event&) {});
#endif
}
