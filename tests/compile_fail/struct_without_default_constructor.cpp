// Expected: dingcb: a struct that is read from JSON needs a default constructor
#include <dingcb/event.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct Item {
#if defined(MISUSE)
  explicit Item(std::string text) : id(std::move(text)) {}
#endif
  std::string id;
};

struct Invented {
  std::vector<Item> items;
};

template <>
struct dingcb::EventTraits<Item> {
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("id", self.id);
  }
};

template <>
struct dingcb::EventTraits<Invented> {
  static constexpr std::string_view type = "invented";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("items", self.items);
  }
};

const Invented* invented(const dingcb::Event& event) { return event.get_if<Invented>(); }
