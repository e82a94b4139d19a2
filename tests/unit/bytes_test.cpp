#include <dingcb/detail/bytes.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace detail = dingcb::detail;

TEST_CASE("constant_time_equal agrees with == for every size and every place of a difference") {
  for (std::size_t size = 0; size <= 50; ++size) {
    const std::string left(size, 'a');
    CHECK(detail::constant_time_equal(left, std::string(size, 'a')));
    CHECK_FALSE(detail::constant_time_equal(left, std::string(size + 1, 'a')));
    for (std::size_t place = 0; place < size; ++place) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string right = left;
        right[place] = static_cast<char>(right[place] ^ (1 << bit));
        REQUIRE_FALSE(detail::constant_time_equal(left, right));
        REQUIRE_FALSE(detail::constant_time_equal(right, left));
      }
    }
  }
  CHECK(detail::constant_time_equal({}, ""));
}

TEST_CASE("constant_time_equal sees two differences that would cancel each other") {
  std::string left(40, '\0');
  std::string right(40, '\0');
  left[3] = right[11] = '\x40';
  CHECK_FALSE(detail::constant_time_equal(left, right));
}

TEST_CASE("wipe overwrites bytes, and exactly those") {
  char bytes[] = "secret and public";
  detail::wipe(bytes, 6);
  CHECK(std::string_view(bytes, 17) == std::string_view("\0\0\0\0\0\0 and public", 17));
}

TEST_CASE("wipe overwrites a string, its spare capacity included, and allocates nothing") {
  for (const std::size_t size : {std::size_t{5}, std::size_t{15}, std::size_t{16}, std::size_t{1000}}) {
    std::string text(size, 's');
    const std::size_t capacity = text.capacity();
    text.resize(size / 2);  // the rest stays behind the end
    const char* const place = text.data();
    detail::wipe(text);
    CHECK(text.empty());
    CHECK(text.capacity() == capacity);
    text.resize(capacity, 'x');
    CHECK(text.data() == place);
  }
}

TEST_CASE("hex prints all byte values in lower case") {
  for (int value = 0; value < 256; ++value) {
    unsigned char digest[20] = {};
    digest[0] = digest[19] = static_cast<unsigned char>(value);
    char out[41] = {};
    out[40] = 'x';
    detail::hex(digest, sizeof(digest), out);
    const std::string pair = {"0123456789abcdef"[value / 16], "0123456789abcdef"[value % 16]};
    std::string expected = pair;
    expected.append(36, '0').append(pair).append(1, 'x');
    REQUIRE(std::string(out, 41) == expected);
  }
}

TEST_CASE("load_big_endian and store_big_endian put the highest byte first") {
  unsigned char bytes[4];
  detail::store_big_endian(0x01fe80ffU, bytes);
  CHECK(bytes[0] == 0x01);
  CHECK(bytes[1] == 0xfe);
  CHECK(bytes[2] == 0x80);
  CHECK(bytes[3] == 0xff);
  for (const std::uint32_t value : {0U, 1U, 0x7fffffffU, 0x80000000U, 0xffffffffU, 0x01fe80ffU}) {
    detail::store_big_endian(value, bytes);
    CHECK(detail::load_big_endian(bytes) == value);
  }
}

TEST_CASE("mask shows the ends of a key and hides short ones altogether") {
  CHECK(detail::mask("dingabcdefgh1f2c") == "ding****1f2c");
  CHECK(detail::mask("123456789012") == "1234****9012");
  CHECK(detail::mask("12345678901") == "****");
  CHECK(detail::mask("") == "****");
}

TEST_CASE("mask hides whatever is no key: it may be plaintext, or break a log") {
  CHECK(detail::mask("suite-key_0001") == "suit****0001");
  for (const std::string_view text :
       {std::string_view("\0\n~\x7f----\x80\xff\r ", 12), std::string_view("{\"EventType\":1}"),
        std::string_view("dingabcdefgh 1f2c"), std::string_view("dingabcdefgh1f2c\n")}) {
    CHECK(detail::mask(text) == "****");
  }
}

TEST_CASE("Secret keeps a text until it is dropped, and leaves nothing where it was moved from") {
  for (const std::string& text : {std::string("short"), std::string(100, 'l')}) {
    detail::Secret first{text};
    CHECK((std::string_view(first) == text));
    const detail::Secret second = std::move(first);
    CHECK((std::string_view(second) == text));
    CHECK(std::string_view(first).empty());  // NOLINT: moved from, on purpose
  }
}
