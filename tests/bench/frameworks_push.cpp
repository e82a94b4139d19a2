// Writes a script for wrk that posts one signed push, over and over, to the examples behind HTTP servers.
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include <iostream>

int main() {
  const dingcb::Credential credential{
      "123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, {}};
  dingcb::events::UserAddOrg event;
  event.user_id = {"user0001", "user0002", "user0003"};
  dingcb::EventHeader header;
  header.corp_id = "ding0123456789abcdef0123456789abcdef";
  header.event_id = std::string(225, 'e');  // a body of 600 bytes
  const dingcb::testkit::SignedPush push = dingcb::testkit::Platform(credential).push(event, header);
  std::cerr << "a body of " << push.body.size() << " bytes\n";
  std::cout
      << "wrk.method = \"POST\"\nwrk.path = \"/callback?" << push.query
      << "\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.headers[\"Connection\"] = \"keep-alive\"\n"
         "wrk.body = '"
      << push.body << "'\n";
}
