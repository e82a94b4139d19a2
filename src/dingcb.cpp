// The compiled form of dingcb: every body once, in one translation unit.
#include <dingcb/dingcb.hpp>

#include <dingcb/impl/base64.ipp>
#include <dingcb/impl/bytes.ipp>
#include <dingcb/impl/encryptor.ipp>
#include <dingcb/impl/error.ipp>
