// Bodies of inbox/failed_list.hpp.
#pragma once

#include <dingcb/impl/inbox.ipp>
#include <dingcb/inbox/failed_list.hpp>

#include <utility>
#include <vector>

DINGCB_NAMESPACE_BEGIN

DINGCB_INLINE Result<FailedListPut> put_failed_list(Inbox& inbox, std::string answer) {
  const Result<FailedList> list = parse_failed_list(std::move(answer));
  if (!list) return list.error();
  std::vector<StoredEvent> events;
  events.reserve(list->events.size());
  for (const Event& event : list->events) events.push_back(StoredEvent::of(event));
  const Result<PutCount> count = detail::ask([&] { return inbox.put(events); });
  if (!count) return count.error();
  return FailedListPut{*count, list->has_more};
}

DINGCB_NAMESPACE_END
