// Encryptor::diagnose(): finds out which input is wrong by proof. The signature depends on the token but on no key, the
// sealed owner key is readable once the AES key is right, and a change of a text is found by undoing it until the
// signature fits.
#pragma once

#include <dingcb/impl/diagnosis_repairs.ipp>
#include <dingcb/impl/diagnosis_shapes.ipp>
#include <dingcb/impl/diagnosis_texts.ipp>
#include <dingcb/impl/engine.ipp>

#include <array>
#include <cstdint>
#include <functional>

DINGCB_NAMESPACE_BEGIN
namespace detail::diagnosis {

/// What is known about the receiver besides its credentials.
struct Limits {
  std::size_t max_input_size;
  std::int64_t replay_window;  // ms; zero or less: off
  std::int64_t now;            // ms since 1970
};

/// One diagnosis of one push.
class Diagnostician {
 public:
  Diagnostician(Worker& worker, const Limits& limits, const Push& push)
      : worker_(worker), limits_(limits), texts_{push.signature, push.timestamp, push.nonce, push.encrypt} {}
  Diagnostician(const Diagnostician&) = delete;
  Diagnostician& operator=(const Diagnostician&) = delete;
  ~Diagnostician() { wipe(scratch_); }

  Diagnosis run() {
    std::size_t size = 0;
    for (const std::string_view text : texts_) size += text.size();
    if (size > limits_.max_input_size) {
      return say("input_too_large",
                 {{"size", std::to_string(size)}, {"limit", std::to_string(limits_.max_input_size)}});
    }
    if (texts_[kSignature].empty()) return say("signature_missing");
    if (texts_[kTimestamp].empty()) return say("timestamp_missing");
    if (texts_[kNonce].empty()) return say("nonce_missing");
    if (shape_of(texts_[kEncrypt]) == Shape::empty) return say("encrypt_missing");
    effort_ = std::max(kWork, 64 * size);

    const TokenEntry* const token = signer_of(texts_);
    Diagnosis found = token != nullptr ? behind(*token) : without_token();
    return failed_ ? say("openssl_failed") : found;
  }

 private:
  using Texts = std::array<std::string_view, 4>;
  using Test = std::function<bool(const Texts&)>;

  /// What an AES key made of the ciphertext.
  struct Trial {
    const KeyEntry* key = nullptr;       // null: none opened it
    const Identity* identity = nullptr;  // the owner key is configured with this AES key
    std::string owner;
  };

  /// A repair that was made, and the inputs it changed.
  struct Step {
    std::string_view cause;
    unsigned fields;
    const Identity* identity = nullptr;  // whose token it is, where that was changed
  };

  // Bytes that one way of searching may hash, decrypt or repair: 0.1 s or so. Small pushes never come near it.
  static constexpr std::size_t kWork = std::size_t{128} * 1024 * 1024;
  static constexpr int kTrials = 64;  // AES keys that are tried whatever the size
  static constexpr std::size_t kLongestOwner = 256;
  static constexpr Field kPushFields[] = {kSignature, kTimestamp, kNonce, kEncrypt};

  const std::vector<TokenEntry>& tokens() const noexcept { return worker_.keyring()->tokens(); }

  // The signature fits a token.

  Diagnosis behind(const TokenEntry& token) {
    Trial best;
    for (const KeyEntry& key : token.keys) {
      Trial trial = open(key, texts_[kEncrypt]);
      if (trial.identity != nullptr) return judge_time(*trial.identity);
      if (trial.key != nullptr) best = std::move(trial);
    }
    if (best.key != nullptr) return judge_owner(best);

    const Identity& signer = token.keys.front().identities.front();
    if (const Shape shape = shape_of(texts_[kEncrypt]); shape != Shape::good) {
      for (const Field field : {kNonce, kTimestamp}) {
        if (texts_[field].size() > 40 && shape_of(texts_[field]) == Shape::good) {
          return say("encrypt_swapped", {{"field", name_of(field)}});
        }
      }
      return judge_shape(shape);
    }
    const Trial other = open_with_any(texts_[kEncrypt], &token);
    if (other.key == nullptr) return say("aes_key_wrong", {{"credential", name(signer)}});
    const Identity& opener = other.identity != nullptr ? *other.identity : other.key->identities.front();
    const bool owner_of_signer = std::any_of(token.keys.begin(), token.keys.end(), [&other](const KeyEntry& key) {
      return owns(key.identities, other.owner);
    });
    return say(
        other.identity != nullptr && !owner_of_signer ? "token_of_other_credential" : "aes_key_of_other_credential",
        {{"credential", name(signer)}, {"other", name(opener)}});
  }

  Diagnosis judge_time(const Identity& identity) const {
    const std::string_view timestamp = texts_[kTimestamp];
    if (limits_.replay_window > 0) {
      if (!is_unix_time(timestamp)) {
        return say(is_unix_time(texts_[kNonce]) ? "timestamp_nonce_swapped" : "timestamp_malformed");
      }
      std::int64_t sent = 0;
      for (const char c : timestamp) sent = sent * 10 + (c - '0');
      if (timestamp.size() == 10) sent *= 1000;
      const std::int64_t age = limits_.now - sent;
      if (age > limits_.replay_window || age < -limits_.replay_window) {
        return say(age > 0 ? "timestamp_too_old" : "timestamp_in_future",
                   {{"distance", seconds(age > 0 ? age : -age)}, {"window", seconds(limits_.replay_window)}});
      }
    }
    return say("none", {{"credential", name(identity)}});
  }

  // Tenths, so that a window of less than a second does not read as none.
  static std::string seconds(std::int64_t ms) {
    std::string text = std::to_string(ms / 1000);
    return ms % 1000 < 100 ? text : text + '.' + std::to_string(ms % 1000 / 100);
  }

  // The key is right, its identities do not have the sealed owner key.
  Diagnosis judge_owner(const Trial& trial) const {
    const std::string& owner = trial.owner;
    const std::vector<Identity>& configured = trial.key->identities;
    const auto tell = [&](std::string_view cause, const std::string& instead) {
      return say(cause, {{"sealed", show(owner)},
                         {"kind", describe(kind_of(owner))},
                         {"configured", instead},
                         {"credential", name(configured.front())}});
    };
    if (owner.empty()) return tell("owner_key_empty", "");
    for (const TokenEntry& token : tokens()) {
      for (const KeyEntry& key : token.keys) {
        for (const Identity& identity : key.identities) {
          if (identity.owner_key != owner) continue;
          return say("owner_key_of_other_credential",
                     {{"sealed", show(owner)}, {"credential", name(configured.front())}, {"other", name(identity)}});
        }
      }
    }
    for (const Identity& identity : configured) {
      if (same_but_case(trim(identity.owner_key), trim(owner))) {
        return tell("owner_key_case_or_space", mask(identity.owner_key));
      }
      if (is_typo(identity.owner_key, owner)) return tell("owner_key_typo", mask(identity.owner_key));
    }
    const OwnerKind kind = kind_of(owner);
    const bool same_kind = std::any_of(configured.begin(), configured.end(), [kind](const Identity& identity) {
      return kind_of(identity.owner_key) == kind;
    });
    std::string_view cause = "owner_key_unknown";  // another app's, where it is of the configured kind
    if (kind == OwnerKind::preset) {
      cause = "owner_key_preset";
    } else if (!same_kind && kind == OwnerKind::app_key) {
      cause = "owner_key_is_app_key";
    } else if (!same_kind && kind == OwnerKind::corp_id) {
      cause = "owner_key_is_corp_id";
    } else if (!same_kind && kind == OwnerKind::suite_key) {
      cause = "owner_key_is_suite_key";
    }
    return say(cause, {{"sealed", show(owner)}, {"kind", describe(kind)}, {"configured", list(configured)}});
  }

  // No token gives the signature.

  Diagnosis without_token() {
    for (const Field field : {kTimestamp, kNonce, kEncrypt}) {
      Texts swapped = texts_;
      std::swap(swapped[kSignature], swapped[field]);
      if (signer_of(swapped) != nullptr) return say("signature_swapped", {{"field", name_of(field)}});
    }
    const Test fits = [this](const Texts& texts) { return afford_signatures(texts) && signer_of(texts) != nullptr; };
    if (find_repair(fits)) return tell(steps_);
    if (tokens_differ() || timestamp_was_cut()) return tell(steps_);
    return by_ciphertext();
  }

  bool find_repair(const Test& test) {
    for (const int depth : {1, 2}) {
      renew_effort();
      if (search(texts_, depth, test)) return true;
    }
    return false;
  }

  /// Undoes `depth` changes, until the test likes the texts; steps_ then tells how.
  bool search(const Texts& texts, int depth, const Test& test) {
    for (const Repair& repair : kRepairs) {
      unsigned changed = 0;
      std::array<std::string, 4> repaired;
      for (const Field field : kPushFields) {
        if ((repair.fields & only(field)) == 0) continue;
        if (!spend(texts[field].size())) return false;
        repaired[field] = repair.undo(texts[field], field);
        if (repaired[field] != texts[field]) changed |= only(field);
      }
      const bool several = (changed & (changed - 1)) != 0;
      // Each changed input alone, then all of them: one careless read spoils all.
      for (const unsigned chosen : {changed & only(kSignature), changed & only(kTimestamp), changed & only(kNonce),
                                    changed & only(kEncrypt), several ? changed : 0}) {
        if (chosen == 0) continue;
        Texts next = texts;
        for (const Field field : kPushFields) {
          if ((chosen & only(field)) != 0) next[field] = repaired[field];
        }
        if (depth > 1 ? !search(next, depth - 1, test) : !test(next)) continue;
        steps_.insert(steps_.begin(), {repair.cause, chosen});
        return true;
      }
    }
    return false;
  }

  /// Looks for the token in the configured ones, repaired, and in the owner keys.
  bool tokens_differ() {
    renew_effort();
    for (const TokenEntry& entry : tokens()) {
      std::string text(std::string_view(entry.token));
      bool found = false;
      for (int round = 0; round < 2 && !found; ++round) {  // a space inside of quotes comes to light late
        for (const Repair& repair : kRepairs) {
          if (found || (repair.fields & only(kToken)) == 0) continue;
          std::string repaired = repair.undo(text, kToken);
          const bool changed = repaired != text;
          text.swap(repaired);
          wipe(repaired);
          if (!changed) continue;
          steps_.push_back({repair.cause, only(kToken), &entry.keys.front().identities.front()});
          found = afford_signatures(texts_) && signs(text, texts_);
        }
      }
      wipe(text);
      if (found) return true;
      steps_.clear();
      for (const KeyEntry& key : entry.keys) {
        for (const Identity& identity : key.identities) {
          if (!afford_signatures(texts_) || !signs(identity.owner_key, texts_)) continue;
          steps_ = {{"token_among_owner_keys", only(kToken), &identity}};
          return true;
        }
      }
    }
    return false;
  }

  /// Tries all milliseconds of the second that is left of a timestamp.
  bool timestamp_was_cut() {
    renew_effort();
    const std::string_view timestamp = texts_[kTimestamp];
    if (!is_unix_time(timestamp) || (timestamp.size() == 13 && timestamp.substr(10) != "000")) return false;
    for (int ms = 1000; ms < 2000 && afford_signatures(texts_); ++ms) {
      const std::string whole = std::string(timestamp.substr(0, 10)).append(std::to_string(ms), 1, 3);
      Texts texts = texts_;
      texts[kTimestamp] = whole;
      if (signer_of(texts) == nullptr) continue;
      steps_ = {{"milliseconds_became_seconds", only(kTimestamp)}};
      return true;
    }
    return false;
  }

  Diagnosis by_ciphertext() {
    std::string encrypt(texts_[kEncrypt]);
    const Shape shape = shape_of(encrypt);
    const Test well_formed = [&encrypt](const Texts& texts) {
      if (shape_of(texts[kEncrypt]) != Shape::good) return false;
      encrypt = texts[kEncrypt];
      return true;
    };
    const bool repaired = shape != Shape::good && find_repair(well_formed);
    if (!is_hex_digest(texts_[kSignature])) {
      const Diagnosis first = say("signature_malformed");
      return shape == Shape::good ? first : join(first, repaired ? tell(steps_) : judge_shape(shape));
    }
    if (shape != Shape::good && !repaired) return judge_shape(shape);
    const Diagnosis token = judge_token(open_with_any(encrypt, nullptr));
    return repaired ? join(tell(steps_), token) : token;
  }

  Diagnosis judge_shape(Shape shape) const {
    const std::string_view encrypt = texts_[kEncrypt];
    if (shape == Shape::cut) return say("encrypt_truncated");
    if (!starts_with(trim(encrypt), "{")) return say("encrypt_not_base64");
    if (json_member(encrypt, kEncrypt) != encrypt) return tell({{"whole_json_body", only(kEncrypt)}});
    return say(encrypt.find("\"encrypt\"") == std::string_view::npos ? "encrypt_is_json" : "encrypt_truncated");
  }

  Diagnosis judge_token(const Trial& trial) const {
    if (trial.key == nullptr) return say("other_app");
    if (trial.identity == nullptr) {
      return say("token_and_owner_key_wrong", {{"credential", name(trial.key->identities.front())},
                                               {"sealed", show(trial.owner)},
                                               {"kind", describe(kind_of(trial.owner))},
                                               {"configured", list(trial.key->identities)}});
    }
    const std::string_view token = trial.identity->token->token;
    std::string_view cause = "token_wrong";
    if (!is_unix_time(texts_[kTimestamp])) {
      cause = "timestamp_unusual";
    } else if (!all_alphanumeric(texts_[kNonce])) {
      cause = "nonce_unusual";
    } else if (token.size() == 43 && all_alphanumeric(token)) {
      cause = "token_is_aes_key";
    } else if (kind_of(token) != OwnerKind::other || owns(trial.key->identities, token)) {
      cause = "token_is_owner_key";
    }
    return say(cause, {{"credential", name(*trial.identity)}});
  }

  // Trying.

  void renew_effort() noexcept { effort_left_ = effort_; }

  bool spend(std::size_t size) noexcept {
    const std::size_t cost = size + 256;  // a call costs something, too
    const bool enough = cost <= effort_left_;
    effort_left_ = enough ? effort_left_ - cost : 0;
    return enough;
  }

  // A signature that is no digest is never computed, so it costs nothing.
  bool afford_signatures(const Texts& texts) noexcept {
    return !is_hex_digest(texts[kSignature]) ||
           spend((texts[kTimestamp].size() + texts[kNonce].size() + texts[kEncrypt].size() + 256) * tokens().size());
  }

  const TokenEntry* signer_of(const Texts& texts) {
    for (const TokenEntry& token : tokens()) {
      if (signs(token.token, texts)) return &token;
    }
    return nullptr;
  }

  bool signs(std::string_view token, const Texts& texts) {
    if (!is_hex_digest(texts[kSignature]) || !is_printable(texts[kTimestamp]) || !is_printable(texts[kNonce]))
      return false;
    HexDigest digest;
    if (!worker_.signer.sign(token, texts[kTimestamp], texts[kNonce], texts[kEncrypt], digest)) failed_ = true;
    return !failed_ && constant_time_equal(view(digest), texts[kSignature]);
  }

  Trial open(const KeyEntry& key, std::string_view encrypt) {
    Trial trial;
    const Unsealed unsealed = worker_.unseal(key, encrypt, scratch_);
    if (unsealed.failure == Errc{}) {
      const std::string_view owner = std::string_view(scratch_).substr(unsealed.message_size);
      trial.key = &key;
      for (const Identity& identity : key.identities) {
        if (identity.owner_key == owner) trial.identity = &identity;
      }
      trial.owner = owner.substr(0, kLongestOwner);
    }
    failed_ = failed_ || unsealed.failure == Errc::decryption_failed;
    wipe(scratch_);
    return trial;
  }

  /// Tries the keys of all tokens but one; best is a key whose owner keys have the sealed one.
  Trial open_with_any(std::string_view encrypt, const TokenEntry* except) {
    renew_effort();
    Trial best;
    int trials = 0;
    for (const TokenEntry& token : tokens()) {
      if (&token == except) continue;
      for (const KeyEntry& key : token.keys) {
        if (++trials > kTrials && !spend(encrypt.size())) return best;
        Trial trial = open(key, encrypt);
        if (trial.identity != nullptr) return trial;
        // Padding and length field of a wrong key fit once in a million times; a readable owner key behind them never.
        const bool readable =
            std::all_of(trial.owner.begin(), trial.owner.end(), [](char c) { return c >= ' ' && c <= '~'; });
        if (trial.key != nullptr && readable) best = std::move(trial);
      }
    }
    return best;
  }

  // Telling.

  Diagnosis tell(const std::vector<Step>& steps) const {
    Diagnosis told;
    for (const Step& step : steps) {
      Phrase fields("");
      for (const Field field : kPushFields) {
        if ((step.fields & only(field)) == 0) continue;
        fields.en.append(fields.en.empty() ? "" : ", ").append(name_of(field));
        fields.zh.append(fields.zh.empty() ? "" : "、").append(name_of(field));
      }
      Phrase credential("");
      if (step.identity != nullptr) {
        credential = name(*step.identity);
        fields = {"the token of " + credential.en, credential.zh + "的 token"};
      }
      Diagnosis found = say(step.cause, {{"field", fields}, {"credential", credential}});
      found.suspect = suspect_of(step.fields);
      told = &step == steps.data() ? std::move(found) : join(std::move(told), found);
    }
    return told;
  }

  Phrase name(const Identity& identity) const {
    if (identity.label.empty()) return {"the credential", "该凭据"};
    const std::string label = holds_secret(identity.label) ? mask(identity.label) : identity.label;
    return {"credential \"" + label + '"', "凭据“" + label + "”"};
  }

  // Somebody may name a credential after its AppKey.
  bool holds_secret(std::string_view label) const noexcept {
    const auto holds = [label](std::string_view text) { return label.find(text) != std::string_view::npos; };
    return std::any_of(tokens().begin(), tokens().end(), [&holds](const TokenEntry& token) {
      return holds(token.token) || std::any_of(token.keys.begin(), token.keys.end(), [&holds](const KeyEntry& key) {
               return std::any_of(key.identities.begin(), key.identities.end(),
                                  [&holds](const Identity& identity) { return holds(identity.owner_key); });
             });
    });
  }

  Worker& worker_;
  const Limits limits_;
  const Texts texts_;
  std::size_t effort_ = 0;
  std::size_t effort_left_ = 0;
  std::vector<Step> steps_;
  std::string scratch_;  // plaintext, for the time of a trial
  bool failed_ = false;  // OpenSSL
};

}  // namespace detail::diagnosis

DINGCB_INLINE Diagnosis detail::Engine::diagnose(const Push& push) {
  const Lease worker(*this);
  if (!worker) return diagnosis::say("openssl_failed");
  const diagnosis::Limits limits{options_.max_input_size, options_.replay_window.count(),
                                 std::max<std::int64_t>(now(), 0)};
  return diagnosis::Diagnostician(*worker, limits, push).run();
}

DINGCB_NAMESPACE_END
