// Code that docs/inbox-mysql.md quotes, and checks that it does what it says.
#include <dingcb/dingcb.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/inbox/failed_list.hpp>
#include <dingcb/inbox/mysql.hpp>

#include <memory>
#include <string>

#include "support/catch.hpp"
#include "support/mariadb.hpp"

TEST_CASE("docs/inbox-mysql.md shows how to open an inbox over MySQL", "[inbox]") {
  const std::string password;
  const std::string database = support::mariadb().fresh_database();
  const std::uint16_t port = support::mariadb().port();
  // [open]
  dingcb::MysqlInboxOptions settings;
  settings.server.host = "127.0.0.1";
  settings.server.port = port;
  settings.server.user = "root";
  settings.server.password = password;
  settings.server.database = database;
  dingcb::setup_mysql_inbox(settings).value();  // once, or at every start; or let your DBA run mysql_inbox_schema()
  std::shared_ptr<dingcb::Inbox> inbox = dingcb::open_mysql_inbox(settings).value();
  // [/open]
  CHECK(inbox->stats()->pending == 0);

  const std::string answer = R"({"errcode":0,"has_more":false,"failed_list":[{"call_back_tag":"user_add_org",)"
                             R"("event_time":1,"user_add_org":{"userid":["zhangsan"],"corpid":"ding1"}}]})";
  // [failed]
  const auto put = dingcb::put_failed_list(*inbox, answer);  // what your HTTP client got from the API
  const bool once_more = !put || put->has_more;              // with the same answer, or with a new one
  // [/failed]
  CHECK_FALSE(once_more);
  CHECK(inbox->stats()->pending == 1);
}

TEST_CASE("docs/inbox-mysql.md shows how to read RDS push", "[rds]") {
  dingcb::MysqlServer server;
  server.port = support::mariadb().port();
  server.user = "root";
  server.database = support::mariadb().fresh_database();
  dingcb::Dispatcher dispatcher = dingcb::Dispatcher::Builder{}.build().value();
  // [rds]
  dingcb::RdsInboxOptions rds;
  rds.server = server;  // as above, with the database ding_cloud_push
  rds.subscribe_ids = {"14999999001_0"};
  dingcb::setup_rds_inbox(rds).value();

  dingcb::WorkerOptions work;
  work.max_attempts = 5;
  dingcb::Worker worker(dingcb::open_rds_inbox(rds).value(), dispatcher, work);
  // [/rds]
  CHECK(worker.drain(dingcb::Milliseconds(60000)));
}
