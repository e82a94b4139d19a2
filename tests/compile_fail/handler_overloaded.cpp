// Expected: dingcb: on\(\) finds the event in the parameter of the handler
#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>

struct Both {
  void operator()(const dingcb::events::UserAddOrg&) const {}
#if defined(MISUSE)
  void operator()(const dingcb::events::UserLeaveOrg&) const {}
#endif
};

void add(dingcb::Dispatcher::Builder& builder) { builder.on(Both{}); }
