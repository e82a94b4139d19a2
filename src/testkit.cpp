// The compiled form of the test kit.
#include <dingcb/testkit.hpp>

#include <dingcb/impl/testkit.ipp>
