// Expected: cannot convert|cannot initialize
#include <dingcb/error.hpp>

int number(dingcb::Errc code) {
#if defined(MISUSE)
  const int printed = code;
#else
  const int printed = dingcb::official_code(code);
#endif
  return printed;
}
