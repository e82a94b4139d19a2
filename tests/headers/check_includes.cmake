# cmake -D COMPILER=<c++> -D FORM=compiled|header_only -D INCLUDE=<folder> -D MARIADB=<folder> -D MISSING=<expressions> -D
#   SCRATCH=<folder> -P check_includes.cmake
# MARIADB has the headers of its client library; MISSING says which headers lead to a library that is not there.
cmake_minimum_required(VERSION 3.16)

file(GLOB_RECURSE headers RELATIVE "${INCLUDE}" "${INCLUDE}/dingcb/*.hpp")
set(options "")
if(FORM STREQUAL "compiled")
  set(options -DDINGCB_COMPILED)
else()
  foreach(part IN LISTS MISSING)
    list(FILTER headers EXCLUDE REGEX "${part}")
  endforeach()
  if(MARIADB)
    set(options -isystem "${MARIADB}")
  endif()
endif()
set(text "")
foreach(header IN LISTS headers)
  string(APPEND text "#include <${header}>\n")
endforeach()
set(source "${SCRATCH}/all_headers_${FORM}.cpp")
file(WRITE "${source}" "${text}")

execute_process(
  COMMAND "${COMPILER}" -std=c++17 -M ${options} -I "${INCLUDE}" "${source}"
  OUTPUT_VARIABLE closure
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the compiler failed")
endif()

string(REGEX MATCHALL "[^ \n]*((openssl|rapidjson|dingcb/impl)/[^ \n]*|/sqlite3\\.h|/mysql\\.h)[ \n]" private "${closure}")
list(LENGTH private count)
if(FORM STREQUAL "compiled" AND count GREATER 0)
  message(FATAL_ERROR "public headers of the compiled form lead to: ${private}")
elseif(FORM STREQUAL "header_only" AND count EQUAL 0)
  message(FATAL_ERROR "the header-only form leads to no body: is this check looking in the right place?")
endif()
