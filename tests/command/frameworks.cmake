# `dingcb conform` against each example behind an HTTP server that was built; included when they are known.
find_package(Python3 3.9 COMPONENTS Interpreter)
if(NOT TARGET dingcb_command OR NOT TARGET frameworks OR NOT Python3_Interpreter_FOUND)
  return()
endif()
add_dependencies(frameworks dingcb_command)

# dingcb_conform_test(<framework> [--socket] <program> [<argument>...])
function(dingcb_conform_test framework)
  add_test(NAME "conform: ${framework}"
           COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/command/frameworks_test.py"
                   $<TARGET_FILE:dingcb_command> ${ARGN})
  set_tests_properties("conform: ${framework}" PROPERTIES LABELS "e2e;command" TIMEOUT 300)
endfunction()

foreach(framework IN ITEMS cpp_httplib boost_beast libevent libmicrohttpd poco civetweb pistache restinio qt_httpserver h2o
                           drogon crow libhv workflow brpc store_and_process)
  if(TARGET dingcb_${framework})
    dingcb_conform_test(${framework} $<TARGET_FILE:dingcb_${framework}> 0)
  endif()
  if(TARGET dingcb_${framework}_stand_in)
    dingcb_conform_test("${framework} (stand-in)" $<TARGET_FILE:dingcb_${framework}_stand_in> 0)
  endif()
endforeach()

find_program(NGINX nginx PATHS /usr/sbin)
set(nginx --socket "${PROJECT_SOURCE_DIR}/tests/e2e/nginx.sh" "${NGINX}")
if(TARGET dingcb_fastcgi AND NGINX)
  dingcb_conform_test(fastcgi ${nginx} "${PROJECT_SOURCE_DIR}/examples/fastcgi/nginx.conf" $<TARGET_FILE:dingcb_fastcgi>)
endif()
if(TARGET dingcb_nginx_module AND NGINX)
  get_target_property(module dingcb_nginx_module DINGCB_MODULE)
  dingcb_conform_test(nginx_module ${nginx} "${PROJECT_SOURCE_DIR}/examples/nginx_module/nginx.conf" "${module}")
endif()
