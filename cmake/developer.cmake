# What only people who work on dingcb see: DINGCB_WARNINGS, used PRIVATE, empty for everybody else.
set(DINGCB_WARNINGS "")
if(NOT DINGCB_DEVELOPER_MODE)
  return()
endif()

if(MSVC)
  set(DINGCB_WARNINGS /W4 /WX /permissive-)
else()
  set(DINGCB_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror)
endif()
