// The compiled form of the inboxes over MySQL.
#include <dingcb/inbox/mysql.hpp>

#include <dingcb/impl/inbox/mysql.ipp>
