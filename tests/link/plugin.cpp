// PLUGIN_NAME is `left` or `right`.
#include "plugin.hpp"

#include "sample.hpp"

namespace PLUGIN_NAME {

std::error_code padding_error() { return make_error_code(dingcb::Errc::padding); }
bool is_padding_error(const std::error_code& e) { return e == dingcb::Errc::padding; }
const std::error_category& category() { return dingcb::error_category(); }
void throw_padding_error() {
  const dingcb::Result<int> failed = dingcb::Error{dingcb::Errc::padding, dingcb::Message::literal("bad padding"), {}};
  static_cast<void>(failed.value());
}
bool opens_the_sample() { return open_and_answer_sample(); }

}  // namespace PLUGIN_NAME
