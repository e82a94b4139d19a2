#pragma once
#include <dingcb/encryptor.hpp>

dingcb::Result<dingcb::Encryptor> make_encryptor();
