// Expected: dingcb: a handler takes `\(const E&\)` or `\(const E&, dingcb::Context&\)`
#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>

void add(dingcb::Dispatcher::Builder& builder) {
#if defined(MISUSE)
  builder.on([](const dingcb::events::UserAddOrg&, int) {});
#else
  builder.on([](const dingcb::events::UserAddOrg&, dingcb::Context&) {});
#endif
}
