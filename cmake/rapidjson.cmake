# Gives RapidJSON one name, dingcb_rapidjson, whatever its package is called: upstream and vcpkg have a target `rapidjson`,
# Conan `rapidjson` or `RapidJSON::RapidJSON`, Debian only a variable. Defines nothing where there is no RapidJSON. Installed
# beside dingcbConfig.cmake, for the users of the header-only form.
if(TARGET dingcb_rapidjson)
  return()
endif()

find_package(RapidJSON QUIET)
set(dingcb_rapidjson_include "")
foreach(candidate IN ITEMS RapidJSON::RapidJSON RapidJSON rapidjson)
  if(TARGET ${candidate} AND NOT dingcb_rapidjson_include)
    get_target_property(dingcb_rapidjson_include ${candidate} INTERFACE_INCLUDE_DIRECTORIES)
  endif()
endforeach()
foreach(variable IN ITEMS RAPIDJSON_INCLUDE_DIRS RapidJSON_INCLUDE_DIRS RapidJSON_INCLUDE_DIR)
  if(NOT dingcb_rapidjson_include AND ${variable})
    set(dingcb_rapidjson_include "${${variable}}")
  endif()
endforeach()
if(dingcb_rapidjson_include)
  # Global, because a project that embeds dingcb links it from its own folders.
  add_library(dingcb_rapidjson INTERFACE IMPORTED GLOBAL)
  set_target_properties(dingcb_rapidjson PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${dingcb_rapidjson_include}"
                                                    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${dingcb_rapidjson_include}")
endif()
unset(dingcb_rapidjson_include)
