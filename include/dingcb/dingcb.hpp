// The core of dingcb in one include.
#pragma once

#include <dingcb/clock.hpp>
#include <dingcb/config.hpp>
#include <dingcb/encryptor.hpp>
#include <dingcb/error.hpp>
#include <dingcb/random.hpp>
#include <dingcb/result.hpp>
#include <dingcb/version.hpp>
