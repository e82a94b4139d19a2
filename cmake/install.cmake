# Install rules, both package configurations (CMake's and pkg-config's), and the build tree as a package of its own.
# One export set per component, so that whoever uses one form never needs what only the other depends on.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(DINGCB_INSTALL_CMAKEDIR "${CMAKE_INSTALL_LIBDIR}/cmake/dingcb" CACHE STRING "Where the CMake package goes")
mark_as_advanced(DINGCB_INSTALL_CMAKEDIR)

install(
  TARGETS dingcb
  EXPORT dingcb-compiled-targets
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT dingcb_Runtime
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dingcb_Runtime NAMELINK_COMPONENT dingcb_Development
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dingcb_Development
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(
  TARGETS dingcb_header_only
  EXPORT dingcb-header_only-targets
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(
  TARGETS dingcb_testkit
  EXPORT dingcb-testkit-targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dingcb_Development
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
set(DINGCB_COMPONENTS compiled header_only testkit)
# A library of an inbox finds libdingcb beside itself: the path that a program is linked with counts for the program alone.
set(beside "$ORIGIN")
if(APPLE)
  set(beside "@loader_path")
endif()
foreach(inbox IN ITEMS sqlite mysql)
  if(TARGET dingcb_${inbox})
    list(APPEND DINGCB_COMPONENTS ${inbox})
    set_target_properties(dingcb_${inbox} PROPERTIES INSTALL_RPATH "${beside}")
    install(
      TARGETS dingcb_${inbox}
      EXPORT dingcb-${inbox}-targets
      RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT dingcb_Runtime
      LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dingcb_Runtime NAMELINK_COMPONENT dingcb_Development
      ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dingcb_Development
      INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  endif()
endforeach()
if(TARGET dingcb_command)
  install(TARGETS dingcb_command RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT dingcb_Command)
endif()
if(TARGET dingcb_command_files)
  set(built "${PROJECT_BINARY_DIR}/tools/dingcb")
  install(FILES "${built}/dingcb.man" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT dingcb_Command
          RENAME dingcb.1)
  install(FILES "${built}/dingcb.bash" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
          COMPONENT dingcb_Command RENAME dingcb)
  install(FILES "${built}/dingcb.zsh" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions"
          COMPONENT dingcb_Command RENAME _dingcb)
  install(FILES "${built}/dingcb.fish" DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d"
          COMPONENT dingcb_Command)
endif()
install(
  DIRECTORY "${PROJECT_SOURCE_DIR}/include/dingcb"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT dingcb_Development
  FILES_MATCHING
  PATTERN "*.hpp"
  PATTERN "*.ipp")

foreach(component IN LISTS DINGCB_COMPONENTS)
  install(
    EXPORT dingcb-${component}-targets
    NAMESPACE dingcb::
    DESTINATION "${DINGCB_INSTALL_CMAKEDIR}"
    COMPONENT dingcb_Development)
  export(
    EXPORT dingcb-${component}-targets
    NAMESPACE dingcb::
    FILE "${PROJECT_BINARY_DIR}/dingcb-${component}-targets.cmake")
endforeach()

if(BUILD_SHARED_LIBS)
  set(DINGCB_COMPILED_NEEDS "")
  set(DINGCB_SQLITE_NEEDS "")
  set(DINGCB_MYSQL_NEEDS "")
else()
  set(DINGCB_COMPILED_NEEDS OpenSSL Threads)
  set(DINGCB_SQLITE_NEEDS Threads SQLite3)
  set(DINGCB_MYSQL_NEEDS Threads MariaDB)
endif()
string(REPLACE ";" ", " DINGCB_COMPONENTS_TEXT "${DINGCB_COMPONENTS}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/dingcbConfig.cmake.in" "${PROJECT_BINARY_DIR}/dingcbConfig.cmake" @ONLY)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/dingcbConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
configure_file("${CMAKE_CURRENT_LIST_DIR}/rapidjson.cmake" "${PROJECT_BINARY_DIR}/rapidjson.cmake" COPYONLY)
configure_file("${CMAKE_CURRENT_LIST_DIR}/mariadb.cmake" "${PROJECT_BINARY_DIR}/mariadb.cmake" COPYONLY)
install(
  FILES "${PROJECT_BINARY_DIR}/dingcbConfig.cmake" "${PROJECT_BINARY_DIR}/dingcbConfigVersion.cmake"
        "${PROJECT_BINARY_DIR}/rapidjson.cmake" "${PROJECT_BINARY_DIR}/mariadb.cmake"
  DESTINATION "${DINGCB_INSTALL_CMAKEDIR}"
  COMPONENT dingcb_Development)

# A .pc file finds its prefix from its own place, so that a moved tree works; only with absolute directories it cannot.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
  set(pc_libdir "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(pc_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /prefix)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(pc_prefix "\${pcfiledir}/${up}")
  set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

# Writes <name>.pc: `requires` is the whole field, `cflags` carries the form.
function(dingcb_install_pc name description requires cflags libs)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/dingcb.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
  install(
    FILES "${PROJECT_BINARY_DIR}/${name}.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
    COMPONENT dingcb_Development)
endfunction()

if(BUILD_SHARED_LIBS)
  dingcb_install_pc(dingcb "compiled form" "Requires.private: libcrypto >= 3.0" " -DDINGCB_COMPILED -DDINGCB_SHARED"
                    "-L\${libdir} -ldingcb")
else()
  dingcb_install_pc(dingcb "compiled form" "Requires: libcrypto >= 3.0" " -DDINGCB_COMPILED"
                    "-L\${libdir} -ldingcb ${CMAKE_THREAD_LIBS_INIT}")
endif()
dingcb_install_pc(dingcb-header-only "header-only form" "Requires: libcrypto >= 3.0, RapidJSON" ""
                  "${CMAKE_THREAD_LIBS_INIT}")
dingcb_install_pc(dingcb-testkit "test kit" "Requires: dingcb = ${PROJECT_VERSION}, libcrypto >= 3.0" ""
                  "-L\${libdir} -ldingcb_testkit")

# dingcb_install_inbox_pc(<component> <description> <package>)
function(dingcb_install_inbox_pc component description package)
  if(NOT TARGET dingcb_${component})
    return()
  endif()
  set(libs "-L\${libdir} -ldingcb_${component}")
  if(BUILD_SHARED_LIBS)
    set(requires "Requires: dingcb = ${PROJECT_VERSION}\nRequires.private: ${package}")
  else()
    set(requires "Requires: dingcb = ${PROJECT_VERSION}, ${package}")
    string(APPEND libs " ${CMAKE_THREAD_LIBS_INIT}")
  endif()
  dingcb_install_pc(dingcb-${component} "${description}" "${requires}" "" "${libs}")
endfunction()
dingcb_install_inbox_pc(sqlite "inbox over SQLite" "sqlite3 >= 3.24")
dingcb_install_inbox_pc(mysql "inbox over MySQL" libmariadb)
