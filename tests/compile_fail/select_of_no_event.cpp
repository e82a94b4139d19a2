// Expected: dingcb: this is no event
#include <dingcb/events/todo.hpp>
#include <dingcb/select.hpp>

struct Invented {};

bool known(const dingcb::Event& event) {
#if defined(MISUSE)
  return dingcb::select<Invented>(event).index() == 0;
#else
  return dingcb::select<dingcb::events::TodoTaskCreate>(event).index() == 0;
#endif
}
