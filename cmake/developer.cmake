# What only people who work on dingcb see: DINGCB_WARNINGS (used PRIVATE, empty for everybody else), ccache, and the targets
# format, format-check, tidy and coverage.
set(DINGCB_WARNINGS "")
if(NOT DINGCB_DEVELOPER_MODE)
  return()
endif()

if(MSVC)
  set(DINGCB_WARNINGS /W4 /WX /permissive-)
else()
  set(DINGCB_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror)
  # g++ 12 warns about its own std::string at -O3 (its bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    list(APPEND DINGCB_WARNINGS -Wno-restrict)
  endif()
endif()

find_program(DINGCB_CCACHE ccache)
if(DINGCB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${DINGCB_CCACHE}")
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Everything written by hand here; tests/contract is somebody else's text.
file(
  GLOB_RECURSE sources CONFIGURE_DEPENDS
  include/*.hpp
  include/*.ipp
  src/*.cpp
  tests/*.hpp
  tests/*.cpp
  examples/*.cpp
  tools/*.cpp)
list(FILTER sources EXCLUDE REGEX "/tests/contract/")

find_program(DINGCB_CLANG_FORMAT NAMES clang-format-14 clang-format) # versions differ in taste; 14 decides
if(DINGCB_CLANG_FORMAT)
  add_custom_target(
    format
    COMMAND "${DINGCB_CLANG_FORMAT}" -i ${sources}
    COMMENT "Formatting")
  add_custom_target(
    format-check
    COMMAND "${DINGCB_CLANG_FORMAT}" --dry-run --Werror ${sources}
    COMMENT "Checking the format")
endif()

# src/ holds all bodies; the others show how the headers are used.
find_program(DINGCB_RUN_CLANG_TIDY NAMES run-clang-tidy-14 run-clang-tidy)
find_program(DINGCB_CLANG_TIDY NAMES clang-tidy-14 clang-tidy)
if(DINGCB_RUN_CLANG_TIDY AND DINGCB_CLANG_TIDY)
  add_custom_target(
    tidy
    COMMAND "${PROJECT_SOURCE_DIR}/tools/unique_commands.py" "${CMAKE_BINARY_DIR}/compile_commands.json"
            "${CMAKE_BINARY_DIR}/tidy/compile_commands.json"
    COMMAND "${DINGCB_RUN_CLANG_TIDY}" -clang-tidy-binary "${DINGCB_CLANG_TIDY}" -quiet -p "${CMAKE_BINARY_DIR}/tidy"
            "^${PROJECT_SOURCE_DIR}/(src|examples|tools|tests/(unit|failure|fuzz|bench|inbox|mysql))/"
    COMMENT "Running clang-tidy"
    VERBATIM)
endif()

find_program(DINGCB_GCOVR gcovr)
if(DINGCB_GCOVR)
  add_custom_target(
    coverage
    COMMAND "${DINGCB_GCOVR}" --root "${PROJECT_SOURCE_DIR}" --filter "${PROJECT_SOURCE_DIR}/include/dingcb/impl/"
            --exclude-throw-branches --fail-under-line 97 --txt "${CMAKE_BINARY_DIR}/coverage.txt" --print-summary
            "${CMAKE_BINARY_DIR}"
    COMMENT "Line coverage of impl/ (preset `coverage`, after its tests)"
    VERBATIM)
endif()
