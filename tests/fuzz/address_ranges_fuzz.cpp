// AddressRanges with any texts: a line for each range, and the last one for an address. Compared with ranges that are
// written out as bits.
#include <dingcb/address_ranges.hpp>

#include "fuzz/event_checks.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using checks::require;
using dingcb::AddressRanges;
using dingcb::Errc;

struct Bits {
  std::string text;  // of `0` and `1`, for IPv6
  bool ipv4 = false;
};

std::optional<Bits> bits_of(const std::string& address) {
  if (address.find('\0') != std::string::npos) return std::nullopt;
  std::array<unsigned char, 16> bytes{};
  Bits bits;
  bits.ipv4 = inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  std::size_t count = 4;
  if (bits.ipv4) {
    bits.text = std::string(80, '0') + std::string(16, '1');
  } else {
    if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return std::nullopt;
    count = 16;
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (int bit = 7; bit >= 0; --bit) bits.text += (bytes[i] >> bit & 1) != 0 ? '1' : '0';
  }
  require(bits.text.size() == 128);
  return bits;
}

// The bits with which all addresses of a range begin.
std::optional<std::string> prefix_of(const std::string& range) {
  const std::size_t slash = range.find('/');
  const std::optional<Bits> first = bits_of(range.substr(0, slash));
  if (!first) return std::nullopt;
  if (slash == std::string::npos) return first->text;
  const std::string length = range.substr(slash + 1);
  if (length.empty() || length.size() > 3 || length.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  const std::size_t bits = std::strtoul(length.c_str(), nullptr, 10) + (first->ipv4 ? 96 : 0);
  if (bits > 128) return std::nullopt;
  if (bits < 96 && first->text.compare(0, 96, std::string(80, '0') + std::string(16, '1')) == 0) return std::nullopt;
  return first->text.substr(0, bits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += static_cast<char>(data[i]);
    }
  }
  const std::string address = lines.back();
  lines.pop_back();

  std::vector<std::string> prefixes;
  const std::string* wrong = nullptr;
  for (const std::string& line : lines) {
    const std::optional<std::string> prefix = prefix_of(line);
    if (prefix) {
      prefixes.push_back(*prefix);
    } else if (wrong == nullptr) {
      wrong = &line;
    }
  }
  const auto ranges = AddressRanges::parse(lines);
  require(ranges.has_value() == (wrong == nullptr));
  if (!ranges) {
    require(ranges.error().code == Errc::address_malformed);
    require(ranges.error().message.find('"' + *wrong + '"') != std::string_view::npos);
    return 0;
  }
  require(ranges->empty() == lines.empty());

  const std::optional<Bits> bits = bits_of(address);
  const bool inside = bits && std::any_of(prefixes.begin(), prefixes.end(), [&bits](const std::string& prefix) {
                        return bits->text.compare(0, prefix.size(), prefix) == 0;
                      });
  require(ranges->contains(address) == inside);
  if (bits && bits->ipv4) require(ranges->contains("::ffff:" + address) == inside);
  return 0;
}
