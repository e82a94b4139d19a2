// After a fork, parent and children must not make the same nonces and prefixes, nor wait for a lock that nobody holds.
#include <dingcb/encryptor.hpp>

#include "support/catch.hpp"
#include "support/platform.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::Errc;
using dingcb::Opened;
using dingcb::Reply;

const Credential kApp{"tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "app"};
const platform::Sealed kSealed = platform::seal(kApp, kApp.owner_keys[0], "1700000000000", "nOnce123", "a push");
constexpr unsigned kPatience = 60;  // seconds until a child that hangs is killed by SIGALRM

// Makes replies and writes what matters of them to `pipe`, one line each.
void report_replies(const Encryptor& encryptor, const Opened& opened, int count, int pipe) {
  for (int i = 0; i < count; ++i) {
    const auto reply = encryptor.encrypt_reply("success", opened);
    if (!reply) _exit(2);
    const std::string line =
        reply->timestamp + ' ' + reply->nonce + ' ' + reply->msg_signature + ' ' + reply->encrypt + '\n';
    if (write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
      _exit(3);  // less than PIPE_BUF: whole
  }
}

// Runs `body` in a child.
template <class Body>
pid_t in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kPatience);
    body();
    _exit(0);
  }
  return child;
}

void check_ended_well(pid_t child) {
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));  // not killed by SIGALRM: it did not hang
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

void check_all_differ(int pipe, std::size_t expected) {
  std::FILE* const lines = fdopen(pipe, "r");
  REQUIRE(lines != nullptr);
  std::set<std::string> nonces_and_prefixes;
  std::set<std::string> first_blocks;
  std::size_t replies = 0;
  char timestamp[32];
  char nonce[32];
  char signature[64];
  char encrypt[1024];
  while (std::fscanf(lines, "%31s %31s %63s %1023s", timestamp, nonce, signature, encrypt) == 4) {
    ++replies;
    const platform::Verdict verdict = platform::open(kApp, dingcb::Push{signature, timestamp, nonce, encrypt});
    REQUIRE(verdict.failure == Errc{});
    nonces_and_prefixes.insert(nonce);
    nonces_and_prefixes.insert(verdict.prefix);
    first_blocks.insert(std::string(encrypt).substr(0, 20));
  }
  std::fclose(lines);
  CHECK(replies == expected);
  CHECK(nonces_and_prefixes.size() == 2 * expected);
  CHECK(first_blocks.size() == expected);
}

}  // namespace

TEST_CASE("Replies made after a fork differ in the parent, its children and grandchildren") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  const Opened opened = encryptor.decrypt(kSealed.push()).value();
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  report_replies(encryptor, opened, 1, pipes[1]);  // random bytes have been drawn ahead when the fork comes

  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(in_child([&] {
      report_replies(encryptor, opened, 5, pipes[1]);
      const pid_t grandchild = in_child([&] { report_replies(encryptor, opened, 5, pipes[1]); });
      report_replies(encryptor, opened, 5, pipes[1]);
      int status = 0;
      if (waitpid(grandchild, &status, 0) != grandchild || status != 0) _exit(4);
    }));
  }
  report_replies(encryptor, opened, 5, pipes[1]);
  for (const pid_t child : children) check_ended_well(child);
  close(pipes[1]);
  check_all_differ(pipes[0], 1 + 4 * 15 + 5);
}

TEST_CASE("Replies differ when the child of a child is the first to make one") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  const Opened opened = encryptor.decrypt(kSealed.push()).value();
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(in_child([&] {
      const pid_t grandchild = in_child([&] { report_replies(encryptor, opened, 5, pipes[1]); });
      int status = 0;
      if (waitpid(grandchild, &status, 0) != grandchild || status != 0) _exit(4);
    }));
  }
  for (const pid_t child : children) check_ended_well(child);
  report_replies(encryptor, opened, 5, pipes[1]);
  close(pipes[1]);
  check_all_differ(pipes[0], 3 * 5 + 5);
}

TEST_CASE("A fork while other threads use the Encryptor leaves the child an Encryptor that works") {
  const Encryptor encryptor = Encryptor::create(kApp).value();
  const Opened opened = encryptor.decrypt(kSealed.push()).value();
  std::atomic<bool> forking{true};
  std::atomic<int> busy{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Opened mine;
      Reply reply;
      bool counted = false;
      while (forking) {
        if (!encryptor.decrypt(kSealed.push(), mine) || !encryptor.encrypt_reply("success", mine, reply)) return;
        if (!counted) ++busy;
        counted = true;
      }
    });
  }
  while (busy < 4) std::this_thread::yield();

  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  constexpr int kForks = 40;
  for (int i = 0; i < kForks; ++i) {
    check_ended_well(in_child([&] {
      Opened mine;
      if (!encryptor.decrypt(kSealed.push(), mine) || mine.plaintext != "a push") _exit(5);
      report_replies(encryptor, mine, 2, pipes[1]);
      report_replies(encryptor, opened, 1, pipes[1]);
    }));
  }
  forking = false;
  for (std::thread& thread : threads) thread.join();
  close(pipes[1]);
  check_all_differ(pipes[0], std::size_t{kForks} * 3);
}
