// Many threads, one Encryptor or one Event. Means the most under ThreadSanitizer.
#include <dingcb/encryptor.hpp>
#include <dingcb/event.hpp>
#include <dingcb/events/contact.hpp>

#include "support/catch.hpp"
#include "support/platform.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Opened;
using dingcb::Reply;
using platform::Sealed;

Credential app(std::size_t number) {
  Credential credential{"token" + std::to_string(1000 + number),
                        "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01",
                        {"ownerkey" + std::to_string(1000 + number)},
                        "app" + std::to_string(1000 + number)};
  credential.aes_key.replace(0, 4, std::to_string(1000 + number));
  return credential;
}

Sealed push_for(const Credential& credential) {
  return platform::seal(credential, credential.owner_keys[0], "1700000000000", "nOnce123", "to " + credential.label);
}

// Opens and answers a push. @return what went wrong, or nothing; assertions of Catch2 are not for many threads.
std::string answer(const Encryptor& encryptor, const Credential& credential, const Sealed& sealed, Opened& opened,
                   Reply& reply, bool may_be_unknown) {
  const auto decrypted = encryptor.decrypt(sealed.push(), opened);
  if (!decrypted) {
    return may_be_unknown && decrypted.error().code == Errc::signature_mismatch
               ? ""
               : "not opened: " + decrypted.error().message.str();
  }
  if (opened.plaintext != "to " + credential.label || opened.label != credential.label ||
      opened.owner_key != credential.owner_keys[0]) {
    return "opened as something else";
  }
  const auto replied = encryptor.encrypt_reply("success", opened, reply);
  if (!replied) return "not answered: " + replied.error().message.str();
  const platform::Verdict verdict = platform::open(credential, reply);
  if (verdict.failure != Errc{} || verdict.message != "success" || verdict.owner_key != credential.owner_keys[0]) {
    return "answered wrongly";
  }
  return "";
}

// The first complaint of any thread.
class Complaint {
 public:
  void add(const std::string& text) {
    if (!text.empty() && !taken_.test_and_set()) text_ = text;
  }
  const std::string& text() const { return text_; }  // after the threads have ended

 private:
  std::atomic_flag taken_ = ATOMIC_FLAG_INIT;
  std::string text_;
};

// A user's own view of an event, beside the library's.
template <int N>
struct OwnUserAdded {
  std::vector<std::string> user_ids;
};

template <class Body>
void in_threads(std::size_t count, Body body) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

template <int N>
struct dingcb::EventTraits<OwnUserAdded<N>> {
  static constexpr std::string_view type = "user_add_org";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("userId", self.user_ids);
  }
};

TEST_CASE("16 threads that ask an event for its structs at once get the same ones") {
  using Structs = std::array<const void*, 7>;
  Complaint complaint;
  for (int round = 0; round < 100; ++round) {
    const dingcb::Event event =
        dingcb::parse_push(R"({"EventType":"user_add_org","userId":["u1","u2"],"roles":[{"name":"r"}]})").value()[0];
    std::atomic<std::size_t> waiting{0};
    std::array<Structs, 16> seen{};
    in_threads(16, [&, event](std::size_t thread) {
      ++waiting;
      while (waiting < 16) std::this_thread::yield();
      const dingcb::Event mine = event;
      const auto* const user = mine.get_if<dingcb::events::UserAddOrg>();
      const auto* const first = mine.get_if<OwnUserAdded<1>>();
      const auto* const second = mine.get_if<OwnUserAdded<2>>();
      const auto* const left = mine.why_not<dingcb::events::UserLeaveOrg>();
      seen[thread] = {user,
                      first,
                      second,
                      left,
                      mine.why_not<dingcb::events::UserAddOrg>(),
                      mine.get_if<dingcb::events::UserLeaveOrg>(),
                      mine.raw().data()};
      if (user == nullptr || user->user_id.size() != 2 || user->roles.at(0).name != "r") complaint.add("another user");
      if (user == nullptr || first == nullptr || second == nullptr || first->user_ids != user->user_id) {
        complaint.add("another own struct");
      }
      if (left == nullptr || left->code != Errc::kind_mismatch) complaint.add("another reason");
    });
    for (const Structs& structs : seen) {
      if (structs != seen[0]) complaint.add("two structs for one event");
      if (structs[4] != nullptr || structs[5] != nullptr) complaint.add("a struct that should not be, or a reason");
    }
  }
  CHECK(complaint.text() == "");
}

TEST_CASE("An event is decoded by whichever thread is left") {
  Complaint complaint;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::thread> threads;
    {
      const auto events =
          dingcb::parse_push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[{"biz_type":13,"biz_id":"u1",)"
                             R"("biz_data":"{\"syncAction\":\"user_leave_org\"}"},{"biz_type":13,"biz_id":"u2",)"
                             R"("biz_data":"{\"syncAction\":\"user_leave_org\"}"}]})")
              .value();
      for (std::size_t i = 0; i < 4; ++i) {
        threads.emplace_back([event = events[i % 2], i, &complaint] {
          const auto* const user = event.get_if<dingcb::events::UserLeaveOrg>();
          if (user == nullptr || user->user_id.at(0) != (i % 2 == 0 ? "u1" : "u2")) complaint.add("another user");
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(complaint.text() == "");
}

TEST_CASE("16 threads get right answers while credentials are replaced") {
  const Credential kept = app(0);
  const Credential coming_and_going = app(1);
  Credential rekeyed = app(2);
  const Credential rekeyed_before = rekeyed;
  rekeyed.aes_key = app(3).aes_key;
  const std::vector<Credential> before{kept, rekeyed_before};
  const std::vector<Credential> after{coming_and_going, rekeyed, kept};

  Encryptor encryptor = Encryptor::create(before).value();
  const std::pair<Credential, bool> apps[] = {{kept, false}, {coming_and_going, true}};
  const Sealed pushes[] = {push_for(kept), push_for(coming_and_going)};
  const Sealed old_key = push_for(rekeyed_before);

  std::atomic<bool> replacing{true};
  std::atomic<std::size_t> opened_after{0};
  Complaint complaint;
  std::thread replacer([&] {
    // A busy machine may run no other thread while the second credential is there: then it stays longer.
    for (int round = 0; round < 100 || (opened_after == 0 && round < 1000000); ++round) {
      if (!encryptor.replace(round % 2 == 0 ? after : before)) complaint.add("replace() failed");
      std::this_thread::yield();
    }
    replacing = false;
  });
  in_threads(16, [&](std::size_t thread) {
    const Encryptor mine = encryptor;
    Opened opened;
    Reply reply;
    for (std::size_t i = thread; i < thread + 20 || replacing; ++i) {
      const auto& [credential, may_be_unknown] = apps[i % 2];
      complaint.add(answer(mine, credential, pushes[i % 2], opened, reply, may_be_unknown));
      if (i % 2 == 1 && !opened.plaintext.empty()) ++opened_after;
      // A push under the key of one set only: it opens, or its padding (rarely more) is wrong; it never opens as
      // another.
      const auto decrypted = mine.decrypt(old_key.push(), opened);
      if (decrypted && opened.plaintext != "to " + rekeyed_before.label) complaint.add("opened with the wrong key");
      if (!decrypted && !opened.plaintext.empty()) complaint.add("plaintext of a refused push");
    }
  });
  replacer.join();
  CHECK(complaint.text() == "");
  CHECK(opened_after > 0);
}

TEST_CASE("An Opened is answered with the credential that opened it while another thread replaces them") {
  const Credential first = app(10);
  const Credential second = app(11);
  Encryptor encryptor = Encryptor::create(first).value();
  const Opened opened = encryptor.decrypt(push_for(first).push()).value();
  std::atomic<bool> replacing{true};
  Complaint complaint;
  std::thread replacer([&] {
    for (int round = 0; round < 100; ++round) {
      if (!encryptor.replace({round % 2 == 0 ? second : first})) complaint.add("replace() failed");
    }
    replacing = false;
  });
  in_threads(4, [&](std::size_t) {
    Reply reply;
    do {
      if (!encryptor.encrypt_reply("success", opened, reply)) complaint.add("not answered");
      if (platform::open(first, reply).failure != Errc{}) complaint.add("answered with another credential");
    } while (replacing);
  });
  replacer.join();
  CHECK(complaint.text() == "");
}

TEST_CASE("More threads than an Encryptor keeps workers for are all served") {
  const Credential credential = app(20);
  const Sealed sealed = push_for(credential);
  const Encryptor encryptor = Encryptor::create(credential).value();
  std::atomic<std::size_t> waiting{0};
  Complaint complaint;
  in_threads(100, [&](std::size_t) {
    ++waiting;
    while (waiting < 100) std::this_thread::yield();  // all at once
    Opened opened;
    Reply reply;
    for (int i = 0; i < 20; ++i) complaint.add(answer(encryptor, credential, sealed, opened, reply, false));
  });
  CHECK(complaint.text() == "");
}

TEST_CASE("Threads that come and go are all served") {
  const Credential credential = app(21);
  const Sealed sealed = push_for(credential);
  const Encryptor encryptor = Encryptor::create(credential).value();
  Complaint complaint;
  for (int round = 0; round < 150; ++round) {
    in_threads(2, [&](std::size_t) {
      Opened opened;
      Reply reply;
      complaint.add(answer(encryptor, credential, sealed, opened, reply, false));
    });
  }
  CHECK(complaint.text() == "");
}

TEST_CASE("One Opened may be answered by many threads, and outlive the Encryptor in another") {
  const Credential credential = app(30);
  Complaint complaint;
  std::vector<std::thread> threads;
  {
    const Encryptor encryptor = Encryptor::create(credential).value();
    const Encryptor other = Encryptor::create(app(31)).value();
    const Opened opened = encryptor.decrypt(push_for(credential).push()).value();
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([opened, other, credential, &complaint] {
        Reply reply;
        for (int round = 0; round < 50; ++round) {
          if (!other.encrypt_reply("success", opened, reply)) complaint.add("not answered");
          if (platform::open(credential, reply).failure != Errc{}) complaint.add("answered wrongly");
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(complaint.text() == "");
}
