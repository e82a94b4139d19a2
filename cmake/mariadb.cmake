# Makes the target dingcb_mariadb, the C client library of MariaDB, which speaks to MySQL, too. It has no CMake package of its own
# everywhere, and its headers lie in a folder whose name differs.
if(NOT TARGET dingcb_mariadb)
  find_path(DINGCB_MARIADB_INCLUDE_DIR mysql.h PATH_SUFFIXES mariadb mysql)
  find_library(DINGCB_MARIADB_LIBRARY mariadb PATH_SUFFIXES mariadb)
  mark_as_advanced(DINGCB_MARIADB_INCLUDE_DIR DINGCB_MARIADB_LIBRARY)
  if(DINGCB_MARIADB_INCLUDE_DIR AND DINGCB_MARIADB_LIBRARY)
    add_library(dingcb_mariadb INTERFACE IMPORTED)
    set_target_properties(dingcb_mariadb PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${DINGCB_MARIADB_INCLUDE_DIR}"
                                                    INTERFACE_LINK_LIBRARIES "${DINGCB_MARIADB_LIBRARY}")
  endif()
endif()
