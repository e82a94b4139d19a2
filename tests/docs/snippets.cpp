// Code that the documents quote, and checks that it does what they say.
//   dingcb_docs_snippets FILE   FILE holds what the snippet [diagnosis] must print
#include <dingcb/dingcb.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>

namespace {

void check(bool true_here, const char* what) {
  if (true_here) return;
  std::cerr << "not as documented: " << what << '\n';
  std::exit(1);
}

// The two samples of DingTalk's documents.
const dingcb::Push kPush{
    "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0", "1445827045067", "nEXhMP4r",
    "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUBmfxj"
    "Z8Ej23JVYa9VrYeJ5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSBdHlegK+A"
    "GGanfwjXuQ9+0pZcy0w9lQ=="};
const dingcb::Push kPushOfInternalApp{
    "9a95a004dd16f5c307e849b994173f76aa26e5eb", "1614767836", "A7Co0cJLMzIDtMMI",
    "YvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA=="};
constexpr std::int64_t kSent = 1445827045067;

dingcb::Credential settings() {
  return {"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}, "my app"};
}

class FixedClock final : public dingcb::Clock {
 public:
  explicit FixedClock(std::int64_t unix_ms) noexcept : unix_ms_(unix_ms) {}
  std::int64_t unix_ms() const noexcept override { return unix_ms_; }

 private:
  std::int64_t unix_ms_;
};

void replaces() {
  const dingcb::Credential old_settings = settings();
  const dingcb::Credential new_settings{"654321", "1234567890123456789012345678901234567890123", {"dingnew"}, "new"};
  dingcb::Encryptor encryptor = dingcb::Encryptor::create(old_settings).value();
  const auto opened = encryptor.decrypt(kPush);

  // [replace]
  // Before the console is changed: accept both.
  dingcb::Result<void> swapped = encryptor.replace({old_settings, new_settings});
  // [/replace]
  check(swapped && encryptor.verify(kPush), "old credentials are accepted beside new ones");
  // [replaced]
  // When DingTalk has switched: drop the old one; its keys are wiped once no Opened needs them.
  swapped = encryptor.replace({new_settings});
  // [/replaced]
  check(swapped && !encryptor.verify(kPush), "old credentials are gone");
  check(opened && encryptor.encrypt_reply("success", *opened), "a push opened before is answered with its own keys");
}

void limits_replays() {
  const dingcb::Credential credential = settings();
  // [replay_window]
  dingcb::EncryptorOptions options;
  options.replay_window = std::chrono::minutes(10);
  const auto encryptor = dingcb::Encryptor::create(credential, options);
  // [/replay_window]
  check(encryptor && encryptor->verify(kPush).error().code == dingcb::Errc::timestamp_outside_window,
        "an old push is refused");
  options.clock = std::make_shared<FixedClock>(kSent + 600000);
  check(bool(dingcb::Encryptor::create(credential, options)->verify(kPush)), "ten minutes are within the window");
  options.clock = std::make_shared<FixedClock>(kSent - 600001);
  check(!dingcb::Encryptor::create(credential, options)->verify(kPush), "the window ends on both sides");
}

std::string diagnoses() {
  std::ostringstream out;
  // The CorpId where the AppKey belongs.
  const dingcb::Credential credential{
      "123456", "1234567890123456789012345678901234567890123", {"ding0123456789abcdef0123456789abcdef"}, "my app"};
  const auto encryptor = dingcb::Encryptor::create(credential);
  const dingcb::Push& push = kPushOfInternalApp;
  // [diagnosis]
  const dingcb::Diagnosis found = encryptor->diagnose(push);
  out << found.cause << '\n' << found.en << '\n' << found.zh << '\n';
  // [/diagnosis]
  check(found.suspect == dingcb::Suspect::owner_key, "the owner key is blamed");
  const auto refused = encryptor->decrypt(push);
  check(!refused && refused.error().diagnosis != nullptr && refused.error().diagnosis->cause == found.cause,
        "an error behind a valid signature brings its diagnosis");
  return out.str();
}

}  // namespace

int main(int argc, char** argv) {
  check(argc == 2, "one argument");
  std::ifstream file(argv[1], std::ios::binary);
  const std::string expected{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string printed = diagnoses();
  if (printed != expected) std::cerr << printed;
  check(printed == expected, "the text of the diagnosis");
  replaces();
  limits_replays();
  std::cout << "as documented\n";
}
