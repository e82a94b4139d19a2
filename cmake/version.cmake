# Reads DINGCB_VERSION from include/dingcb/version.hpp, its only home.
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../include/dingcb/version.hpp" lines REGEX "DINGCB_VERSION_STRING")
if(NOT lines MATCHES "DINGCB_VERSION_STRING \"([0-9]+\\.[0-9]+\\.[0-9]+)\"")
  message(FATAL_ERROR "include/dingcb/version.hpp does not define DINGCB_VERSION_STRING")
endif()
set(DINGCB_VERSION "${CMAKE_MATCH_1}")
