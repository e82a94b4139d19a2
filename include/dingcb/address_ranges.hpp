// AddressRanges: which senders a callback accepts.
#pragma once

#include <dingcb/result.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

DINGCB_NAMESPACE_BEGIN

/// A set of IPv4 and IPv6 addresses, in CIDR notation. Immutable, so safe from any thread.
class AddressRanges {
 public:
  /// Makes the empty set.
  AddressRanges() noexcept = default;

  /// Reads ranges such as `203.119.0.0/16`, `2001:db8::/32` or the single address `10.1.2.3`. The length of IPv4 in
  /// IPv6 counts all 128 bits: `::ffff:203.119.0.0/112`; below 96 it is refused.
  /// @error address_malformed: the message names the text.
  DINGCB_API static Result<AddressRanges> parse(const std::vector<std::string>& ranges);

  /// Gives the ranges from which DingTalk is documented to send HTTP and SyncHTTP pushes. They have changed before:
  /// follow the page, or refuse pushes that are genuine.
  /// @see https://open.dingtalk.com/document/orgapp/configure-stream-push (pages 0232 and 0350), read 2026-08
  DINGCB_API static AddressRanges dingtalk();

  bool empty() const noexcept { return ranges_.empty(); }

  /// Tells whether an address is in the set; IPv4 in IPv6 (`::ffff:203.119.1.2`) counts as IPv4. False for a text that
  /// is no address.
  DINGCB_API bool contains(std::string_view address) const noexcept;

 private:
  using Bytes = std::array<unsigned char, 16>;  // IPv4 as ::ffff:a.b.c.d
  static constexpr Bytes kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0};
  struct Range {
    Bytes first;
    int bits;
  };
  static bool read(std::string_view text, Bytes& bytes, bool& ipv4) noexcept;

  std::vector<Range> ranges_;
};

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/address_ranges.ipp>
#endif
