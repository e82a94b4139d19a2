// Expected: dingcb: on\(\) finds the event in the parameter of the handler
#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>

void add(dingcb::Dispatcher::Builder& builder) {
#if defined(MISUSE)
  builder.on([](const auto&) {});
#else
  builder.on([](const dingcb::events::UserAddOrg&) {});
#endif
}
