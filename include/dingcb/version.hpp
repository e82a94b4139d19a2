// The version of dingcb; CMake reads it from here.
#pragma once

#define DINGCB_VERSION_MAJOR 0
#define DINGCB_VERSION_MINOR 1
#define DINGCB_VERSION_PATCH 0
#define DINGCB_VERSION_STRING "0.1.0"
