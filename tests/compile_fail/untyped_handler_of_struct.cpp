// Expected: dingcb: a handler takes `\(const E&\)` or `\(const E&, dingcb::Context&\)`
#include <dingcb/dispatcher.hpp>
#include <dingcb/events/contact.hpp>

void add(dingcb::Dispatcher::Builder& builder) {
#if defined(MISUSE)
  builder.on_type("user_add_org", [](const dingcb::events::UserAddOrg&) {});
#else
  builder.on_type("user_add_org", [](const dingcb::Event&) {});
#endif
}
