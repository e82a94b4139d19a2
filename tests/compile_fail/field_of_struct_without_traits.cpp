// Expected: dingcb: this type has no fields; specialise dingcb::EventTraits<T>
#include <dingcb/event.hpp>

#include <map>
#include <string>
#include <string_view>

struct Invented {
#if defined(MISUSE)
  std::map<std::string, std::string> field{};
#else
  std::string field;
#endif
};

template <>
struct dingcb::EventTraits<Invented> {
  static constexpr std::string_view type = "invented";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("field", self.field);
  }
};

const Invented* invented(const dingcb::Event& event) { return event.get_if<Invented>(); }
