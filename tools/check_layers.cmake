# cmake [-D INCLUDE=<folder>] -P tools/check_layers.cmake
# Fails when a header includes one of a higher layer, when a file outside impl/ knows a third party, or when a file has no
# layer: then write it into the list below, as low as it can stand.
cmake_minimum_required(VERSION 3.16)

# From layer 0 up; impl/x.ipp stands where x.hpp stands.
set(layers
    "config|version"
    "clock|(impl/)?error|detail/function|random|result|impl/guard"
    "(impl/)?address_ranges|(detail|impl)/(aes|base64|bytes|openssl|random|sha1)"
    "(impl/)?encryptor|impl/(diagnosis(_[a-z]+)?|engine|keyring|worker)"
    "open_enum|(detail|impl)/(codec|json)"
    "(impl/)?event|select|events/kind|impl/(envelopes|event_(data|keys|twin)|events/catalogue)"
    "(impl/)?events/[a-z_]+"
    "(impl/)?(dispatcher|registration)"
    "(impl/)?inbox|impl/(crew|stored_event)"
    "(impl/)?callback_handler|impl/callback_(counters|request)"
    "dingcb|(impl/)?inbox/[a-z_]+|(impl/)?testkit|impl/testkit_(samples|wire)")

function(layer_of file result)
  set(${result} "" PARENT_SCOPE)
  set(layer 0)
  foreach(names IN LISTS layers)
    if(file MATCHES "^(${names})\\.[hi]pp$")
      set(${result} ${layer} PARENT_SCOPE)
      return() # the first, so that a later line may stand for all the rest of a folder
    endif()
    math(EXPR layer "${layer} + 1")
  endforeach()
endfunction()

if(NOT INCLUDE)
  set(INCLUDE "${CMAKE_CURRENT_LIST_DIR}/../include")
endif()
file(GLOB_RECURSE files RELATIVE "${INCLUDE}/dingcb" "${INCLUDE}/dingcb/*")
if(NOT files)
  message(FATAL_ERROR "no headers in ${INCLUDE}/dingcb")
endif()

foreach(file IN LISTS files)
  layer_of("${file}" layer)
  if(layer STREQUAL "")
    message(SEND_ERROR "${file}: has no layer")
    continue()
  endif()
  file(STRINGS "${INCLUDE}/dingcb/${file}" lines REGEX "^ *# *include")
  foreach(line IN LISTS lines)
    if(line MATCHES "[<\"]dingcb/([^>\"]+)[>\"]")
      set(included "${CMAKE_MATCH_1}")
      layer_of("${included}" included_layer)
      if(included_layer STREQUAL "")
        message(SEND_ERROR "${file}: includes ${included}, which has no layer")
      elseif(included_layer GREATER layer)
        message(SEND_ERROR "${file}: layer ${layer} includes ${included} of layer ${included_layer}")
      endif()
    elseif(NOT file MATCHES "^impl/" AND line MATCHES "[<\"]([^>\"]+/[^>\"]+)[>\"]")
      message(SEND_ERROR "${file}: includes ${CMAKE_MATCH_1}; third parties belong into impl/")
    endif()
  endforeach()
endforeach()
