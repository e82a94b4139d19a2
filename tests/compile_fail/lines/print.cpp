// Prints handler_for() of some events that the release does not know, and of its own: of all, or of the first
// `argv[1]`.
#include <dingcb/callback_handler.hpp>

#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  const auto print = [](const std::string& type) {
    std::cout << dingcb::handler_for(dingcb::parse_push(R"({"EventType":")" + type + "\"}").value().front()) << '\n';
  };
  print("invented_tomorrow");
  print(R"(\"quoted\"\\\n\u00007\u007f??/)");
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : dingcb::kKindCount - 1;
  for (std::size_t kind = 1; kind <= count; ++kind) {
    print(std::string(dingcb::type_of(static_cast<dingcb::Kind>(kind))));
  }
}
