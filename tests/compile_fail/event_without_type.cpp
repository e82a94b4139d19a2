// Expected: dingcb: this is no event; .*`static constexpr std::string_view type`
#include <dingcb/event.hpp>

#include <string>
#include <string_view>

struct Invented {
  std::string id;
};

template <>
struct dingcb::EventTraits<Invented> {
#if !defined(MISUSE)
  static constexpr std::string_view type = "invented";
#endif
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id);
  }
};

std::string write(const Invented& event) { return dingcb::to_http_json(event); }
