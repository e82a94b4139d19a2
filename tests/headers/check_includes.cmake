# cmake -D COMPILER=<c++> -D FORM=compiled|header_only -D INCLUDE=<folder> -D SCRATCH=<folder> -P check_includes.cmake
cmake_minimum_required(VERSION 3.16)

file(GLOB_RECURSE headers RELATIVE "${INCLUDE}" "${INCLUDE}/dingcb/*.hpp")
set(text "")
foreach(header IN LISTS headers)
  string(APPEND text "#include <${header}>\n")
endforeach()
set(source "${SCRATCH}/all_headers_${FORM}.cpp")
file(WRITE "${source}" "${text}")

set(definition "")
if(FORM STREQUAL "compiled")
  set(definition -DDINGCB_COMPILED)
endif()
execute_process(
  COMMAND "${COMPILER}" -std=c++17 -M ${definition} -I "${INCLUDE}" "${source}"
  OUTPUT_VARIABLE closure
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the compiler failed")
endif()

string(REGEX MATCHALL "[^ \n]*(openssl|rapidjson|dingcb/impl)/[^ \n]*" private "${closure}")
list(LENGTH private count)
if(FORM STREQUAL "compiled" AND count GREATER 0)
  message(FATAL_ERROR "public headers of the compiled form lead to: ${private}")
elseif(FORM STREQUAL "header_only" AND count EQUAL 0)
  message(FATAL_ERROR "the header-only form leads to no body: is this check looking in the right place?")
endif()
