// Expected: no matching function
#include <dingcb/error.hpp>

#include <string>

dingcb::Message make(const std::string& text) {
#if defined(MISUSE)
  return dingcb::Message::literal(text);  // would dangle
#else
  return dingcb::Message(text);
#endif
}
