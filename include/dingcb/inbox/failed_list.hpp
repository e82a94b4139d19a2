// From DingTalk's list of failed pushes into an Inbox.
#pragma once

#include <dingcb/inbox.hpp>

#include <string>

DINGCB_NAMESPACE_BEGIN

/// What became of an answer of the failed-push API.
struct FailedListPut {
  PutCount count;
  bool has_more = false;  ///< More entries wait: call the API again.
};

/// Stores the events of an answer of `call_back/get_call_back_failed_result`, which you have fetched: all or none. It
/// leaves out what the inbox has already, be it from another such list or from a push whose answer DingTalk did not
/// take; see StoredEvent::twin_key for how far that can be told.
///
/// The next call of the API drops what the last one returned: make it when this has succeeded, and until then try again
/// with the same answer.
/// @param answer the whole body of the answer, at most 200 entries.
/// @error those of parse_failed_list() and Inbox::put().
DINGCB_API Result<FailedListPut> put_failed_list(Inbox& inbox, std::string answer);

DINGCB_NAMESPACE_END

#if !defined(DINGCB_COMPILED)
#include <dingcb/impl/inbox/failed_list.ipp>
#endif
