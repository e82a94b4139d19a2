// Every call into OpenSSL that can fail is made to fail, one at a time.
#include <dingcb/encryptor.hpp>
#include <dingcb/event.hpp>

#include "failure/openssl_faults.hpp"
#include "support/catch.hpp"
#include "support/platform.hpp"

#include <openssl/err.h>

#include <cstddef>
#include <string>
#include <vector>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Opened;
using dingcb::Reply;
using faults::Function;
using faults::Way;

const Credential kApp{"tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "app"};
const std::string kText(40000, 't');  // several pieces of work
const platform::Sealed kSealed = platform::seal(kApp, kApp.owner_keys[0], "1700000000000", "nOnce123", kText);

enum class Call { create, verify, decrypt, encrypt_reply };

// What a failure of `function` means to the caller.
Errc expected_of(Call call, Function function) {
  switch (function) {
    case Function::EVP_MD_fetch:
    case Function::EVP_CIPHER_fetch: return Errc::crypto_unavailable;
    case Function::EVP_MD_CTX_new:
    case Function::EVP_DigestInit_ex2:
    case Function::EVP_DigestUpdate:
    case Function::EVP_DigestFinal_ex: return Errc::signature_failed;
    case Function::RAND_bytes: return Errc::random_failed;
    default: return call == Call::decrypt ? Errc::decryption_failed : Errc::encryption_failed;
  }
}

int official_of(Errc code) {
  switch (code) {
    case Errc::signature_failed: return 900006;
    case Errc::random_failed:
    case Errc::encryption_failed: return 900007;
    case Errc::decryption_failed: return 900008;
    default: return 0;
  }
}

// An Encryptor, fresh or used before, and one call on it.
struct Scene {
  Scene(Call which, bool is_warm) : call(which), warm(is_warm) {
    if (call == Call::create) return;
    encryptor.push_back(Encryptor::create(kApp).value());
    if (call != Call::encrypt_reply && !warm) return;
    // A reply needs an Opened; for a cold one it comes from another Encryptor with the same credential.
    const Encryptor source = warm ? encryptor[0] : Encryptor::create(kApp).value();
    if (!warm) {
      opened = source.decrypt(kSealed.push()).value();
      return;
    }
    REQUIRE(source.decrypt(kSealed.push(), opened));
    REQUIRE(source.encrypt_reply(kText, opened, reply));
  }

  Errc run() {
    const auto code = [](const auto& result) { return result ? Errc{} : result.error().code; };
    switch (call) {
      case Call::create: {
        const auto made = Encryptor::create(kApp);
        if (made) encryptor.assign(1, *made);
        return code(made);
      }
      case Call::verify: return code(encryptor[0].verify(kSealed.push()));
      case Call::decrypt: return code(encryptor[0].decrypt(kSealed.push(), opened));
      case Call::encrypt_reply: break;
    }
    return code(encryptor[0].encrypt_reply(kText, opened, reply));
  }

  // The same Encryptor, right after a failure, several times over.
  void check_works() {
    if (call == Call::create) encryptor.assign(1, Encryptor::create(kApp).value());
    for (int round = 0; round < 2; ++round) {
      REQUIRE(encryptor[0].verify(kSealed.push()));
      REQUIRE(encryptor[0].decrypt(kSealed.push(), opened));
      REQUIRE((opened.plaintext == kText));
      REQUIRE(encryptor[0].encrypt_reply(kText, opened, reply));
      const platform::Verdict verdict = platform::open(kApp, reply);
      REQUIRE(verdict.failure == Errc{});
      REQUIRE((verdict.message == kText));
    }
  }

  Call call;
  bool warm;
  std::vector<Encryptor> encryptor;  // one, or none yet
  Opened opened;
  Reply reply;
};

template <class Visit>
void for_each_scene(Visit visit) {
  for (const Call call : {Call::create, Call::verify, Call::decrypt, Call::encrypt_reply}) {
    for (const bool warm : {false, true}) {
      if (call != Call::create || !warm) visit(call, warm);
    }
  }
}

faults::Counts calls_in(Call call, bool warm) {
  Scene scene(call, warm);
  const faults::Watch watch;
  REQUIRE(scene.run() == Errc{});
  return watch.calls();
}

}  // namespace

TEST_CASE("Every wrapped function of OpenSSL is called somewhere, so that its failure is tested") {
  faults::Counts reached{};
  for_each_scene([&](Call call, bool warm) {
    const faults::Counts calls = calls_in(call, warm);
    for (std::size_t i = 0; i < calls.size(); ++i) reached[i] += calls[i];
  });
  // Random bytes are drawn ahead, and a fresh Encryptor has none.
  for (std::size_t i = 0; i < reached.size(); ++i) {
    INFO("function " << i << " of faults::Function");
    CHECK(reached[i] > 0);
  }
}

TEST_CASE("A failure anywhere in OpenSSL is reported as what it is, hands out nothing, and is over with the call") {
  for_each_scene([](Call call, bool warm) {
    const faults::Counts calls = calls_in(call, warm);
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto function = static_cast<Function>(i);
      for (int nth = 1; nth <= calls[i]; ++nth) {
        for (const Way way : {Way::at_once, Way::afterwards}) {
          INFO("call " << static_cast<int>(call) << (warm ? " warm" : " cold") << ", function " << i << ", occurrence "
                       << nth << ", way " << static_cast<int>(way));
          Scene scene(call, warm);
          Errc code{};
          {
            faults::Watch watch(function, nth, way);
            code = scene.run();
            if (!watch.failed()) {
              // In how many pieces a reply is hashed depends on how its random texts sort.
              REQUIRE((call == Call::encrypt_reply && function == Function::EVP_DigestUpdate && nth > 1));
              continue;
            }
          }
          REQUIRE(code == expected_of(call, function));
          REQUIRE(dingcb::official_code(code) == official_of(code));
          if (call == Call::decrypt) {
            REQUIRE(scene.opened.plaintext.empty());
            REQUIRE(scene.opened.owner_key.empty());
            REQUIRE(scene.opened.label.empty());
            const auto reply = scene.encryptor[0].encrypt_reply("success", scene.opened);
            REQUIRE_FALSE(reply);
            REQUIRE(reply.error().code == Errc::credential_missing);
          }
          scene.check_works();
        }
      }
    }
  });
}

TEST_CASE("A failure in OpenSSL leaves nothing in the thread's error queue") {
  for_each_scene([](Call call, bool warm) {
    const faults::Counts calls = calls_in(call, warm);
    for (std::size_t i = 0; i < calls.size(); ++i) {
      for (int nth = 1; nth <= calls[i]; ++nth) {
        INFO("call " << static_cast<int>(call) << (warm ? " warm" : " cold") << ", function " << i << ", occurrence "
                     << nth);
        Scene scene(call, warm);
        ERR_clear_error();
        {
          faults::Watch watch(static_cast<Function>(i), nth, Way::at_once);
          const Errc code = scene.run();
          REQUIRE((code != Errc{}) == watch.failed());
        }
        REQUIRE(ERR_peek_error() == 0);
      }
    }
  });
}

TEST_CASE("Good and bad input leave the thread's error queue alone, and the marks in it") {
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 40);
  ERR_set_mark();
  ERR_raise(ERR_LIB_USER, 41);
  Credential short_key = kApp;
  short_key.aes_key.pop_back();
  CHECK_FALSE(Encryptor::create(short_key));
  const Encryptor encryptor = Encryptor::create(kApp).value();
  for (const std::string encrypt :
       {"", "!", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}) {
    CHECK_FALSE(encryptor.decrypt(platform::signed_push(kApp, encrypt).push()));
  }
  Opened opened;
  CHECK_FALSE(encryptor.encrypt_reply("success", opened));
  REQUIRE(encryptor.decrypt(kSealed.push(), opened));
  CHECK(encryptor.encrypt_reply("success", opened));
  CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 41);
  CHECK(ERR_pop_to_mark() == 1);
  CHECK(ERR_GET_REASON(ERR_get_error()) == 40);
  CHECK(ERR_get_error() == 0);
}

TEST_CASE("An event without an id has a deduplication key though OpenSSL fails, and leaves no error behind") {
  const std::string push = R"({"EventType":"user_add_org","CorpId":"ding1"})";
  const auto key_of = [](const std::string& text) { return dingcb::parse_push(text).value()[0].header().dedup_key; };
  CHECK(key_of(push).size() == 64);
  for (const Function function : {Function::EVP_MD_CTX_new, Function::EVP_DigestInit_ex2, Function::EVP_DigestUpdate,
                                  Function::EVP_DigestFinal_ex}) {
    const faults::Watch watch(function, 1, Way::at_once);
    CHECK(key_of(push) == push);
    CHECK(watch.failed());
    CHECK(ERR_peek_error() == 0);
  }
}
