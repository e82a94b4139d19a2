# Fails when the library calls a function of OpenSSL that is on neither list, or when a list names one that is not called.
# cmake -D NM=<nm> -D LIBRARY=<static library> -D WRAPPED=<list> -D INFALLIBLE=<list> -P check_wrapped.cmake
execute_process(COMMAND "${NM}" --undefined-only --format=posix "${LIBRARY}" OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} cannot read ${LIBRARY}")
endif()
# Undefined symbols in C spelling that begin with two capitals: OpenSSL's, whichever part of it they belong to.
string(REGEX MATCHALL "(^|\n)[A-Z][A-Z][A-Za-z0-9_]* U" lines "${symbols}")
set(called "")
foreach(line IN LISTS lines)
  string(REGEX REPLACE "[\n ]|U$" "" name "${line}")
  list(APPEND called ${name})
endforeach()
list(REMOVE_DUPLICATES called)

set(unknown ${called})
list(REMOVE_ITEM unknown ${WRAPPED} ${INFALLIBLE})
if(unknown)
  message(FATAL_ERROR "dingcb calls ${unknown}: wrap it in openssl_faults.cpp, or list it as infallible in "
                      "tests/failure/CMakeLists.txt")
endif()
set(stale ${WRAPPED} ${INFALLIBLE})
list(REMOVE_ITEM stale ${called})
if(stale)
  message(FATAL_ERROR "dingcb no longer calls ${stale}: take it off the list in tests/failure/CMakeLists.txt")
endif()
