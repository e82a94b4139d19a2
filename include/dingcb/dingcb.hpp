// The core of dingcb in one include; the event families (dingcb/events/) are included where they are handled.
#pragma once

#include <dingcb/address_ranges.hpp>
#include <dingcb/callback_handler.hpp>
#include <dingcb/clock.hpp>
#include <dingcb/config.hpp>
#include <dingcb/dispatcher.hpp>
#include <dingcb/encryptor.hpp>
#include <dingcb/error.hpp>
#include <dingcb/event.hpp>
#include <dingcb/inbox.hpp>
#include <dingcb/open_enum.hpp>
#include <dingcb/random.hpp>
#include <dingcb/registration.hpp>
#include <dingcb/result.hpp>
#include <dingcb/version.hpp>
