// What a call allocates, and what happens when it cannot.
#include <dingcb/encryptor.hpp>

#include "failure/heap.hpp"
#include "support/catch.hpp"
#include "support/platform.hpp"

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Opened;
using dingcb::Reply;
using platform::Sealed;

const Credential kApp{
    "tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "application 1"};

Sealed push_of(std::size_t size) {
  return platform::seal(kApp, kApp.owner_keys[0], "1700000000000", "nOnce123", std::string(size, 't'));
}

}  // namespace

TEST_CASE("The heap watch sees operator new and OpenSSL") {
  REQUIRE(heap::watches_openssl());
  const heap::Watch watch;
  const std::string text(1000, 'x');
  CHECK(watch.counts().news == 1);
  CHECK(watch.counts().largest_new >= 1000);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  CHECK(watch.counts().openssl == 1);
  EVP_MD_CTX_free(context);
}

TEST_CASE("A warm decrypt and encrypt_reply into reused memory allocate nothing but OpenSSL's two digest states") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  for (const std::size_t size : {0U, 64U, 300U, 1024U, 16384U, 262144U, 1048576U}) {
    INFO("message of " << size << " bytes");
    const Sealed sealed = push_of(size);
    Opened opened;
    Reply reply;
    std::string json;
    REQUIRE(encryptor.decrypt(sealed.push(), opened));
    REQUIRE(encryptor.encrypt_reply(opened.plaintext, opened, reply));
    reply.append_json(json);
    json.clear();

    const heap::Watch watch;
    const auto decrypted = encryptor.decrypt(sealed.push(), opened);
    const auto replied = encryptor.encrypt_reply(opened.plaintext, opened, reply);
    reply.append_json(json);
    const heap::Counts counts = watch.counts();
    REQUIRE(decrypted);
    REQUIRE(replied);
    CHECK(counts.news == 0);
    CHECK(counts.openssl == 2);
  }
}

TEST_CASE("A thousand warm callbacks allocate no more per callback than one, refills of random bytes included") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  const Sealed sealed = push_of(300);
  Opened opened;
  Reply reply;
  const auto run = [&] {
    return encryptor.decrypt(sealed.push(), opened) && encryptor.encrypt_reply("success", opened, reply);
  };
  for (int i = 0; i < 100; ++i) REQUIRE(run());
  const heap::Watch watch;
  bool fine = true;
  for (int i = 0; i < 1000; ++i) fine = run() && fine;
  const heap::Counts counts = watch.counts();
  REQUIRE(fine);
  CHECK(counts.news == 0);
  CHECK(counts.openssl == 2000);
}

TEST_CASE("Refusing a forged push allocates nothing but OpenSSL's one digest state, and decodes nothing") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  for (const std::size_t size : {0U, 300U, 1048576U}) {
    Sealed forged = push_of(size);
    REQUIRE(encryptor.verify(forged.push()));
    forged.signature[0] = forged.signature[0] == '0' ? '1' : '0';
    Opened opened;
    {
      const heap::Watch watch;
      const auto refused = encryptor.decrypt(forged.push(), opened);
      const heap::Counts counts = watch.counts();
      REQUIRE(refused.error().code == Errc::signature_mismatch);
      CHECK(counts.news == 0);
      CHECK(counts.openssl == 1);
    }
    {
      const heap::Watch watch;
      const auto refused = encryptor.verify(forged.push());
      const heap::Counts counts = watch.counts();
      REQUIRE(refused.error().code == Errc::signature_mismatch);
      CHECK(counts.news == 0);
      CHECK(counts.openssl == 1);
    }
  }
}

TEST_CASE("A decrypt that returns its Opened allocates its plaintext once and copies it nowhere") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  const Sealed sealed = push_of(1048576);
  REQUIRE(encryptor.decrypt(sealed.push()));
  const heap::Watch watch;
  const auto opened = encryptor.decrypt(sealed.push());
  const auto reply = encryptor.encrypt_reply(opened->plaintext, *opened);
  const heap::Counts counts = watch.counts();
  REQUIRE(reply);
  CHECK(counts.new_bytes <
        std::size_t{3} * 1048576);  // the plaintext once, and the base64 text of the reply (4/3) once
}

TEST_CASE("Memory is bounded by the size of the push, whatever its length field says") {
  const std::string head = "0123456789abcdef";
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{1} << 20, std::size_t{0x7fffffff}, std::size_t{0xffffffff}}) {
    for (const std::size_t filler : {std::size_t{0}, std::size_t{1000}, std::size_t{100000}}) {
      std::string plain = head + platform::length_field(length) + std::string(filler, 'x') + "another owner";
      const std::size_t pad = 32 - plain.size() % 32;
      plain.append(pad, static_cast<char>(pad));
      const Sealed sealed = platform::seal_raw(kApp, plain);
      const Encryptor encryptor = Encryptor::create(kApp).value();
      REQUIRE(encryptor.verify(sealed.push()));
      Opened opened;
      const heap::Watch watch;
      const auto refused = encryptor.decrypt(sealed.push(), opened);
      const heap::Counts counts = watch.counts();
      REQUIRE(refused.error().code == (length == 0 ? Errc::owner_mismatch : Errc::length_field));
      CHECK(counts.new_bytes <= 2 * sealed.encrypt.size() + 4096);  // decrypting once, and diagnosing once
    }
  }
}

TEST_CASE("An oversized push allocates nothing but the message of its refusal") {
  dingcb::EncryptorOptions options;
  options.max_input_size = 1000;
  const Encryptor encryptor = Encryptor::create(kApp, options).value();
  const Sealed sealed = push_of(100000);
  const heap::Watch watch;
  const auto refused = encryptor.decrypt(sealed.push());
  const heap::Counts counts = watch.counts();
  REQUIRE(refused.error().code == Errc::input_too_large);
  CHECK(counts.largest_new < 32768);  // the worker
}

TEST_CASE("Exhausted memory throws bad_alloc, hands out nothing of another push, and is over with the call") {
  const Sealed first = push_of(100);
  const Sealed second = push_of(200000);
  for (const bool warm : {false, true}) {
    for (std::size_t nth = 1;; ++nth) {
      INFO((warm ? "warm" : "cold") << " allocation " << nth);
      const Encryptor encryptor = Encryptor::create(kApp).value();
      Opened opened;
      Reply reply;
      if (warm) REQUIRE(encryptor.decrypt(first.push(), opened));
      bool thrown = false;
      bool done = false;
      {
        const heap::Watch watch(nth, 0);
        try {
          done = encryptor.decrypt(second.push(), opened) && encryptor.encrypt_reply(opened.plaintext, opened, reply);
        } catch (const std::bad_alloc&) {
          thrown = true;
        }
      }
      REQUIRE(done != thrown);
      if (!done && opened.plaintext.size() != 200000) {
        // The call that failed was decrypt().
        CHECK(opened.plaintext.empty());
        CHECK(opened.owner_key.empty());
        CHECK(opened.label.empty());
        CHECK_FALSE(encryptor.encrypt_reply("success", opened));
      }
      REQUIRE(encryptor.decrypt(second.push(), opened));
      REQUIRE(opened.plaintext.size() == 200000);
      REQUIRE(encryptor.encrypt_reply(opened.plaintext, opened, reply));
      REQUIRE(platform::open(kApp, reply).failure == Errc{});
      if (done) {
        CHECK(nth > 2);
        break;
      }
    }
  }
}

TEST_CASE("Exhausted memory in create and replace changes nothing") {
  Credential other = kApp;
  other.token = "anotherTokenThatIsLong";
  for (std::size_t nth = 1;; ++nth) {
    bool done = false;
    {
      const std::vector<Credential> credentials{kApp, other};
      const heap::Watch watch(nth, 0);
      try {
        done = Encryptor::create(credentials).has_value();
      } catch (const std::bad_alloc&) {
      }
    }
    if (done) {
      CHECK(nth > 5);
      break;
    }
  }
  Encryptor encryptor = Encryptor::create(kApp).value();
  const Sealed sealed = push_of(10);
  for (std::size_t nth = 1;; ++nth) {
    bool done = false;
    {
      std::vector<Credential> credentials{other};
      const heap::Watch watch(nth, 0);
      try {
        done = encryptor.replace(std::move(credentials)).has_value();
      } catch (const std::bad_alloc&) {
      }
    }
    CHECK(encryptor.verify(sealed.push()).has_value() == !done);
    if (done) {
      CHECK(nth > 2);
      break;
    }
  }
}

TEST_CASE("Exhausted memory inside OpenSSL is an error of the call, and is over with it") {
  const Sealed sealed = push_of(1000);
  for (const bool warm : {false, true}) {
    for (std::size_t nth = 1;; ++nth) {
      INFO((warm ? "warm" : "cold") << " allocation " << nth << " of OpenSSL");
      const Encryptor encryptor = Encryptor::create(kApp).value();
      Opened opened;
      Reply reply;
      if (warm) {
        REQUIRE(encryptor.decrypt(sealed.push(), opened));
        REQUIRE(encryptor.encrypt_reply("success", opened, reply));
      }
      bool done = false;
      {
        const heap::Watch watch(0, nth);
        const auto decrypted = encryptor.decrypt(sealed.push(), opened);
        const auto replied = encryptor.encrypt_reply("success", opened, reply);
        done = decrypted && replied;
        if (!decrypted) {
          CHECK(
              (decrypted.error().code == Errc::signature_failed || decrypted.error().code == Errc::decryption_failed));
          CHECK(opened.plaintext.empty());
          CHECK(replied.error().code == Errc::credential_missing);
        } else if (!replied) {
          CHECK((replied.error().code == Errc::signature_failed || replied.error().code == Errc::encryption_failed ||
                 replied.error().code == Errc::random_failed));
        }
      }
      for (int round = 0; round < 2; ++round) {
        REQUIRE(encryptor.decrypt(sealed.push(), opened));
        REQUIRE((opened.plaintext == std::string(1000, 't')));
        REQUIRE(encryptor.encrypt_reply("success", opened, reply));
        REQUIRE(platform::open(kApp, reply).failure == Errc{});
      }
      if (done) {
        CHECK(nth > 2);
        break;
      }
    }
  }
}
