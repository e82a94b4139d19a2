// Expected: dingcb: what follows the field are other spellings of its key, as string literals
#include <dingcb/event.hpp>

#include <string>
#include <string_view>

struct Invented {
  std::string id;
};

template <>
struct dingcb::EventTraits<Invented> {
  static constexpr std::string_view type = "invented";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
#if defined(MISUSE)
    visit("id", self.id, std::string("Id"));  // would dangle
#else
    visit("id", self.id, "Id");
#endif
  }
};

const Invented* invented(const dingcb::Event& event) { return event.get_if<Invented>(); }
