// Expected: dingcb: this is no event; take a struct of dingcb/events/, or specialise dingcb::EventTraits<E>
#include <dingcb/event.hpp>

#include <string>
#include <string_view>

struct Invented {
  std::string id;
};

#if !defined(MISUSE)
template <>
struct dingcb::EventTraits<Invented> {
  static constexpr std::string_view type = "invented";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id);
  }
};
#endif

const Invented* invented(const dingcb::Event& event) { return event.get_if<Invented>(); }
