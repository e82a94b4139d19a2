# Configures, builds and runs the project beside this file with one of the ways to link that README.md shows.
cmake_minimum_required(VERSION 3.16)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " command "${ARGV}")
    string(REPLACE "\n" "\n  " output "${output}") # message() rewraps what is not indented
    message(FATAL_ERROR "${command}\nfailed (${status}):\n  ${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}/source/third_party")
configure_file("${CMAKE_CURRENT_LIST_DIR}/CMakeLists.txt" "${SCRATCH}/source/CMakeLists.txt" COPYONLY)
configure_file("${SOURCE}/examples/quickstart/main.cpp" "${SCRATCH}/source/main.cpp" COPYONLY)
configure_file("${SOURCE}/tests/docs/service_test.cpp" "${SCRATCH}/source/service_test.cpp" COPYONLY)
file(CREATE_LINK "${SOURCE}" "${SCRATCH}/source/third_party/dingcb" SYMBOLIC)

# Git would fetch the last commit, not the files at hand, so FetchContent is pointed at those.
run("${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${SCRATCH}/source" -B "${SCRATCH}/build" -DHOW=${HOW}
    "-Ddingcb_DIR=${BUILD_TREE}" "-DFETCHCONTENT_SOURCE_DIR_DINGCB=${SOURCE}" "-DCMAKE_CXX_COMPILER=${COMPILER}"
    "-DCMAKE_CXX_FLAGS=${FLAGS}")
set(target my_service)
set(expected "015227 joined ding9f50.*200 application/json.*msg_signature")
if(HOW STREQUAL "testkit")
  set(target my_service_test)
  set(expected "all good")
endif()
run("${CMAKE_COMMAND}" --build "${SCRATCH}/build" --target ${target})
run("${SCRATCH}/build/${target}")
if(NOT output MATCHES "${expected}")
  message(FATAL_ERROR "${target} printed: ${output}")
endif()
