// Expected: dingcb: this is no event
#include <dingcb/dispatcher.hpp>

#include <string>

namespace own {
struct Invented {
  std::string what;
};
}  // namespace own

#if !defined(MISUSE)
template <>
struct dingcb::EventTraits<own::Invented> {
  static constexpr std::string_view type = "invented";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("what", self.what);
  }
};
#endif

void add(dingcb::Dispatcher::Builder& builder) {
  builder.on([](const own::Invented&) {});
}
