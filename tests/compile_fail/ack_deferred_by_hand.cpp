// Expected: private
#include <dingcb/dispatcher.hpp>

dingcb::Ack later(dingcb::Context& context) {
#if defined(MISUSE)
  static_cast<void>(context);
  return dingcb::Ack(dingcb::Verdict::deferred, {}, {});  // nobody would ever settle it
#else
  context.defer().settle(dingcb::Ack::done());
  return {};
#endif
}
