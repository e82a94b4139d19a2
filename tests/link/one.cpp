// One of two translation units that include everything; the program exists where no body is defined twice.
#include "sample.hpp"

const std::error_category& category_of_one() { return dingcb::error_category(); }
bool one_opens_the_sample() { return open_and_answer_sample(); }
