// Opens an inbox over MySQL, as a user of dingcb writes it; there is no server, and the program wants to be told so.
#include <dingcb/dingcb.hpp>
#include <dingcb/inbox/mysql.hpp>

#include <cstdio>
#include <string>

int main() {
  dingcb::MysqlInboxOptions options;
  options.server.socket = "/there/is/no/server";
  options.prefix = "LPIdSnlF_";
  const auto inbox = dingcb::open_mysql_inbox(options);
  if (inbox || inbox.error().code != dingcb::Errc::inbox_failed) return 1;
  std::puts(inbox.error().message.c_str());
  std::puts(dingcb::mysql_inbox_schema(options.prefix).c_str());
  return 0;
}
