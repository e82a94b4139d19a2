// Expected: dingcb: a field cannot have this type; take std::string, std::int64_t
#include <dingcb/event.hpp>

#include <string>
#include <string_view>

struct Invented {
#if defined(MISUSE)
  const char* field{};
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
