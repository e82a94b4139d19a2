// The compiled form of dingcb: every body once; those of the event families are in events.cpp.
#include <dingcb/dingcb.hpp>

#include <dingcb/impl/address_ranges.ipp>
#include <dingcb/impl/base64.ipp>
#include <dingcb/impl/bytes.ipp>
#include <dingcb/impl/callback_handler.ipp>
#include <dingcb/impl/codec.ipp>
#include <dingcb/impl/dispatcher.ipp>
#include <dingcb/impl/encryptor.ipp>
#include <dingcb/impl/error.ipp>
#include <dingcb/impl/event.ipp>
#include <dingcb/impl/inbox.ipp>
#include <dingcb/impl/inbox/failed_list.ipp>
#include <dingcb/impl/json.ipp>
#include <dingcb/impl/registration.ipp>
