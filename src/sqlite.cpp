// The compiled form of the inbox over SQLite.
#include <dingcb/inbox/sqlite.hpp>

#include <dingcb/impl/inbox/sqlite.ipp>
