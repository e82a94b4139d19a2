#include <dingcb/address_ranges.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using dingcb::AddressRanges;
using dingcb::Errc;

TEST_CASE("AddressRanges holds the addresses from the first to the last of a range, and no other") {
  const AddressRanges ranges = AddressRanges::parse({"203.119.0.0/16", "10.1.2.8/30", "192.168.0.77"}).value();
  for (const char* inside : {"203.119.0.0", "203.119.255.255", "10.1.2.8", "10.1.2.11", "192.168.0.77"}) {
    INFO(inside);
    CHECK(ranges.contains(inside));
  }
  for (const char* outside : {"203.118.255.255", "203.120.0.0", "10.1.2.7", "10.1.2.12", "192.168.0.76", "192.168.0.78",
                              "0.0.0.0", "255.255.255.255", "::1", "::203.119.0.1"}) {
    INFO(outside);
    CHECK_FALSE(ranges.contains(outside));
  }
}

TEST_CASE("AddressRanges reads IPv6, and IPv4 in IPv6 as IPv4") {
  const AddressRanges ranges = AddressRanges::parse({"2001:db8:1::/47", "fe80::1", "203.119.0.0/16"}).value();
  for (const char* inside : {"2001:db8::", "2001:DB8:1:ffff:ffff:ffff:ffff:ffff", "2001:0db8:0001::1", "fe80::1",
                             "::ffff:203.119.1.2", "::FFFF:cb77:102"}) {
    INFO(inside);
    CHECK(ranges.contains(inside));
  }
  for (const char* outside : {"2001:db8:2::", "2001:db7:ffff::", "fe80::2", "::ffff:203.120.1.2", "::cb77:102"}) {
    INFO(outside);
    CHECK_FALSE(ranges.contains(outside));
  }
  const AddressRanges mapped = AddressRanges::parse({"::ffff:203.119.0.0/112"}).value();
  CHECK(mapped.contains("203.119.255.255"));
  CHECK_FALSE(mapped.contains("203.120.0.0"));
  CHECK(AddressRanges::parse({"::ffff:0:0/96"}).value().contains("1.2.3.4"));
}

TEST_CASE("AddressRanges takes ranges of every length, and ignores bits behind it") {
  const AddressRanges all_ipv4 = AddressRanges::parse({"0.0.0.0/0"}).value();
  CHECK(all_ipv4.contains("255.1.2.3"));
  CHECK_FALSE(all_ipv4.contains("2001:db8::1"));
  CHECK(AddressRanges::parse({"::/0"}).value().contains("2001:db8::1"));
  for (int bits = 1; bits <= 32; ++bits) {
    INFO(bits);
    const AddressRanges half = AddressRanges::parse({"255.255.255.255/" + std::to_string(bits)}).value();
    std::string neighbour;  // differs in the last bit of the range alone
    for (int byte = 0; byte < 4; ++byte) {
      const int differing = (bits - 1) / 8 == byte ? 1 << (7 - (bits - 1) % 8) : 0;
      neighbour += (byte == 0 ? "" : ".") + std::to_string(255 - differing);
    }
    CHECK(half.contains("255.255.255.255"));
    CHECK_FALSE(half.contains(neighbour));
  }
}

TEST_CASE("AddressRanges refuses what is no range, and names it") {
  for (const std::string text : {"",
                                 "/",
                                 "/16",
                                 "203.119.0.0/",
                                 "203.119.0.0/33",
                                 "203.119.0.0/-1",
                                 "203.119.0.0/+1",
                                 "203.119.0.0/1 ",
                                 "203.119.0.0/0000000016",
                                 "203.119.0.0/16/16",
                                 " 203.119.0.0",
                                 "203.119.0",
                                 "203.119.0.256",
                                 "2001:db8::/129",
                                 "::ffff:203.119.0.0/16",
                                 "::ffff:0:0/95",
                                 "2001::db8::1",
                                 "example.com",
                                 "203.119.0.0-203.119.255.255",
                                 "[2001:db8::1]",
                                 "*"}) {
    INFO(text);
    const auto ranges = AddressRanges::parse({"10.0.0.0/8", text});
    REQUIRE_FALSE(ranges);
    CHECK(ranges.error().code == Errc::address_malformed);
    CHECK(ranges.error().message.find('"' + text + '"') == 0);
  }
  CHECK_FALSE(AddressRanges::parse({std::string("10.0.0.1\0", 9)}));
}

TEST_CASE("AddressRanges contains no text that is no address") {
  const AddressRanges everything = AddressRanges::parse({"0.0.0.0/0", "::/0"}).value();
  for (const std::string_view text :
       {std::string_view(), std::string_view("1.2.3"), std::string_view("1.2.3.4:80"), std::string_view("1.2.3.4 "),
        std::string_view("[::1]"), std::string_view("fe80::1%eth0"), std::string_view("1.2.3.4\0.evil", 13),
        std::string_view("localhost"), std::string_view("1.2.3.4, 5.6.7.8")}) {
    INFO(text);
    CHECK_FALSE(everything.contains(text));
  }
  CHECK_FALSE(everything.contains(std::string(1000, '1')));
  // A view without a NUL behind it.
  CHECK(everything.contains(std::string_view("1.2.3.45", 7)));
}

TEST_CASE("AddressRanges is empty by default, and dingtalk() has the documented ranges") {
  CHECK(AddressRanges().empty());
  CHECK(AddressRanges::parse({}).value().empty());
  CHECK_FALSE(AddressRanges().contains("203.119.0.1"));
  const AddressRanges dingtalk = AddressRanges::dingtalk();
  CHECK_FALSE(dingtalk.empty());
  for (const char* inside : {"203.119.128.1", "140.205.0.1", "106.11.255.255", "198.11.7.7", "59.82.0.0"}) {
    INFO(inside);
    CHECK(dingtalk.contains(inside));
  }
  CHECK_FALSE(dingtalk.contains("59.83.0.0"));
}
