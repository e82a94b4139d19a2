// Engine: what the handles of one Encryptor share, and the calls themselves.
#pragma once

#include <dingcb/impl/worker.ipp>

#include <chrono>
#include <climits>
#include <mutex>

DINGCB_NAMESPACE_BEGIN
namespace detail {

// A reply as JSON: what stands before each of its four parts, and the end. No part can hold a character that JSON
// escapes.
inline constexpr std::string_view kReplyKeys[] = {R"({"msg_signature":")", R"(","timeStamp":")", R"(","nonce":")",
                                                  R"(","encrypt":")"};
inline constexpr std::string_view kReplyEnd = R"("})";

class Engine {
 public:
  static Result<std::shared_ptr<Engine>> make(const std::vector<Credential>& credentials, EncryptorOptions options) {
    auto keyring = Keyring::make(credentials);
    if (!keyring) return std::move(keyring).error();
    auto engine = std::make_shared<Engine>(*std::move(keyring), std::move(options));
    if (!succeeded(engine->algorithms_.sha1 != nullptr && engine->algorithms_.aes_256_cbc != nullptr)) {
      return fail(
          Errc::crypto_unavailable,
          "OpenSSL offers no SHA-1 or no AES-256-CBC; load its default provider, or lift the restriction in its "
          "configuration");
    }
    return engine;
  }

  Engine(std::shared_ptr<const Keyring> keyring, EncryptorOptions options)
      : options_(std::move(options)), keyring_(std::move(keyring)) {}

  Result<void> replace(const std::vector<Credential>& credentials) {
    auto keyring = Keyring::make(credentials);
    if (!keyring) return std::move(keyring).error();
    {
      const std::lock_guard<std::mutex> lock(fork_gate());
      keyring_ = *std::move(keyring);
      generation_.fetch_add(1, std::memory_order_seq_cst);
    }
    // Old keys are wiped now where workers are idle, and by Lease where one is still at work.
    workers_.clear();
    return {};
  }

  Result<void> verify(const Push& push) {
    const Lease worker(*this);
    if (!worker) return no_worker();
    const TokenEntry* token = nullptr;
    return find_token(*worker, push, token);
  }

  Result<void> decrypt(const Push& push, Opened& into) {
    into.owner_key.clear();
    into.label.clear();
    Result<void> opened = decrypt(push, into.plaintext, into.identity_);
    if (!opened) return opened;
    Forget forget{into.plaintext, into.identity_};
    into.owner_key.assign(into.identity_->owner_key);
    into.label.assign(into.identity_->label);
    forget.armed = false;
    return opened;
  }

  /// @param identity who sealed the push; empty where this fails.
  Result<void> decrypt(const Push& push, std::string& plaintext, std::shared_ptr<const Identity>& identity) {
    Forget forget{plaintext, identity};
    Result<void> opened = open(push, plaintext, identity);
    if (opened) {
      forget.armed = false;
      return opened;
    }
    Error error = std::move(opened).error();
    // Behind a signature the price of looking closer does not matter: only somebody who knows a token comes this far.
    // Or who extended another's signature (is_printable()), and then SHA-1's padding, with NULs in it, stands in
    // `encrypt`.
    const bool signed_by_token = error.code >= Errc::ciphertext_empty && error.code <= Errc::owner_mismatch &&
                                 push.encrypt.find('\0') == std::string_view::npos;
    if (signed_by_token) {
      error.diagnosis = std::make_shared<const Diagnosis>(diagnose(push));
    }
    return error;
  }

  Result<void> encrypt_reply(std::string_view plaintext, const Opened& opened, Reply& into) {
    if (opened.identity_ == nullptr) {
      return fail(
          Errc::credential_missing,
          "the Opened given to encrypt_reply() was not filled by decrypt(); pass the one that decrypt() returned");
    }
    const Identity& identity = *opened.identity_;
    if (!fits(plaintext, identity)) return too_long();
    into.msg_signature.resize(kSignatureSize);
    into.timestamp.resize(kTimestampSize);
    into.nonce.resize(kNonceSize);
    into.encrypt.resize(Worker::sealed_size(identity, plaintext));
    return seal(plaintext, identity, into.msg_signature.data(), into.timestamp.data(), into.nonce.data(),
                {into.encrypt.data(), into.encrypt.size()});
  }

  /// The same as Reply::to_json(), made in one piece.
  Result<void> encrypt_reply(std::string_view plaintext, const Identity& identity, std::string& json) {
    if (!fits(plaintext, identity)) return too_long();
    const std::size_t sizes[] = {kSignatureSize, kTimestampSize, kNonceSize, Worker::sealed_size(identity, plaintext)};
    std::size_t size = kReplyEnd.size();
    for (std::size_t i = 0; i < 4; ++i) size += kReplyKeys[i].size() + sizes[i];
    json.clear();
    json.reserve(size);
    std::size_t places[4];
    for (std::size_t i = 0; i < 4; ++i) {
      json.append(kReplyKeys[i]);
      places[i] = json.size();
      json.append(sizes[i], ' ');
    }
    json.append(kReplyEnd);
    char* const text = json.data();
    return seal(plaintext, identity, text + places[0], text + places[1], text + places[2],
                {text + places[3], sizes[3]});
  }

  Diagnosis diagnose(const Push& push);

 private:
  /// Nothing of an earlier push may be taken for this one, its credential least of all; not after bad_alloc, either.
  struct Forget {
    Forget(std::string& of_push, std::shared_ptr<const Identity>& opener) noexcept
        : plaintext(of_push), identity(opener) {}
    Forget(const Forget&) = delete;
    Forget& operator=(const Forget&) = delete;
    ~Forget() {
      if (!armed) return;
      plaintext.clear();
      identity.reset();
    }
    std::string& plaintext;
    std::shared_ptr<const Identity>& identity;
    bool armed = true;
  };

  /// A worker for the time of one call, with the newest credentials.
  class Lease {
   public:
    explicit Lease(Engine& engine) : engine_(engine), worker_(engine.workers_.take()) {
      if (worker_ == nullptr) worker_ = Worker::make(engine.algorithms_);
      if (worker_ != nullptr) engine.refresh(*worker_);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (worker_ == nullptr) return;
      const std::uint64_t generation = worker_->generation();
      engine_.workers_.put(std::move(worker_));
      // Credentials were replaced during this call, and replace() may have looked before the worker was back.
      if (generation != engine_.generation_.load(std::memory_order_seq_cst)) engine_.workers_.clear();
    }

    explicit operator bool() const noexcept { return worker_ != nullptr; }
    Worker& operator*() const noexcept { return *worker_; }
    Worker* operator->() const noexcept { return worker_.get(); }

   private:
    Engine& engine_;
    std::unique_ptr<Worker> worker_;
  };

  static constexpr std::size_t kSignatureSize = std::tuple_size<HexDigest>::value;
  static constexpr std::size_t kTimestampSize = 13;
  static constexpr std::size_t kNonceSize = 16;

  /// The official implementations read the length as a signed 32-bit number.
  static bool fits(std::string_view plaintext, const Identity& identity) noexcept {
    return plaintext.size() <= std::size_t{INT_MAX} - kHeaderSize - kPadBlock - identity.owner_key.size();
  }
  static Error too_long() noexcept {
    return fail(Errc::plaintext_too_long,
                "error 900001: the plaintext of the reply is longer than a 32-bit length can say");
  }

  struct Room {
    char* text;
    std::size_t size;
  };

  /// Writes the four parts of a reply into memory of the caller's.
  Result<void> seal(std::string_view plaintext, const Identity& identity, char* signature, char* timestamp, char* nonce,
                    Room encrypt) {
    const Lease worker(*this);
    if (!worker) return no_worker();
    std::array<char, kPrefixSize> prefix;
    const RandomSource* const random = options_.random.get();
    if (!worker->random.fill(random, nonce, kNonceSize) || !worker->random.fill(random, prefix.data(), prefix.size())) {
      return fail(Errc::random_failed,
                  "error 900007: the random source delivered no usable bytes; check OpenSSL's random generator or the "
                  "injected RandomSource");
    }
    // Random texts differ; those of an injected source that repeats itself must differ too.
    if (std::equal(prefix.begin(), prefix.end(), nonce)) prefix[0] = prefix[0] == 'A' ? 'B' : 'A';

    if (worker->seal(identity, prefix.data(), plaintext, encrypt.text) != Errc{}) {
      return fail(Errc::encryption_failed, "error 900007: OpenSSL could not encrypt the reply; is memory exhausted?");
    }
    write_timestamp(timestamp);
    HexDigest digest;
    if (!worker->signer.sign(identity.token->token, {timestamp, kTimestampSize}, {nonce, kNonceSize},
                             {encrypt.text, encrypt.size}, digest)) {
      return signing_failed();
    }
    std::copy(digest.begin(), digest.end(), signature);
    return {};
  }

  Result<void> open(const Push& push, std::string& plaintext, std::shared_ptr<const Identity>& opener) {
    const Lease worker(*this);
    if (!worker) return no_worker();
    const TokenEntry* token = nullptr;
    if (auto verified = find_token(*worker, push, token); !verified) return verified;

    Errc failure{};
    std::string sealed_owner;
    for (const KeyEntry& key : token->keys) {
      const Unsealed unsealed = worker->unseal(key, push.encrypt, plaintext);
      if (unsealed.failure == Errc{}) {
        const std::string_view owner = std::string_view(plaintext).substr(unsealed.message_size);
        for (const Identity& identity : key.identities) {
          if (identity.owner_key != owner) continue;
          plaintext.resize(unsealed.message_size);
          if (opener.get() != &identity) opener = std::shared_ptr<const Identity>(worker->keyring(), &identity);
          return {};
        }
        sealed_owner = mask(owner);
        wipe(plaintext);
      }
      // Where several keys were tried, the one that came furthest is the interesting one; Errc counts in checking
      // order.
      failure = std::max(failure, unsealed.failure == Errc{} ? Errc::owner_mismatch : unsealed.failure);
    }
    return explain(failure, sealed_owner);
  }

  void refresh(Worker& worker) {
    if (worker.keyring() != nullptr && worker.generation() == generation_.load(std::memory_order_acquire)) return;
    const std::lock_guard<std::mutex> lock(fork_gate());
    worker.use(keyring_, generation_.load(std::memory_order_relaxed));
  }

  Result<void> find_token(Worker& worker, const Push& push, const TokenEntry*& found) const {
    if (push.timestamp.empty()) {
      return fail(Errc::timestamp_missing,
                  "error 900002: the push has no timestamp; pass the query parameter \"timestamp\"");
    }
    if (push.nonce.empty()) {
      return fail(Errc::nonce_missing, "error 900003: the push has no nonce; pass the query parameter \"nonce\"");
    }
    std::size_t left = options_.max_input_size;
    for (const std::string_view text : {push.signature, push.timestamp, push.nonce, push.encrypt}) {
      if (text.size() > left) {
        return fail(Errc::input_too_large, "the push has more than max_input_size bytes (" +
                                               std::to_string(options_.max_input_size) +
                                               "); raise EncryptorOptions::max_input_size if such pushes are expected");
      }
      left -= text.size();
    }
    if (!is_printable(push.timestamp) || !is_printable(push.nonce)) return mismatch();
    for (const TokenEntry& token : worker.keyring()->tokens()) {
      HexDigest signature;
      if (!worker.signer.sign(token.token, push.timestamp, push.nonce, push.encrypt, signature))
        return signing_failed();
      if (constant_time_equal(view(signature), push.signature)) {
        found = &token;
        return check_window(push.timestamp);
      }
    }
    return mismatch();
  }

  static Error mismatch() noexcept {
    return fail(
        Errc::signature_mismatch,
        "error 900005: the signature fits the token of no credential; check that the token is the one of the "
        "developer console and that signature, timestamp, nonce and encrypt arrive unchanged (diagnose() tells more)");
  }

  Result<void> check_window(std::string_view timestamp) const {
    const std::int64_t window = options_.replay_window.count();
    if (window <= 0) return {};
    std::int64_t sent = 0;
    const bool digits = std::all_of(timestamp.begin(), timestamp.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || (timestamp.size() != 10 && timestamp.size() != 13)) {
      return fail(
          Errc::timestamp_malformed,
          "the timestamp has not exactly 10 or 13 digits; with a replay window the query parameter \"timestamp\" "
          "must be seconds or milliseconds since 1970");
    }
    for (const char c : timestamp) sent = sent * 10 + (c - '0');
    if (timestamp.size() == 10) sent *= 1000;
    const std::int64_t age = now() - sent;
    if (age > window || age < -window) {
      return fail(Errc::timestamp_outside_window,
                  "the timestamp lies " + std::to_string(age < 0 ? -age : age) + " ms in the " +
                      (age < 0 ? "future" : "past") + ", the replay window allows " + std::to_string(window) +
                      " ms; check this machine's clock, or widen EncryptorOptions::replay_window");
    }
    return {};
  }

  // Within what 13 digits can say, whatever the clock says.
  std::int64_t now() const noexcept {
    using std::chrono::system_clock;
    const std::int64_t unix_ms =
        options_.clock != nullptr
            ? options_.clock->unix_ms()
            : std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
    return std::clamp<std::int64_t>(unix_ms, 0, 9999999999999);
  }

  void write_timestamp(char* out) const {
    std::int64_t left = now();
    for (std::size_t i = kTimestampSize; i-- > 0; left /= 10) out[i] = static_cast<char>('0' + left % 10);
  }

  static Error no_worker() noexcept {
    return fail(Errc::signature_failed, "error 900006: OpenSSL could not make a digest context; is memory exhausted?");
  }

  static Error signing_failed() noexcept {
    return fail(Errc::signature_failed, "error 900006: OpenSSL could not compute SHA-1");
  }

  static Error explain(Errc failure, const std::string& sealed_owner) {
    switch (failure) {
      case Errc::ciphertext_empty:
        return fail(failure, "error 900008: encrypt is empty; pass the field \"encrypt\" of the JSON body");
      case Errc::base64_malformed:
        return fail(failure,
                    "error 900008: encrypt is no strict base64; pass the field \"encrypt\" of the JSON body, neither "
                    "re-encoded nor cut");
      case Errc::ciphertext_not_block_multiple:
        return fail(failure, "error 900008: the ciphertext is no multiple of 16 bytes; encrypt seems to be cut");
      case Errc::decryption_failed:
        return fail(failure, "error 900008: OpenSSL could not decrypt; is memory exhausted?");
      case Errc::padding:
        return fail(failure,
                    "error 900008: the padding is wrong; most likely aes_key is not the EncodingAESKey of this app");
      case Errc::too_short:
        return fail(failure,
                    "error 900009: the decrypted message is too short for its header; most likely aes_key is not "
                    "the EncodingAESKey of this app");
      case Errc::length_field:
        return fail(failure,
                    "error 900009: the message length points beyond the end; most likely aes_key is not the "
                    "EncodingAESKey of this app");
      default:
        return fail(Errc::owner_mismatch,
                    "error 900010: the push is sealed with the owner key " + sealed_owner +
                        ", which is none of the credential's owner_keys; add it there if it is yours "
                        "(AppKey, CorpId or SuiteKey of this app)");
    }
  }

  const EncryptorOptions options_;
  const Algorithms algorithms_;
  std::shared_ptr<const Keyring> keyring_;
  std::atomic<std::uint64_t> generation_{0};
  WorkerPool workers_;  // last: its workers refer to the algorithms
};

}  // namespace detail
DINGCB_NAMESPACE_END
