# Fails unless a program ends with 0 and prints what a file holds.
#   cmake -D PROGRAM=<program> -D EXPECTED=<file> -P output.cmake
execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status)
file(READ "${EXPECTED}" expected)
if(NOT status EQUAL 0 OR NOT output STREQUAL expected)
  message("${output}")
  message(FATAL_ERROR "${PROGRAM} ended with ${status}, and printed something else than ${EXPECTED}\n${errors}")
endif()
