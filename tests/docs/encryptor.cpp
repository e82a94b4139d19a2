// Opens one push, answers it, and reads what happened, without Dispatcher and CallbackHandler. The push is the sample
// of DingTalk's documents; docs/encryptor.md quotes the region below.

// [encryptor]
#include <dingcb/encryptor.hpp>
#include <dingcb/event.hpp>
#include <dingcb/events/callback_check.hpp>  // a header for each family of events
#include <dingcb/events/contact.hpp>

#include <iostream>

int main() {
  // The settings of the callback, as they stand in DingTalk's developer console.
  const dingcb::Credential credential{"123456",                                       // token
                                      "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij",  // EncodingAESKey
                                      {"suite4xxxxxxxxxxxxxxx"},  // owner keys: AppKey, CorpId or SuiteKey
                                      "my app"};                  // your own name for it
  const auto encryptor = dingcb::Encryptor::create(credential);
  if (!encryptor) {
    std::cerr << encryptor.error().message << '\n';
    return 1;
  }

  // What came with the request: three query parameters, percent-decoded, and the field "encrypt" of the JSON body.
  const dingcb::Push push{
      "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0", "1445827045067", "nEXhMP4r",
      "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUBmfxj"
      "Z8Ej23JVYa9VrYeJ5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSBdHlegK+A"
      "GGanfwjXuQ9+0pZcy0w9lQ=="};
  const auto opened = encryptor->decrypt(push);
  if (!opened) {  // say 900005, and which of token, AES key and owner key is wrong
    std::cerr << dingcb::official_code(opened.error().code) << ": " << opened.error().message << '\n'
              << encryptor->diagnose(push).en << '\n';
    return 1;
  }
  const auto reply = encryptor->encrypt_reply("success", *opened);
  if (!reply) {
    std::cerr << reply.error().message << '\n';
    return 1;
  }
  std::cout << "answer with status 200 and: " << reply->to_json() << '\n';

  const auto events = dingcb::parse_push(opened->plaintext);
  if (!events) {
    std::cerr << events.error().message << '\n';
    return 1;
  }
  for (const dingcb::Event& event : *events) {  // one, or one for each row of a SyncHTTP push
    using namespace dingcb::events;
    dingcb::match(
        event,  // the case for its type is called
        [](const UserAddOrg& added) { std::cout << added.user_id.size() << " employees joined\n"; },
        [](const CheckCreateSuiteUrl& check) { std::cout << "the address is checked: " << check.random << '\n'; },
        [](const dingcb::Event& other) { std::cout << other.type() << " is not for us\n"; });
  }
}
// [/encryptor]
