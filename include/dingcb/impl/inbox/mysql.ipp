// Bodies of inbox/mysql.hpp.
#pragma once

#include <dingcb/impl/inbox/mysql_rds.ipp>
#include <dingcb/impl/inbox/mysql_store.ipp>
