// One category, one exception type, whichever of two libraries with hidden symbols made the error. SAME_FORM is 0 where
// the program uses the other form than the plug-ins: nothing is shared then, and nothing collides.
#include "plugin.hpp"

#include "../contract/check.hpp"
#include "sample.hpp"

int main() {
  CHECK(left::opens_the_sample() && right::opens_the_sample() && open_and_answer_sample());

  CHECK(&left::category() == &right::category());
  CHECK(left::is_padding_error(right::padding_error()) && right::is_padding_error(left::padding_error()));
  CHECK((&left::category() == &dingcb::error_category()) == (SAME_FORM == 1));
  CHECK((left::padding_error() == dingcb::Errc::padding) == (SAME_FORM == 1));

  int caught = 0;
  try {
    left::throw_padding_error();
  } catch (const dingcb::Exception& e) {
    caught = e.error().code == dingcb::Errc::padding ? 1 : 2;
  } catch (const std::exception&) {
    caught = 3;
  }
  CHECK(caught == (SAME_FORM == 1 ? 1 : 3));
  return 0;
}
