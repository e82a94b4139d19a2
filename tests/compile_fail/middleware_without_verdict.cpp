// Expected: no (matching|viable|known)|could not convert|cannot convert
#include <dingcb/dispatcher.hpp>

void add(dingcb::Dispatcher::Builder& builder) {
#if defined(MISUSE)
  builder.use([](dingcb::Context&, const dingcb::Next& next) { next(); });
#else
  builder.use([](dingcb::Context&, const dingcb::Next& next) { return next(); });
#endif
}
