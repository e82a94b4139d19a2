// Expected: dingcb: a handler of `const dingcb::Event&` takes every event
#include <dingcb/dispatcher.hpp>

void add(dingcb::Dispatcher::Builder& builder) {
  const auto handler = [](const dingcb::Event&) {};
#if defined(MISUSE)
  builder.on(handler);
#else
  builder.otherwise(handler);
#endif
}
