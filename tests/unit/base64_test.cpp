#include <dingcb/detail/base64.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::detail::base64_encode;
using dingcb::detail::base64_encoded_size;
using dingcb::detail::Base64Decoder;

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Below this many characters a piece never reaches the vector code.
constexpr std::size_t kPortablePiece = 16;

struct Decoded {
  std::string bytes;
  bool ok = false;
  bool complete = false;

  bool operator==(const Decoded& other) const {
    return bytes == other.bytes && ok == other.ok && complete == other.complete;
  }
};

// Decodes the pieces that end at `cuts` and at the end of the text. Text and output are exactly as large as promised,
// so that a sanitizer sees every step beyond.
Decoded decode(std::string_view text, const std::vector<std::size_t>& cuts = {}) {
  Base64Decoder decoder;
  Decoded result;
  const auto piece = [&](std::size_t begin, std::size_t end) {
    const std::size_t size = end - begin;
    const std::unique_ptr<char[]> in(new char[size]);
    std::copy_n(text.data() + begin, size, in.get());
    const std::unique_ptr<unsigned char[]> out(new unsigned char[Base64Decoder::max_decoded_size(size)]);
    const std::size_t written = decoder.update({in.get(), size}, out.get());
    result.bytes.append(reinterpret_cast<const char*>(out.get()), written);
  };
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    piece(begin, cut);
    begin = cut;
  }
  piece(begin, text.size());
  result.ok = decoder.ok();
  result.complete = decoder.complete();
  return result;
}

Decoded decode_portably(std::string_view text) {
  std::vector<std::size_t> cuts;
  for (std::size_t cut = kPortablePiece; cut < text.size(); cut += kPortablePiece) cuts.push_back(cut);
  return decode(text, cuts);
}

std::string encode(std::string_view bytes) {
  const std::unique_ptr<unsigned char[]> in(new unsigned char[bytes.size()]);
  if (!bytes.empty()) std::memcpy(in.get(), bytes.data(), bytes.size());
  const std::size_t size = base64_encoded_size(bytes.size());
  const std::unique_ptr<char[]> out(new char[size]);
  base64_encode(in.get(), bytes.size(), out.get());
  return {out.get(), size};
}

// The other opinion: the whole text at once, by the words of RFC 4648, bit by bit.
std::optional<std::string> naive_decode(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    if (c != '\r' && c != '\n') letters += c;
  }
  if (letters.size() % 4 != 0) return std::nullopt;
  std::size_t pads = 0;
  while (pads < 2 && !letters.empty() && letters.back() == '=') {
    letters.pop_back();
    ++pads;
  }
  std::vector<bool> bits;
  for (const char c : letters) {
    const std::size_t value = kLetters.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    for (int bit = 5; bit >= 0; --bit) bits.push_back((value >> bit & 1) != 0);
  }
  for (std::size_t i = 0; i < 2 * pads; ++i) {
    if (bits.back()) return std::nullopt;
    bits.pop_back();
  }
  std::string bytes;
  for (std::size_t i = 0; i < bits.size(); i += 8) {
    unsigned byte = 0;
    for (std::size_t bit = 0; bit < 8; ++bit) byte = byte << 1 | (bits[i + bit] ? 1U : 0U);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::string naive_encode(std::string_view bytes) {
  std::vector<bool> bits;
  for (const char c : bytes) {
    for (int bit = 7; bit >= 0; --bit) bits.push_back((static_cast<unsigned char>(c) >> bit & 1) != 0);
  }
  while (bits.size() % 6 != 0) bits.push_back(false);
  std::string text;
  for (std::size_t i = 0; i < bits.size(); i += 6) {
    std::size_t value = 0;
    for (std::size_t bit = 0; bit < 6; ++bit) value = value << 1 | (bits[i + bit] ? 1U : 0U);
    text += kLetters[value];
  }
  while (text.size() % 4 != 0) text += '=';
  return text;
}

bool agrees(const Decoded& decoded, const std::optional<std::string>& expected) {
  return expected ? decoded.ok && decoded.complete && decoded.bytes == *expected : !decoded.complete;
}

bool accepts(std::string_view text) { return decode(text).complete; }

class Random {
 public:
  std::size_t below(std::size_t bound) { return engine_() % bound; }

  std::string bytes(std::size_t size) {
    std::string result(size, '\0');
    for (char& c : result) c = static_cast<char>(below(256));
    return result;
  }

  // Valid base64 text; with breaks about every `line` characters unless that is zero.
  std::string text(std::size_t bytes_size, std::size_t line = 0) {
    std::string letters = naive_encode(bytes(bytes_size));
    if (line == 0) return letters;
    std::string result;
    for (const char c : letters) {
      if (below(line) == 0) result += below(2) == 0 ? "\r\n" : "\n";
      result += c;
    }
    return result;
  }

 private:
  std::mt19937 engine_{20240229};  // NOLINT(cert-msc32-c,cert-msc51-cpp): a failure must come back
};

// One step away from `text`: a character replaced, inserted, deleted or swapped with another, or the end cut off.
std::string mutated(std::string text, Random& random) {
  constexpr std::string_view kInteresting("=\r\n \t-_A/+z\0\x80\xff", 14);
  const char c =
      random.below(2) == 0 ? kInteresting[random.below(kInteresting.size())] : static_cast<char>(random.below(256));
  const std::size_t at = random.below(text.size() + 1);
  if (at == text.size()) return text += c;
  switch (random.below(5)) {
    case 0: text[at] = c; break;
    case 1: text.insert(at, 1, c); break;
    case 2: text.erase(at, 1); break;
    case 3: std::swap(text[at], text[random.below(text.size())]); break;
    default: text.resize(at); break;
  }
  return text;
}

}  // namespace

TEST_CASE("base64 agrees with the test vectors of RFC 4648") {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [bytes, text] : vectors) {
    CAPTURE(text);
    CHECK(encode(bytes) == text);
    const Decoded decoded = decode(text);
    CHECK(decoded.complete);
    CHECK(decoded.bytes == bytes);
  }
}

TEST_CASE("base64_encode and Base64Decoder agree with a naive codec on every size") {
  Random random;
  for (std::size_t size = 0; size <= 300; ++size) {
    CAPTURE(size);
    const std::string bytes = random.bytes(size);
    const std::string text = encode(bytes);
    CHECK(text == naive_encode(bytes));
    const Decoded decoded = decode(text);
    CHECK(decoded.complete);
    CHECK(decoded.bytes == bytes);
    CHECK(decode_portably(text) == decoded);
    CHECK(naive_decode(text) == bytes);
  }
}

TEST_CASE("base64 carries every group of bits at every place of a vector") {
  // 64 values, rotated by one place a round: each letter stands once at each place.
  std::string letters(kLetters);
  letters += letters;
  for (std::size_t round = 0; round < 64; ++round) {
    CAPTURE(round);
    std::rotate(letters.begin(), letters.begin() + 1, letters.end());
    const std::optional<std::string> bytes = naive_decode(letters);
    REQUIRE(bytes);
    CHECK(agrees(decode(letters), bytes));
    CHECK(encode(*bytes) == letters);
  }
}

TEST_CASE("base64_encode in pieces of whole groups gives the same text") {
  Random random;
  const std::string bytes = random.bytes(200);
  const std::string whole = encode(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 3) {
    CHECK(encode(std::string_view(bytes).substr(0, cut)) + encode(std::string_view(bytes).substr(cut)) == whole);
  }
}

TEST_CASE("Base64Decoder refuses every foreign character at every place") {
  Random random;
  const std::string text = random.text(120);
  REQUIRE(text.size() == 160);
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t refused = 0;
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      const Decoded decoded = decode(changed);
      if (!decoded.ok) ++refused;
      if (!agrees(decoded, naive_decode(changed)) || !(decode_portably(changed) == decoded)) {
        CAPTURE(at, byte);
        FAIL_CHECK("the decoders disagree");
      }
    }
    // All but 64 letters and two line breaks, and `=` at the end, where it may stand if the spare bits are zero.
    CAPTURE(at);
    CHECK((refused == 190 || (at == 159 && refused == 189)));
  }
}

TEST_CASE("Base64Decoder refuses white space other than line breaks, and other alphabets") {
  for (const char c : std::string_view(" \t\v\f\0-_.,:*", 11)) {
    CAPTURE(static_cast<int>(c));
    for (std::size_t at = 0; at <= 8; ++at) {
      std::string text = "Zm9vYg==";
      text.insert(at, 1, c);
      CHECK_FALSE(decode(text).ok);
    }
  }
  CHECK_FALSE(decode("\xEF\xBB\xBFZm9v").ok);
}

TEST_CASE("Base64Decoder takes '=' only as the last one or two characters") {
  for (const std::string_view good : {"", "AA==", "AAA=", "AAAA", "AAAAAA==", "AAAAAAA="}) {
    CAPTURE(good);
    CHECK(accepts(good));
  }
  for (const std::string_view bad :
       {"=",    "==",    "===",    "====",     "A",        "A=",    "A==",      "A===",     "AA",       "AA=",
        "AAA",  "AA===", "AA====", "AAA==",    "AAA===",   "AAAA=", "AAAA==",   "AAAA===",  "AAAA====", "=AAA",
        "A=AA", "AA=A",  "AA==A",  "AA==AA==", "AA==AAAA", "AAA=A", "AAA=AAAA", "AAA=AAA=", "AA=AA=",   "AAA=="}) {
    CAPTURE(bad);
    CHECK_FALSE(accepts(bad));
    CHECK_FALSE(naive_decode(bad));
    // The same behind text that the vector code reads.
    CHECK_FALSE(accepts(std::string(96, 'x') + std::string(bad)));
    if (bad.find_first_not_of('=') == std::string_view::npos) CHECK_FALSE(decode(bad).ok);
  }
}

TEST_CASE("Base64Decoder refuses discarded bits that are not zero") {
  std::size_t one_byte = 0;
  std::size_t two_bytes = 0;
  for (const char c : kLetters) {
    if (accepts(std::string("A") + c + "==")) ++one_byte;
    if (accepts(std::string("AA") + c + "=")) ++two_bytes;
    CHECK(accepts(std::string("AAA") + c));
  }
  CHECK(one_byte == 4);
  CHECK(two_bytes == 16);
  CHECK(accepts("Ag=="));
  CHECK_FALSE(accepts("Ah=="));
  CHECK(accepts("AAE="));
  CHECK_FALSE(accepts("AAF="));
}

TEST_CASE("Base64Decoder tells an unfinished text from a malformed one") {
  const std::pair<std::string_view, bool> unfinished[] = {{"Z", true},     {"Zg", true},   {"Zg=", true},
                                                          {"Zm8", true},   {"Zg\n", true}, {"Z=", false},
                                                          {"Zg=A", false}, {"Zm9", true},  {"Zh=", false}};
  for (const auto& [text, ok] : unfinished) {
    CAPTURE(text);
    const Decoded decoded = decode(text);
    CHECK(decoded.ok == ok);
    CHECK_FALSE(decoded.complete);
    CHECK(decoded.bytes.empty());
  }
}

TEST_CASE("Base64Decoder stays refused and writes nothing more") {
  Base64Decoder decoder;
  std::array<unsigned char, Base64Decoder::max_decoded_size(64)> out{};
  CHECK(decoder.update("Zm9vZm9v!Zm9v", out.data()) == 6);
  CHECK_FALSE(decoder.ok());
  out.fill(0x5A);
  CHECK(decoder.update(std::string(64, 'A'), out.data()) == 0);
  CHECK(decoder.update("", out.data()) == 0);
  CHECK_FALSE(decoder.ok());
  CHECK_FALSE(decoder.complete());
  CHECK(std::all_of(out.begin(), out.end(), [](unsigned char byte) { return byte == 0x5A; }));
}

TEST_CASE("Base64Decoder skips line breaks at every place") {
  Random random;
  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100}, std::size_t{101}}) {
    const std::string bytes = random.bytes(size);
    const std::string text = naive_encode(bytes);
    for (const std::string_view line_break : {"\n", "\r\n", "\r", "\n\n\r\r\n"}) {
      for (std::size_t at = 0; at <= text.size(); ++at) {
        CAPTURE(size, at);
        const Decoded decoded = decode(std::string(text).insert(at, line_break));
        CHECK(decoded.complete);
        CHECK(decoded.bytes == bytes);
      }
    }
  }
  CHECK(decode("\r\n").complete);
  CHECK(decode("Zg\n=\r=\n\n").bytes == "f");
}

TEST_CASE("Base64Decoder decodes lines of every length") {
  Random random;
  const std::string bytes = random.bytes(1000);
  const std::string text = naive_encode(bytes);
  for (std::size_t width = 1; width <= 150; ++width) {
    CAPTURE(width);
    std::string lines;
    for (std::size_t i = 0; i < text.size(); i += width) lines += text.substr(i, width) + "\r\n";
    const Decoded decoded = decode(lines);
    CHECK(decoded.complete);
    CHECK(decoded.bytes == bytes);
  }
}

TEST_CASE("Base64Decoder gives the same answer wherever the text is cut") {
  Random random;
  const std::string good = random.text(91, 30);
  std::string foreign = good;
  foreign[70] = '-';
  std::string padded_inside = good;
  padded_inside[good.size() / 2] = '=';
  std::string spare_bits = random.text(90) + "Zh==";
  for (const std::string& text : {good, foreign, padded_inside, spare_bits, good + "\n", good + "=", good + "A"}) {
    const Decoded whole = decode(text);
    CHECK(agrees(whole, naive_decode(text)));
    std::size_t different = 0;
    for (std::size_t first = 0; first <= text.size(); ++first) {
      for (std::size_t second = first; second <= text.size(); ++second) {
        if (!(decode(text, {first, second}) == whole)) ++different;
      }
    }
    CHECK(different == 0);
    std::vector<std::size_t> each_character;
    for (std::size_t cut = 1; cut < text.size(); ++cut) each_character.push_back(cut);
    CHECK(decode(text, each_character) == whole);
  }
}

TEST_CASE("Base64Decoder writes no byte beyond max_decoded_size") {
  // What a sanitizer sees in every test above, seen without one.
  constexpr unsigned char kGuard = 0xA5;
  Random random;
  const std::string text = random.text(306);
  for (std::size_t held_back = 0; held_back <= 3; ++held_back) {
    for (std::size_t size = 0; size <= 300; ++size) {
      Base64Decoder decoder;
      std::array<unsigned char, Base64Decoder::max_decoded_size(300) + 64> out;
      CHECK(decoder.update(std::string_view(text).substr(0, held_back), out.data()) == 0);
      out.fill(kGuard);
      const std::size_t bound = Base64Decoder::max_decoded_size(size);
      const std::size_t written = decoder.update(std::string_view(text).substr(held_back, size), out.data());
      CAPTURE(held_back, size);
      CHECK(written == (held_back + size) / 4 * 3);
      CHECK(written <= bound);
      CHECK(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(bound), out.end(),
                        [](unsigned char byte) { return byte == kGuard; }));
    }
  }
}

TEST_CASE("base64_encode writes no character beyond base64_encoded_size") {
  Random random;
  const std::string bytes = random.bytes(300);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    std::string out(base64_encoded_size(size) + 64, '#');
    base64_encode(reinterpret_cast<const unsigned char*>(bytes.data()), size, out.data());
    CAPTURE(size);
    CHECK(out.find('#') == (size == 0 ? 0 : base64_encoded_size(size)));
    CHECK(out.find_last_not_of('#') + 1 == base64_encoded_size(size));
  }
}

TEST_CASE("Base64Decoder agrees with a naive decoder on random and mutated text") {
  Random random;
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = random.text(random.below(200), random.below(3) * 40);
    for (std::size_t steps = random.below(3); steps > 0; --steps) text = mutated(std::move(text), random);
    const std::optional<std::string> expected = naive_decode(text);
    ++(expected ? accepted : refused);
    const Decoded decoded = decode(text);
    const std::size_t cut = random.below(text.size() + 1);
    if (!agrees(decoded, expected) || !(decode_portably(text) == decoded) || !(decode(text, {cut}) == decoded)) {
      CAPTURE(round, text, cut);
      FAIL_CHECK("the decoders disagree");
    }
  }
  CHECK(accepted > 5000);
  CHECK(refused > 5000);
}

#if defined(DINGCB_HAS_AVX2_CODE)
// The code of each kind by itself; only the header-only form shows it.

TEST_CASE("The AVX2 decoder agrees with the portable one and stops before what it cannot decode") {
  if (!dingcb::detail::has_avx2()) {
    WARN("this processor has no AVX2");
    return;
  }
  Random random;
  std::size_t stopped = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = random.text(random.below(300), random.below(2) * 100);
    if (random.below(2) == 0) text = mutated(std::move(text), random);
    std::vector<unsigned char> portable(Base64Decoder::max_decoded_size(text.size()));
    std::vector<unsigned char> vector(portable.size());
    const std::size_t groups = dingcb::detail::base64_decode_groups(text, portable.data());
    const std::size_t done = dingcb::detail::base64_decode_groups_avx2(text, vector.data());
    // As far as whole vectors of letters go that leave 12 characters behind them.
    const std::size_t fit = text.size() < 44 ? 0 : (text.size() - 44) / 32 * 32 + 32;
    if (done < fit) ++stopped;
    if (done != std::min(fit, groups / 32 * 32) ||
        !std::equal(portable.begin(), portable.begin() + static_cast<std::ptrdiff_t>(done / 4 * 3), vector.begin())) {
      CAPTURE(round, text, done, groups);
      FAIL_CHECK("the decoders disagree");
    }
  }
  CHECK(stopped > 1000);
}

TEST_CASE("The AVX2 encoder agrees with the portable one") {
  if (!dingcb::detail::has_avx2()) {
    WARN("this processor has no AVX2");
    return;
  }
  Random random;
  for (int round = 0; round < 5000; ++round) {
    const std::string text = random.bytes(random.below(400));
    const std::vector<unsigned char> bytes(text.begin(), text.end());
    std::string portable(base64_encoded_size(bytes.size()), '\0');
    std::string vector(portable.size(), '\0');
    const std::size_t groups = dingcb::detail::base64_encode_groups(bytes.data(), bytes.size(), portable.data());
    const std::size_t done = dingcb::detail::base64_encode_groups_avx2(bytes.data(), bytes.size(), vector.data());
    CAPTURE(bytes.size());
    REQUIRE(groups == bytes.size() / 3 * 3);
    REQUIRE(done == (bytes.size() < 28 ? 0 : (bytes.size() - 28) / 24 * 24 + 24));
    REQUIRE(vector.substr(0, done / 3 * 4) == portable.substr(0, done / 3 * 4));
  }
}
#endif
