// Bodies of encryptor.hpp.
#pragma once

#include <dingcb/encryptor.hpp>
#include <dingcb/impl/diagnosis.ipp>
#include <dingcb/impl/engine.ipp>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// For layers above that need no Opened and no Reply.
struct EngineOf {
  static const std::shared_ptr<Engine>& get(const Encryptor& encryptor) noexcept { return encryptor.engine_; }
};

}  // namespace detail

DINGCB_INLINE std::string Reply::to_json() const {
  std::string json;
  append_json(json);
  return json;
}

DINGCB_INLINE void Reply::append_json(std::string& out) const {
  const std::string_view parts[] = {msg_signature, timestamp, nonce, encrypt};
  std::size_t size = out.size() + detail::kReplyEnd.size();
  for (std::size_t i = 0; i < 4; ++i) size += detail::kReplyKeys[i].size() + parts[i].size();
  out.reserve(size);
  for (std::size_t i = 0; i < 4; ++i) out.append(detail::kReplyKeys[i]).append(parts[i]);
  out.append(detail::kReplyEnd);
}

DINGCB_INLINE Encryptor::Encryptor(std::shared_ptr<detail::Engine> engine) noexcept : engine_(std::move(engine)) {}

DINGCB_INLINE Result<Encryptor> Encryptor::create(Credential credential, Options options) {
  std::vector<Credential> credentials(1, credential);  // braces would make, and not wipe, one copy more
  detail::wipe(credential);  // copied, not moved: a moved-from short string keeps its characters
  return create(std::move(credentials), std::move(options));
}

DINGCB_INLINE Result<Encryptor> Encryptor::create(std::vector<Credential> credentials, Options options) {
  const detail::WipeAtExit wiper(credentials);
  auto engine = detail::Engine::make(credentials, std::move(options));
  if (!engine) return std::move(engine).error();
  return Encryptor(*std::move(engine));
}

DINGCB_INLINE Result<void> Encryptor::replace(std::vector<Credential> credentials) {
  const detail::WipeAtExit wiper(credentials);
  return engine_->replace(credentials);
}

DINGCB_INLINE Result<void> Encryptor::verify(const Push& push) const { return engine_->verify(push); }

DINGCB_INLINE Result<Opened> Encryptor::decrypt(const Push& push) const {
  Opened opened;
  auto done = decrypt(push, opened);
  if (!done) return std::move(done).error();
  return opened;
}

DINGCB_INLINE Result<void> Encryptor::decrypt(const Push& push, Opened& into) const {
  return engine_->decrypt(push, into);
}

DINGCB_INLINE Result<Reply> Encryptor::encrypt_reply(std::string_view plaintext, const Opened& opened) const {
  Reply reply;
  auto done = encrypt_reply(plaintext, opened, reply);
  if (!done) return std::move(done).error();
  return reply;
}

DINGCB_INLINE Result<void> Encryptor::encrypt_reply(std::string_view plaintext, const Opened& opened,
                                                    Reply& into) const {
  return engine_->encrypt_reply(plaintext, opened, into);
}

DINGCB_INLINE Diagnosis Encryptor::diagnose(const Push& push) const { return engine_->diagnose(push); }

DINGCB_NAMESPACE_END
