// Expected: use of deleted function|call to deleted constructor
#include <dingcb/dispatcher.hpp>

dingcb::Verdict dispatch(const dingcb::Dispatcher& dispatcher, const dingcb::Event& event) {
#if defined(MISUSE)
  dingcb::Context context(dingcb::Event(event), dingcb::Milliseconds(2500));  // would dangle
#else
  dingcb::Context context(event, dingcb::Milliseconds(2500));
#endif
  return dispatcher.dispatch(context).verdict();
}
