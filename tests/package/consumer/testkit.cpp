// A test of a callback, as a user of dingcb writes it.
#include <dingcb/dingcb.hpp>
#include <dingcb/testkit.hpp>

#include <cstdio>
#include <string>

int main() {
  const dingcb::Credential credential{
      "123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "docs"};
  const dingcb::CallbackHandler handler(dingcb::Encryptor::create(credential).value(),
                                        dingcb::Dispatcher::Builder().build().value());
  const dingcb::testkit::Platform platform(credential);
  const dingcb::testkit::SignedPush push = platform.push(R"({"EventType":"check_url"})");
  const dingcb::Response response = handler.handle(push.request());
  const dingcb::testkit::Judgement judgement = platform.judge(response.status, response.body);
  if (!judgement.accepted) {
    std::puts(judgement.problem.c_str());
    return 1;
  }
  if (platform.judge(200, "success").cause != "reply_not_encrypted") return 2;
  if (dingcb::testkit::samples("check_url").empty()) return 3;
  std::puts("accepted: LPIdSnlF");
  return 0;
}
