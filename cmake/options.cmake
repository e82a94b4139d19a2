# Everything that can be switched. A project that embeds dingcb gets the library alone.
if(CMAKE_SOURCE_DIR STREQUAL PROJECT_SOURCE_DIR)
  set(DINGCB_TOP_LEVEL ON)
  set(DINGCB_SYSTEM "")
else()
  set(DINGCB_TOP_LEVEL OFF)
  set(DINGCB_SYSTEM SYSTEM) # the parent's warning flags are not meant for our headers
endif()

if(DINGCB_TOP_LEVEL)
  option(BUILD_SHARED_LIBS "Build dingcb::dingcb as a shared library" OFF)
endif()
option(DINGCB_DEVELOPER_MODE "Warnings as errors, for people who work on dingcb itself" OFF)
option(DINGCB_INSTALL "Generate the install rules" ${DINGCB_TOP_LEVEL})
option(DINGCB_BUILD_TESTS "Build the tests (needs Catch2 and RapidJSON)" ${DINGCB_TOP_LEVEL})
option(DINGCB_BUILD_EXAMPLES "Build the examples" ${DINGCB_TOP_LEVEL})
option(DINGCB_BUILD_BENCHMARKS "Build the benchmarks (needs Google Benchmark)" ${DINGCB_DEVELOPER_MODE})
option(DINGCB_BUILD_FUZZERS "Build the fuzzers (needs clang)" OFF)
