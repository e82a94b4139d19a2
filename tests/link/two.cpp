#include "../contract/check.hpp"
#include "sample.hpp"

const std::error_category& category_of_one();
bool one_opens_the_sample();

int main() {
  CHECK(&category_of_one() == &dingcb::error_category());
  CHECK(one_opens_the_sample() && open_and_answer_sample());
  return 0;
}
