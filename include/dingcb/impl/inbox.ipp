// Bodies of inbox.hpp.
#pragma once

#include <dingcb/impl/crew.ipp>
#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/stored_event.ipp>
#include <dingcb/inbox.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN

DINGCB_INLINE Result<PutCount> put_events(Inbox& inbox, const std::vector<Event>& events) {
  std::vector<StoredEvent> stored;
  stored.reserve(events.size());
  for (const Event& event : events) stored.push_back(StoredEvent::of(event));
  return detail::ask([&] { return inbox.put(stored); });
}

DINGCB_INLINE std::string suite_ticket_key(std::string_view suite) {
  std::string key = "suite_ticket/";
  key += suite;
  return key;
}

namespace detail {
DINGCB_INLINE Error unsupported() noexcept {
  return fail(Errc::inbox_unsupported, "this kind of inbox cannot do that");
}
DINGCB_INLINE std::shared_ptr<Bell> make_bell() { return std::make_shared<Bell>(); }
}  // namespace detail

DINGCB_INLINE void Inbox::arrived() noexcept { bell_->ring(); }

DINGCB_INLINE void Inbox::put_now(std::vector<StoredEvent>&& events, PutDone&& done) {
  done(detail::ask([&] { return put(events); }));
}

DINGCB_INLINE Worker::Worker(std::shared_ptr<Inbox> inbox, Dispatcher dispatcher, Options options)
    : crew_(std::make_shared<detail::Crew>(std::move(inbox), std::move(dispatcher), std::move(options))) {
  crew_->start();
}
DINGCB_INLINE Worker::~Worker() { crew_->stop(); }
DINGCB_INLINE void Worker::pause() noexcept { crew_->set_paused(true); }
DINGCB_INLINE void Worker::resume() noexcept { crew_->set_paused(false); }
DINGCB_INLINE bool Worker::drain(Milliseconds timeout) { return crew_->drain(timeout); }
DINGCB_INLINE void Worker::stop() noexcept { crew_->stop(); }
DINGCB_INLINE WorkerStats Worker::stats() const noexcept { return crew_->stats(); }

DINGCB_NAMESPACE_END
