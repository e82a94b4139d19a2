// Expected: dingcb: a handler returns `void` \(the event is dealt with\) or `dingcb::Ack`
#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>

void add(dingcb::Dispatcher::Builder& builder) {
#if defined(MISUSE)
  builder.on([](const dingcb::events::UserAddOrg&) { return true; });
#else
  builder.on([](const dingcb::events::UserAddOrg&) { return dingcb::Ack::done(); });
#endif
}
