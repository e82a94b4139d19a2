// Expected: dingcb::match: the last case must take `const dingcb::Event&`
#include <dingcb/events/todo.hpp>

void handle(const dingcb::Event& event) {
#if defined(MISUSE)
  dingcb::match(
      event, [](const dingcb::Event&) {}, [](const dingcb::events::TodoTaskCreate&) {});
#else
  dingcb::match(
      event, [](const dingcb::events::TodoTaskCreate&) {}, [](const dingcb::Event&) {});
#endif
}
