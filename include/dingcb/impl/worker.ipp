// What one call needs for itself, and the pool that lends it.
#pragma once

#include <dingcb/detail/base64.hpp>
#include <dingcb/impl/keyring.ipp>
#include <dingcb/impl/random.ipp>
#include <dingcb/impl/sha1.ipp>

#include <array>
#include <atomic>
#include <cstring>

DINGCB_NAMESPACE_BEGIN
namespace detail {

constexpr std::size_t kPrefixSize = 16;               // random bytes before the length field
constexpr std::size_t kHeaderSize = kPrefixSize + 4;  // and the length field
constexpr std::size_t kPadBlock = 32;                 // DingTalk pads to 32 bytes, not to the cipher's 16

/// What decrypting gave, before anybody looked at the owner key.
struct Unsealed {
  Errc failure{};
  std::size_t message_size = 0;
  std::size_t owner_size = 0;
};

/// Contexts and scratch memory, used by one call at a time and kept for the next. About 16 KB, and 1 KB per AES key in
/// use.
class Worker {
 public:
  /// @return null where OpenSSL has no memory.
  static std::unique_ptr<Worker> make(const Algorithms& algorithms) {
    std::unique_ptr<Worker> worker(new Worker(algorithms));
    if (!worker->signer.open(algorithms.sha1.get())) return nullptr;
    return worker;
  }

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { wipe(chunk_.data(), chunk_.size()); }

  /// Switches to other credentials and wipes everything that was derived from the old ones.
  void use(std::shared_ptr<const Keyring> keyring, std::uint64_t generation) {
    for (CachedCipher& cached : ciphers_) cached = CachedCipher{};
    wipe(chunk_.data(), chunk_.size());
    // A control block of the worker's own: Opened shares it, and two threads would otherwise count references in one
    // place.
    const auto own = std::make_shared<const std::shared_ptr<const Keyring>>(std::move(keyring));
    keyring_ = std::shared_ptr<const Keyring>(own, own->get());
    generation_ = generation;
  }

  const std::shared_ptr<const Keyring>& keyring() const noexcept { return keyring_; }
  std::uint64_t generation() const noexcept { return generation_; }

  /// Decodes and decrypts `encrypt`, and checks all but the owner key. On success `out` holds the message and the
  /// sealed owner key behind it; after a failure it is empty. Reads no length before everything around it has been
  /// checked, and sizes memory by the text alone.
  Unsealed unseal(const KeyEntry& key, std::string_view encrypt, std::string& out) {
    Unsealed unsealed;
    std::size_t size = 0;
    unsealed.failure = decrypt(key, encrypt, out, size);
    if (unsealed.failure == Errc{}) unsealed.failure = check(out, size, unsealed);
    if (unsealed.failure != Errc{}) {
      wipe(out);
    } else {
      out.resize(unsealed.message_size + unsealed.owner_size);
    }
    return unsealed;
  }

  /// @return how many characters seal() writes.
  static std::size_t sealed_size(const Identity& identity, std::string_view text) noexcept {
    const std::size_t size = kHeaderSize + text.size() + identity.owner_key.size();
    return base64_encoded_size(size + kPadBlock - size % kPadBlock);
  }

  /// Encrypts prefix, length, text, owner key and padding to base64.
  Errc seal(const Identity& identity, const char* prefix, std::string_view text, char* out) {
    // A key of credentials that were replaced, or of another Encryptor, is not kept.
    AesCipher foreign;
    AesCipher& cipher = identity.keyring == keyring_.get() ? cipher_for(*identity.key) : foreign;

    std::array<char, kHeaderSize> header;
    std::memcpy(header.data(), prefix, kPrefixSize);
    std::array<unsigned char, 4> length;
    store_big_endian(static_cast<std::uint32_t>(text.size()), length.data());
    std::memcpy(header.data() + kPrefixSize, length.data(), length.size());
    const std::size_t size = kHeaderSize + text.size() + identity.owner_key.size();
    const std::size_t pad = kPadBlock - size % kPadBlock;
    std::array<char, kPadBlock> padding;
    padding.fill(static_cast<char>(pad));

    std::size_t used = 0;
    bool first = true;
    const auto flush = [&] {
      if (!cipher.encrypt(algorithms_.aes_256_cbc.get(), identity.key->key, std::exchange(first, false), chunk_.data(),
                          used)) {
        return false;
      }
      base64_encode(chunk_.data(), used, out);
      out += base64_encoded_size(used);
      used = 0;
      return true;
    };
    for (std::string_view part : {std::string_view(header.data(), header.size()), text,
                                  std::string_view(identity.owner_key), std::string_view(padding.data(), pad)}) {
      while (!part.empty()) {
        const std::size_t taken = part.copy(reinterpret_cast<char*>(chunk_.data()) + used, kChunk - used);
        part.remove_prefix(taken);
        used += taken;
        if (used == kChunk && !flush()) return Errc::encryption_failed;
      }
    }
    return flush() ? Errc{} : Errc::encryption_failed;
  }

  Signer signer;
  RandomText random;

 private:
  struct CachedCipher {
    const KeyEntry* key = nullptr;
    AesCipher cipher;
  };

  // Divisible by 3 (base64 without "=" inside), by 16 (whole AES blocks), small enough for the first-level cache.
  static constexpr std::size_t kChunk = 12288;

  explicit Worker(const Algorithms& algorithms) noexcept : algorithms_(algorithms) {}

  AesCipher& cipher_for(const KeyEntry& key) noexcept {
    // Few apps have traffic at the same time; an ISV with a thousand keys pays a key schedule now and then.
    CachedCipher& cached = ciphers_[key.index % ciphers_.size()];
    if (cached.key != &key) {
      cached.cipher.close();
      cached.key = &key;
    }
    return cached.cipher;
  }

  // Fills head_ with the first 20 bytes and `out` with the others, padding included.
  Errc decrypt(const KeyEntry& key, std::string_view encrypt, std::string& out, std::size_t& size) {
    AesCipher& cipher = cipher_for(key);
    out.resize(Base64Decoder::max_decoded_size(encrypt.size()));
    Base64Decoder decoder;
    bool decrypted = true;
    std::size_t waiting = 0;  // decoded bytes that do not fill a block yet, at the front of chunk_
    while (!encrypt.empty()) {
      const std::string_view piece = encrypt.substr(0, kChunk / 3 * 4);
      encrypt.remove_prefix(piece.size());
      const std::size_t filled = waiting + decoder.update(piece, chunk_.data() + waiting);
      if (!decoder.ok()) return Errc::base64_malformed;
      waiting = filled % kAesBlock;
      const std::size_t whole = filled - waiting;
      if (size >= kHeaderSize) {
        decrypted = decrypted && run(cipher, key, false, whole, out.data() + (size - kHeaderSize));
      } else {
        // The pieces that hold the header go through chunk_, so that the message begins at the beginning of `out`.
        decrypted = decrypted && run(cipher, key, size == 0, whole, nullptr);
        const std::size_t head = std::min(kHeaderSize - size, whole);
        std::memcpy(head_.data() + size, chunk_.data(), head);
        if (whole > head) std::memcpy(out.data() + (size + head - kHeaderSize), chunk_.data() + head, whole - head);
      }
      size += whole;
      std::memmove(chunk_.data(), chunk_.data() + whole, waiting);
    }
    if (!decoder.complete()) return Errc::base64_malformed;
    if (size + waiting == 0) return Errc::ciphertext_empty;
    if (waiting != 0) return Errc::ciphertext_not_block_multiple;
    return decrypted ? Errc{} : Errc::decryption_failed;
  }

  bool run(AesCipher& cipher, const KeyEntry& key, bool first, std::size_t size, char* out) noexcept {
    return cipher.decrypt(algorithms_.aes_256_cbc.get(), key.key, first, chunk_.data(), size,
                          out == nullptr ? chunk_.data() : reinterpret_cast<unsigned char*>(out));
  }

  Errc check(const std::string& out, std::size_t size, Unsealed& unsealed) const noexcept {
    const auto at = [&](std::size_t i) {
      return i < kHeaderSize ? head_[i] : static_cast<unsigned char>(out[i - kHeaderSize]);
    };
    const std::size_t pad = at(size - 1);
    if (pad < 1 || pad > kPadBlock || pad > size) return Errc::padding;
    unsigned difference = 0;
    for (std::size_t i = size - pad; i < size; ++i) difference |= at(i) ^ static_cast<unsigned>(pad);
    if (difference != 0) return Errc::padding;
    size -= pad;
    if (size < kHeaderSize) return Errc::too_short;
    const std::size_t length = load_big_endian(head_.data() + kPrefixSize);
    if (length > size - kHeaderSize) return Errc::length_field;
    unsealed.message_size = length;
    unsealed.owner_size = size - kHeaderSize - length;
    return Errc{};
  }

  const Algorithms& algorithms_;
  std::shared_ptr<const Keyring> keyring_;
  std::uint64_t generation_ = 0;
  std::array<CachedCipher, 8> ciphers_;
  std::array<unsigned char, kHeaderSize> head_{};
  std::array<unsigned char, kChunk + 2 * kAesBlock>
      chunk_;  // room for a waiting part of a block, and the decoder's slack
};

/// Lends workers without a lock: a slot holds an idle worker or nothing. A thread comes back to the slots it used
/// before, so its worker is warm; a thread that finds them empty makes a worker of its own.
class WorkerPool {
 public:
  WorkerPool() noexcept = default;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool() {
    for (Slot& slot : slots_) delete slot.worker.load(std::memory_order_acquire);
  }

  std::unique_ptr<Worker> take() noexcept {
    for (std::size_t i = 0; i < kProbes; ++i) {
      std::atomic<Worker*>& slot = slot_of_this_thread(i);
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      if (Worker* const worker = slot.exchange(nullptr, std::memory_order_acquire))
        return std::unique_ptr<Worker>(worker);
    }
    return nullptr;
  }

  /// Puts a worker back; drops it where more of them are idle than the pool keeps.
  /// The order of all puts and of the sweep in Engine::replace() matters, hence seq_cst.
  void put(std::unique_ptr<Worker> worker) noexcept {
    for (std::size_t i = 0; i < kProbes; ++i) {
      Worker* expected = nullptr;
      if (slot_of_this_thread(i).compare_exchange_strong(expected, worker.get(), std::memory_order_seq_cst)) {
        static_cast<void>(worker.release());
        return;
      }
    }
  }

  /// Drops every idle worker.
  void clear() noexcept {
    for (Slot& slot : slots_) delete slot.worker.exchange(nullptr, std::memory_order_seq_cst);
  }

 private:
  struct alignas(64) Slot {  // a cache line each
    std::atomic<Worker*> worker{nullptr};
  };
  static constexpr std::size_t kSlots = 64;
  static constexpr std::size_t kProbes = 4;

  std::atomic<Worker*>& slot_of_this_thread(std::size_t probe) noexcept {
    static std::atomic<std::size_t> threads{0};
    thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
    return slots_[(mine + probe) % kSlots].worker;
  }

  std::array<Slot, kSlots> slots_;
};

}  // namespace detail
DINGCB_NAMESPACE_END
