// Expected: dingcb: a struct that is read from JSON needs a default constructor
#include <dingcb/event.hpp>

#include <string>
#include <string_view>
#include <utility>

struct Invented {
#if defined(MISUSE)
  explicit Invented(std::string text) : id(std::move(text)) {}
#endif
  std::string id;
};

template <>
struct dingcb::EventTraits<Invented> {
  static constexpr std::string_view type = "invented";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id);
  }
};

const Invented* invented(const dingcb::Event& event) { return event.get_if<Invented>(); }
