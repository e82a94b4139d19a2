// A callback service without an HTTP server: what one passes in, and what it has to send back.
// [quickstart]
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/approval.hpp>  // a header for each family of events
#include <dingcb/events/contact.hpp>

#include <iostream>
#include <string>

int main() {
  using namespace dingcb::events;

  // The settings of the callback, as they stand in DingTalk's developer console.
  const dingcb::Credential credential{"123456",                                       // token
                                      "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij",  // EncodingAESKey
                                      {"dingzcfj1p5ny0tqvkse"}};  // owner key: AppKey, CorpId or SuiteKey
  const auto encryptor = dingcb::Encryptor::create(credential);

  // Who takes which event: the parameter says it.
  const auto dispatcher =
      dingcb::Dispatcher::Builder{}
          .on([](const UserAddOrg& added, dingcb::Context& context) {
            for (const std::string& user_id : added.user_id) {
              std::cout << user_id << " joined " << context.event().header().corp_id << '\n';
            }
          })
          .on([](const BpmsInstanceChange& approval) {
            const bool stored = !approval.process_instance_id.empty();   // in your database
            return stored ? dingcb::Ack::done() : dingcb::Ack::retry();  // retry: DingTalk pushes it again
          })
          .otherwise([](const dingcb::Event& other) { std::cout << other.type() << " is not for us\n"; })
          .build();
  if (!encryptor || !dispatcher) {
    std::cerr << (encryptor ? dispatcher.error() : encryptor.error()).message << '\n';
    return 1;
  }

  dingcb::CallbackOptions options;
  options.on_error = [](const dingcb::Request&, const dingcb::Error& error) {  // for your log, never sent
    std::cerr << error.message << '\n';
    if (error.diagnosis != nullptr) std::cerr << error.diagnosis->en << '\n';
  };
  // Made once, used by all threads.
  const dingcb::CallbackHandler handler(*encryptor, *dispatcher, options);

  // For each POST: what stands behind `?` in the address, and the body, both as they came.
  const std::string query = "signature=8c0fbbbbafd3893c4cfe7a400fd278354e0975f3&timestamp=1700000000000&nonce=nEXhMP4r";
  const std::string body =
      R"({"encrypt":"/BlJA0nuCWwQKEB/ybiTTwZhDWo3M/bDSks7H3tJs3Qz+8W6Vban/yND1OMCOVB0i1UYUGs45HUsTVZnZSlRfAxs)"
      R"(ooUNd9/a9Gljd3ydAcvZyUaLS+cVNfKD+ZXvHD/8YsJ09phvIczp3mvdSMEajKnYDBA/0ekSW5xlXRyIpmg="})";
  const dingcb::Response response = handler.handle({query, body});

  // What the HTTP server has to send.
  std::cout << response.status << ' ' << response.content_type << '\n' << response.body << '\n';
}
// [/quickstart]
