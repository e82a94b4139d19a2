# cmake -D SCRIPT=tools/check_layers.cmake -D SCRATCH=<folder> -P check_layers_test.cmake
# Breaks each rule in a tree of its own and expects the script to say so.
cmake_minimum_required(VERSION 3.16)

function(expect name message)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -DINCLUDE=${SCRATCH}/${name} -P "${SCRIPT}"
    RESULT_VARIABLE status
    ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(message STREQUAL "" AND NOT status EQUAL 0)
    message(SEND_ERROR "${name}: refused a tree without fault: ${output}")
  elseif(NOT message STREQUAL "" AND (status EQUAL 0 OR NOT output MATCHES "${message}"))
    message(SEND_ERROR "${name}: expected '${message}', got: ${output}")
  endif()
endfunction()

# Writes a header of a scratch tree; the rest of the arguments are its lines.
function(header tree file)
  string(REPLACE ";" "\n" text "#pragma once;${ARGN};")
  file(WRITE "${SCRATCH}/${tree}/dingcb/${file}" "${text}")
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
header(good config.hpp "#include <cstddef>")
header(good error.hpp "#include <dingcb/config.hpp>" "#include <dingcb/impl/error.ipp>")
header(good impl/error.ipp "#include <dingcb/error.hpp>" "#include <openssl/evp.h>")
expect(good "")

header(upward result.hpp "#include <dingcb/encryptor.hpp>")
header(upward encryptor.hpp)
expect(upward "result.hpp: layer 1 includes encryptor.hpp of layer 3")

header(upward_body impl/sha1.ipp "# include \"dingcb/impl/engine.ipp\"")
expect(upward_body "impl/sha1.ipp: layer 2 includes impl/engine.ipp of layer 3")

header(stranger surprise.hpp)
expect(stranger "surprise.hpp: has no layer")

header(third_party encryptor.hpp "#include <openssl/evp.h>")
expect(third_party "encryptor.hpp: includes openssl/evp.h")

file(MAKE_DIRECTORY "${SCRATCH}/empty")
expect(empty "no headers")
