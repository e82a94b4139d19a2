// The base64 decoder: the same answer wherever the text is cut, from the vector code and from the portable code; and
// what it accepts is exactly what the encoder writes, line breaks aside.
//
// An input: two bytes that place two cuts, and the rest is text.
#include <dingcb/detail/base64.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace {

using dingcb::detail::base64_encode;
using dingcb::detail::base64_encoded_size;
using dingcb::detail::Base64Decoder;

// Feeds a decoder; each piece in and out is exactly as large as promised, so that ASan sees every step beyond.
class Decoding {
 public:
  void update(std::string_view piece) {
    const std::unique_ptr<char[]> in(new char[piece.size()]);
    std::copy_n(piece.data(), piece.size(), in.get());
    const std::unique_ptr<unsigned char[]> out(new unsigned char[Base64Decoder::max_decoded_size(piece.size())]);
    const std::size_t written = decoder_.update({in.get(), piece.size()}, out.get());
    if (written > Base64Decoder::max_decoded_size(piece.size())) std::abort();
    bytes_.append(reinterpret_cast<const char*>(out.get()), written);
  }

  const std::string& bytes() const { return bytes_; }
  bool ok() const { return decoder_.ok(); }
  bool complete() const { return decoder_.complete(); }

  bool operator==(const Decoding& other) const {
    return bytes_ == other.bytes_ && ok() == other.ok() && complete() == other.complete();
  }

 private:
  Base64Decoder decoder_;
  std::string bytes_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);

  Decoding whole;
  whole.update(text);

  // Pieces of 16 characters are too short for the vector code.
  Decoding portable;
  for (std::size_t i = 0; i < text.size(); i += 16) portable.update(text.substr(i, 16));
  require(portable == whole);

  std::size_t first = data[0] % (text.size() + 1);
  std::size_t second = data[1] % (text.size() + 1);
  if (first > second) std::swap(first, second);
  Decoding cut;
  cut.update(text.substr(0, first));
  cut.update(text.substr(first, second - first));
  cut.update(text.substr(second));
  require(cut == whole);

  require(whole.ok() || !whole.complete());
  if (!whole.complete()) return 0;

  std::string letters(text);
  letters.erase(std::remove_if(letters.begin(), letters.end(), [](char c) { return c == '\r' || c == '\n'; }),
                letters.end());
  const std::string& bytes = whole.bytes();
  const std::unique_ptr<unsigned char[]> in(new unsigned char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), in.get());
  const std::size_t encoded_size = base64_encoded_size(bytes.size());
  const std::unique_ptr<char[]> encoded(new char[encoded_size]);
  base64_encode(in.get(), bytes.size(), encoded.get());
  require(std::string_view(encoded.get(), encoded_size) == letters);
  return 0;
}
