// Expected: dingcb: a list of lists cannot be a field; take dingcb::RawJson
#include <dingcb/event.hpp>

#include <string>
#include <string_view>
#include <vector>

struct Invented {
#if defined(MISUSE)
  std::vector<std::vector<std::string>> field{};
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
