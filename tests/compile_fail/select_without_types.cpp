// Expected: dingcb::select: name the event types to select
#include <dingcb/events/todo.hpp>
#include <dingcb/select.hpp>

bool known(const dingcb::Event& event) {
#if defined(MISUSE)
  return dingcb::select(event).index() == 0;
#else
  return dingcb::select<dingcb::events::TodoTaskCreate>(event).index() == 0;
#endif
}
