// Searches the memory of the process for tokens and keys that should be gone: the heap and all global data after
// objects have been dropped, and the stack after calls.
//
// The program itself must not know them in clear, or the search would find its own copy: they are kept masked, written
// into place character by character, and pushes are sealed by a child process.
#include <dingcb/encryptor.hpp>

#include "failure/heap.hpp"
#include "support/catch.hpp"
#include "support/platform.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::Credential;
using dingcb::Encryptor;
using dingcb::Opened;
using dingcb::Reply;
using platform::Sealed;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DINGCB_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define DINGCB_SANITIZED
#endif
#endif

constexpr unsigned char kMask = 0xa5;

// A text that stands nowhere in clear.
struct Masked {
  std::string bytes;

  void write_to(std::string& out) const {
    out.resize(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i)
      out[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ kMask);
  }
};

// The secrets of one credential; their texts come from a counter, so that not even the compiler knows them.
struct Secrets {
  Secrets(unsigned number, std::size_t token_size, char first = 'm') {
    volatile unsigned state = number * 2654435761U + 12345;
    const auto letters = [&state](std::size_t size) {
      Masked masked;
      for (std::size_t i = 0; i < size; ++i) {
        state = state * 1103515245U + 12345U;
        masked.bytes += static_cast<char>(static_cast<unsigned char>('a' + (state >> 16) % 26) ^ kMask);
      }
      return masked;
    };
    token = letters(token_size);
    token.bytes[0] = static_cast<char>(static_cast<unsigned char>(first) ^ kMask);  // decides where signing sorts it
    aes_key = letters(43);
    // The 32 bytes behind the text, masked, too.
    unsigned bits = 0;
    unsigned count = 0;
    for (const char c : aes_key.bytes) {
      bits = (bits << 6 | static_cast<unsigned>((static_cast<unsigned char>(c) ^ kMask) - 'a' + 26)) & 0xffff;
      count += 6;
      if (count >= 8) {
        count -= 8;
        key.bytes += static_cast<char>(static_cast<unsigned char>(bits >> count) ^ kMask);
      }
    }
  }

  // To be passed on as it is: each further copy would be one more to be wiped.
  Credential credential() const {
    Credential made;
    token.write_to(made.token);
    aes_key.write_to(made.aes_key);
    made.owner_keys = {"dingshopappkey0001"};
    return made;
  }

  Masked token;
  Masked aes_key;
  Masked key;
};

// Seals a push in a child, whose memory goes with it.
Sealed push_for(const Secrets& secrets, std::size_t size) {
  int pipes[2];
  platform::require(pipe(pipes) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    const Credential credential = secrets.credential();
    const Sealed sealed =
        platform::seal(credential, credential.owner_keys[0], "1700000000000", "nOnce123", std::string(size, 't'));
    const std::string text = sealed.signature + sealed.encrypt;
    std::size_t written = 0;
    while (written < text.size()) {
      const ssize_t more = write(pipes[1], text.data() + written, text.size() - written);
      if (more <= 0) _exit(1);
      written += static_cast<std::size_t>(more);
    }
    _exit(0);
  }
  close(pipes[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t more = 0; (more = read(pipes[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(more));
  close(pipes[0]);
  int status = 1;
  platform::require(waitpid(child, &status, 0) == child && status == 0 && text.size() > 40, "sealing in a child");
  return {text.substr(0, 40), "1700000000000", "nOnce123", text.substr(40)};
}

// How often a part of the masked text stands in clear in a piece of memory.
std::size_t occurrences(const unsigned char* begin, std::size_t size, std::string_view masked) {
  std::size_t found = 0;
  const auto first = static_cast<unsigned char>(static_cast<unsigned char>(masked[0]) ^ kMask);
  for (std::size_t at = 0; at + masked.size() <= size;) {
    const void* const hit = std::memchr(begin + at, first, size - at - masked.size() + 1);
    if (hit == nullptr) break;
    at = static_cast<std::size_t>(static_cast<const unsigned char*>(hit) - begin);
    std::size_t same = 1;
    while (same < masked.size() && begin[at + same] == (static_cast<unsigned char>(masked[same]) ^ kMask)) ++same;
    if (same == masked.size()) ++found;
    ++at;
  }
  return found;
}

std::size_t occurrences(const unsigned char* begin, std::size_t size, const std::vector<std::string_view>& parts) {
  std::size_t found = 0;
  for (const std::string_view part : parts) found += occurrences(begin, size, part);
  return found;
}

// Small parts, because the allocator overwrites the first bytes of a block that was freed, and may hand out a part of
// it again.
std::vector<std::string_view> small_parts(const Secrets& secrets) {
  const std::string_view token = secrets.token.bytes;
  const std::string_view text = secrets.aes_key.bytes;
  const std::string_view key = secrets.key.bytes;
  return {token.substr(0, 8), token.substr(token.size() - 8),
          text.substr(0, 11), text.substr(16, 11),
          text.substr(32),    key.substr(0, 8),
          key.substr(8, 8),   key.substr(16, 8),
          key.substr(24)};
}

#if !defined(DINGCB_SANITIZED)
// Larger ones, because no program can help it that the compiler saves a register on the stack.
std::vector<std::string_view> large_parts(const Secrets& secrets) {
  const std::string_view key = secrets.key.bytes;
  return {secrets.token.bytes, secrets.aes_key.bytes, key.substr(0, 16), key.substr(16)};
}

// Searches all writable memory but the main thread's stack, which is in use.
std::size_t occurrences(const Secrets& secrets) {
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> ranges;
  std::FILE* const maps = std::fopen("/proc/self/maps", "r");
  platform::require(maps != nullptr, "/proc/self/maps");
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char rights[5] = {};
    // NOLINTNEXTLINE(cert-err34-c): the kernel writes this file
    if (std::sscanf(line, "%lx-%lx %4s", &begin, &end, rights) == 3 && std::strncmp(rights, "rw", 2) == 0 &&
        std::strstr(line, "[stack]") == nullptr) {
      ranges.emplace_back(begin, end);
    }
  }
  std::fclose(maps);
  std::size_t found = 0;
  for (const auto& [begin, end] : ranges) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses
    found += occurrences(reinterpret_cast<const unsigned char*>(begin), end - begin,
                         small_parts(secrets));  // NOLINT: an address
  }
  return found;
}

// Runs `body` on a stack of its own and searches that stack when the thread has ended.
template <class Body>
std::size_t left_on_stack(const Secrets& secrets, Body body) {
  constexpr std::size_t kSize = 1 << 20;
  void* const stack = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  platform::require(stack != MAP_FAILED, "mmap");
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, kSize);
  pthread_t thread{};
  const auto enter = [](void* argument) -> void* {
    (*static_cast<Body*>(argument))();
    return nullptr;
  };
  platform::require(pthread_create(&thread, &attributes, enter, &body) == 0, "pthread_create");
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  const std::size_t found = occurrences(static_cast<const unsigned char*>(stack), kSize, large_parts(secrets));
  munmap(stack, kSize);
  return found;
}

#endif

// Counts the blocks that are freed while it lives and hold a secret.
class FreedBlocks {
 public:
  explicit FreedBlocks(const Secrets& secrets) {
    platform::require(heap::watches_openssl(), "another allocator for OpenSSL");
    parts_ = small_parts(secrets);
    guilty_ = 0;
    heap::inspect_freed([](const void* block, std::size_t size) {
      if (occurrences(static_cast<const unsigned char*>(block), size, parts_) > 0) ++guilty_;
    });
  }
  FreedBlocks(const FreedBlocks&) = delete;
  FreedBlocks& operator=(const FreedBlocks&) = delete;
  ~FreedBlocks() { heap::inspect_freed(nullptr); }

  std::size_t guilty() const { return guilty_; }

 private:
  static inline std::vector<std::string_view> parts_;
  static inline std::size_t guilty_ = 0;
};

// Opens and answers small and large pushes, so that everything that calls reuse has been used.
void use(const Encryptor& encryptor, const std::vector<Sealed>& pushes, Opened& opened) {
  Reply reply;
  for (const Sealed& sealed : pushes) {
    platform::require(encryptor.verify(sealed.push()).has_value(), "verify");
    platform::require(encryptor.decrypt(sealed.push(), opened).has_value(), "decrypt");
    platform::require(encryptor.encrypt_reply(opened.plaintext, opened, reply).has_value(), "encrypt_reply");
  }
}

std::vector<Sealed> pushes_for(const Secrets& secrets) {
  return {push_for(secrets, 10), push_for(secrets, 5000), push_for(secrets, 50000)};
}

}  // namespace

TEST_CASE("The watch sees a block that is freed with a secret in it") {
  const Secrets secrets(3, 30);
  const FreedBlocks freed(secrets);
  { const Credential unwiped = secrets.credential(); }
  CHECK(freed.guilty() == 2);
}

TEST_CASE("No block is freed while a secret stands in it") {
  for (const std::size_t token_size : {8U, 15U, 16U, 32U, 300U, 2000U}) {
    INFO("token of " << token_size << " characters");
    const Secrets secrets(static_cast<unsigned>(200 + token_size), token_size);
    const Secrets other(199, 12);
    const std::vector<Sealed> pushes = pushes_for(secrets);
    std::string garbage = pushes[0].encrypt;
    garbage.resize(garbage.size() - 4);
    const FreedBlocks freed(secrets);
    const auto list = [&] {  // built in place: lists in braces are copied by the language
      std::vector<Credential> credentials;
      credentials.reserve(2);
      credentials.push_back(other.credential());
      credentials.push_back(secrets.credential());
      return credentials;
    };
    {
      CHECK(Encryptor::create(secrets.credential()));
      CHECK(freed.guilty() == 0);
      Encryptor encryptor = Encryptor::create(list()).value();
      CHECK(freed.guilty() == 0);
      Opened opened;
      use(encryptor, pushes, opened);
      CHECK_FALSE(encryptor.decrypt({pushes[0].signature, pushes[0].timestamp, pushes[0].nonce, garbage}));
      CHECK(freed.guilty() == 0);
      REQUIRE(encryptor.replace(list()));
      use(encryptor, pushes, opened);
      CHECK(freed.guilty() == 0);
      REQUIRE_FALSE(encryptor.replace([&] {
        std::vector<Credential> credentials = list();
        credentials.back().owner_keys.clear();
        return credentials;
      }()));
      CHECK(freed.guilty() == 0);
    }
    CHECK(freed.guilty() == 0);
  }
}

// Under a sanitizer freed memory is kept, and the process has terabytes of shadow.
#if !defined(DINGCB_SANITIZED)
TEST_CASE("The search finds a token and a key while an Encryptor lives, and what was freed without being wiped") {
  const Secrets secrets(1, 20);
  REQUIRE(secrets.key.bytes.size() == 32);
  REQUIRE(occurrences(secrets) == 0);
  {
    const auto encryptor = Encryptor::create(secrets.credential());
    REQUIRE(encryptor);
    CHECK(occurrences(secrets) >= 6);  // two parts of the token, four of the key
  }
  const Secrets freed(2, 20);
  { const Credential unwiped = freed.credential(); }
  CHECK(occurrences(freed) > 0);
  CHECK(left_on_stack(freed, [&] {
          char copies[8000];  // large enough that whatever the thread does at its end spares some of it
          volatile char* const out = copies;
          for (std::size_t i = 0; i < sizeof copies; ++i) {
            out[i] = static_cast<char>(static_cast<unsigned char>(freed.token.bytes[i % 20]) ^ kMask);
          }
        }) > 0);
}

TEST_CASE("Nothing of a credential is left when the last Encryptor and Opened are gone") {
  // Short tokens live inside their std::string, long ones on the heap.
  for (const std::size_t token_size : {8U, 15U, 16U, 32U, 300U, 2000U}) {
    INFO("token of " << token_size << " characters");
    const Secrets secrets(static_cast<unsigned>(100 + token_size), token_size);
    const std::vector<Sealed> pushes = pushes_for(secrets);
    REQUIRE(occurrences(secrets) == 0);
    std::optional<Opened> opened;
    {
      const auto encryptor = Encryptor::create(secrets.credential());
      REQUIRE(encryptor);
      opened.emplace();
      use(*encryptor, pushes, *opened);
    }
    CHECK(occurrences(secrets) > 0);  // an Opened can still be answered
    opened.reset();
    CHECK(occurrences(secrets) == 0);
  }
}

TEST_CASE("Nothing of many credentials is left, however often the list of them grew") {
  std::vector<Secrets> all;
  for (unsigned i = 0; i < 20; ++i) all.emplace_back(300 + i, 10 + i);
  {
    std::vector<Credential> credentials;
    credentials.reserve(all.size());
    for (const Secrets& secrets : all) credentials.push_back(secrets.credential());
    const auto encryptor = Encryptor::create(std::move(credentials));
    REQUIRE(encryptor);
    for (const Secrets& secrets : all) CHECK(occurrences(secrets) > 0);
  }
  for (const Secrets& secrets : all) CHECK(occurrences(secrets) == 0);
}

TEST_CASE("Encryptor::create wipes what it was given when it refuses") {
  const Secrets secrets(400, 20);
  {
    Credential credential = secrets.credential();
    credential.owner_keys.clear();
    std::vector<Credential> credentials;
    credentials.push_back(std::move(credential));
    REQUIRE_FALSE(Encryptor::create(std::move(credentials)));
  }
  CHECK(occurrences(secrets) == 0);
  {
    // Decoded, and then refused as a duplicate.
    std::vector<Credential> credentials;
    credentials.push_back(secrets.credential());
    credentials.push_back(secrets.credential());
    REQUIRE_FALSE(Encryptor::create(std::move(credentials)));
  }
  CHECK(occurrences(secrets) == 0);
}

TEST_CASE("Nothing of a replaced credential is left when its last Opened is gone") {
  for (const bool answered_late : {false, true}) {
    const Secrets old(answered_late ? 500 : 501, 14);
    const Secrets next(answered_late ? 502 : 503, 30);
    const std::vector<Sealed> pushes = pushes_for(old);
    Encryptor encryptor = Encryptor::create(old.credential()).value();
    std::optional<Opened> opened;
    opened.emplace();
    use(encryptor, pushes, *opened);

    std::vector<Credential> replacement;
    replacement.push_back(next.credential());
    REQUIRE(encryptor.replace(std::move(replacement)));
    CHECK(occurrences(old) > 0);
    if (answered_late) {
      Reply reply;
      REQUIRE(encryptor.encrypt_reply("success", *opened, reply));
    }
    opened.reset();
    CHECK(occurrences(old) == 0);  // though no call came that could have brought an idle worker up to date
    CHECK(occurrences(next) > 0);
  }
}

TEST_CASE("No call leaves a secret on the stack") {
  // A token that is hashed first, in the middle, and last.
  for (const char first : {'!', 'm', '~'}) {
    const Secrets secrets(600, 20, first);
    const std::vector<Sealed> pushes = pushes_for(secrets);
    std::vector<Credential> credentials;
    credentials.push_back(secrets.credential());
    const Encryptor encryptor = Encryptor::create(std::move(credentials)).value();
    Opened opened;
    Reply reply;
    use(encryptor, pushes, opened);  // binds symbols: where they are bound late, registers are saved on the stack
    for (const Sealed& sealed : pushes) {
      INFO("push of " << sealed.encrypt.size() << " characters, token begins with " << first);
      CHECK(left_on_stack(secrets, [&] { static_cast<void>(encryptor.verify(sealed.push())); }) == 0);
      CHECK(left_on_stack(secrets, [&] { static_cast<void>(encryptor.decrypt(sealed.push(), opened)); }) == 0);
      CHECK(left_on_stack(secrets,
                          [&] { static_cast<void>(encryptor.encrypt_reply(opened.plaintext, opened, reply)); }) == 0);
    }
  }
}
#endif
