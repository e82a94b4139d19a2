// Bodies of address_ranges.hpp.
#pragma once

#include <dingcb/address_ranges.hpp>

#if defined(_WIN32)
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#endif

#include <algorithm>
#include <cstddef>

DINGCB_NAMESPACE_BEGIN

DINGCB_INLINE bool AddressRanges::read(std::string_view text, Bytes& bytes, bool& ipv4) noexcept {
  std::array<char, 64> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return false;
  std::copy(text.begin(), text.end(), terminated.begin());
  bytes = kMapped;
  ipv4 = inet_pton(AF_INET, terminated.data(), bytes.data() + 12) == 1;
  return ipv4 || inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1;
}

DINGCB_INLINE Result<AddressRanges> AddressRanges::parse(const std::vector<std::string>& ranges) {
  AddressRanges set;
  for (const std::string& text : ranges) {
    const std::size_t slash = text.find('/');
    Range range{};
    bool ipv4 = false;
    bool good = read(std::string_view(text).substr(0, slash), range.first, ipv4);
    range.bits = 128;
    if (good && slash != std::string::npos) {
      const std::string_view length = std::string_view(text).substr(slash + 1);
      const int most = ipv4 ? 32 : 128;
      int bits = 0;
      good = !length.empty() && length.size() <= 3 &&
             std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; });
      for (const char c : length) bits = good ? bits * 10 + (c - '0') : 0;
      good = good && bits <= most;
      range.bits = bits + 128 - most;
      // `::ffff:203.119.0.0/16` would be every IPv4 address; its author wanted /112.
      if (range.bits < 96 && std::equal(kMapped.begin(), kMapped.begin() + 12, range.first.begin())) good = false;
    }
    if (!good) {
      return Error{Errc::address_malformed,
                   Message("\"" + text + "\" is no range of addresses; write it as 203.119.0.0/16 or 2001:db8::/32"),
                   nullptr};
    }
    set.ranges_.push_back(range);
  }
  return set;
}

DINGCB_INLINE AddressRanges AddressRanges::dingtalk() {
  return parse({"203.119.0.0/16", "140.205.0.0/16", "106.11.0.0/16", "198.11.0.0/16", "59.82.0.0/16"}).value();
}

DINGCB_INLINE bool AddressRanges::contains(std::string_view address) const noexcept {
  Bytes bytes{};
  bool ipv4 = false;
  if (!read(address, bytes, ipv4)) return false;
  return std::any_of(ranges_.begin(), ranges_.end(), [&bytes](const Range& range) {
    const auto whole = static_cast<std::size_t>(range.bits / 8);
    if (!std::equal(bytes.begin(), bytes.begin() + range.bits / 8, range.first.begin())) return false;
    const int rest = range.bits % 8;
    return rest == 0 || (bytes[whole] ^ range.first[whole]) >> (8 - rest) == 0;
  });
}

DINGCB_NAMESPACE_END
