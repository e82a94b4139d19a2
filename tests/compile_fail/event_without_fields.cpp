// Expected: dingcb: this type has no fields; specialise dingcb::EventTraits<T>
#include <dingcb/event.hpp>

#include <string>
#include <string_view>

struct Invented {
  std::string id;
};

template <>
struct dingcb::EventTraits<Invented> {
  static constexpr std::string_view type = "invented";
#if !defined(MISUSE)
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id);
  }
#endif
};

const Invented* invented(const dingcb::Event& event) { return event.get_if<Invented>(); }
