// Writes a script for wrk that posts one signed push, over and over, to the examples behind HTTP servers.
#include <dingcb/testkit.hpp>

#include <iostream>
#include <string>

int main() {
  const dingcb::Credential credential{
      "123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, {}};
  std::string plaintext = R"({"EventType":"user_add_org","CorpId":"ding1","userId":["user0001"],"more":")";
  plaintext += std::string(400 - plaintext.size(), 'x') + "\"}";  // a body of about 600 bytes
  const dingcb::testkit::SignedPush push = dingcb::testkit::Platform(credential).push(plaintext);
  std::cerr << "a body of " << push.body.size() << " bytes\n";
  std::cout
      << "wrk.method = \"POST\"\nwrk.path = \"/callback?" << push.query
      << "\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.headers[\"Connection\"] = \"keep-alive\"\n"
         "wrk.body = '"
      << push.body << "'\n";
}
