# Gives RapidJSON one name, dingcb_rapidjson, whatever its package is called: upstream and vcpkg have a target `rapidjson`,
# Conan `rapidjson` or `RapidJSON::RapidJSON`, Debian only a variable.
if(TARGET dingcb_rapidjson)
  return()
endif()

find_package(RapidJSON REQUIRED)
add_library(dingcb_rapidjson INTERFACE IMPORTED)
foreach(candidate IN ITEMS RapidJSON::RapidJSON RapidJSON rapidjson)
  if(TARGET ${candidate})
    target_link_libraries(dingcb_rapidjson INTERFACE ${candidate})
    return()
  endif()
endforeach()
if(RapidJSON_INCLUDE_DIRS)
  set(RAPIDJSON_INCLUDE_DIRS "${RapidJSON_INCLUDE_DIRS}")
endif()
target_include_directories(dingcb_rapidjson SYSTEM INTERFACE ${RAPIDJSON_INCLUDE_DIRS})
