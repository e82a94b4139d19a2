// A test of a callback service, without a test framework: DingTalk is played by dingcb::testkit.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include <cstdio>
#include <string>
#include <vector>

// Your service: the same function makes the handler in production, with other settings and another database.
static dingcb::CallbackHandler make_service(const dingcb::Credential& credential, std::vector<std::string>& database) {
  auto dispatcher = dingcb::Dispatcher::Builder{}
                        .on([&database](const dingcb::events::UserAddOrg& added) {
                          database.insert(database.end(), added.user_id.begin(), added.user_id.end());
                        })
                        .build();
  dingcb::CallbackOptions options;
  options.on_error = [](const dingcb::Request&, const dingcb::Error& error) {
    std::printf("refused: %s\n", error.message.c_str());
  };
  return {dingcb::Encryptor::create(credential).value(), dispatcher.value(), options};
}

static int failures = 0;
static void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

int main() {
  namespace testkit = dingcb::testkit;
  const dingcb::Credential credential{
      "testToken", "1234567890123456789012345678901234567890123", {"dingtestappkey01"}, "test"};
  std::vector<std::string> database;
  const dingcb::CallbackHandler service = make_service(credential, database);
  const testkit::Platform dingtalk(credential);
  const auto post = [&](const testkit::SignedPush& push) {
    const dingcb::Response response = service.handle(push.request());  // or over HTTP, with your client
    return dingtalk.judge(response.status, response.body);
  };

  // An event of your own making, typed; text works, too.
  dingcb::events::UserAddOrg added;
  added.user_id = {"015227"};
  testkit::Judgement judgement = post(dingtalk.push(added));
  expect(judgement.accepted, judgement.problem);
  expect(database == std::vector<std::string>{"015227"}, "the employee is stored");

  // The same by SyncHTTP, as a row of a batch.
  judgement = post(dingtalk.push_rows({testkit::row_of(added)}));
  expect(judgement.accepted, judgement.problem);

  // Everything that DingTalk's pages print for a type; samples() gives all 245 types.
  for (const testkit::Sample& sample : testkit::samples("user_add_org")) {
    judgement = post(dingtalk.push(testkit::plaintext_of(sample)));
    expect(judgement.accepted, std::string(sample.name) + ": " + judgement.problem);
  }

  // A forged push must change nothing.
  const std::size_t before = database.size();
  testkit::SignedPush forged = dingtalk.push(added);
  forged.query.replace(forged.query.find("nonce="), 6, "nonce=x");
  expect(!post(forged).accepted && database.size() == before, "a forged push is refused");

  std::puts(failures == 0 ? "all good" : "there were failures");
  return failures == 0 ? 0 : 1;
}
