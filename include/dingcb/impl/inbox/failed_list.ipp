// Bodies of inbox/failed_list.hpp.
#pragma once

#include <dingcb/impl/inbox.ipp>
#include <dingcb/inbox/failed_list.hpp>

#include <utility>

DINGCB_NAMESPACE_BEGIN

DINGCB_INLINE Result<FailedListPut> put_failed_list(Inbox& inbox, std::string answer) {
  const Result<FailedList> list = parse_failed_list(std::move(answer));
  if (!list) return list.error();
  const Result<PutCount> count = put_events(inbox, list->events);
  if (!count) return count.error();
  return FailedListPut{*count, list->has_more};
}

DINGCB_NAMESPACE_END
