// Events as they are pushed: from the samples of the catalogue, with fields of one's own.
#pragma once

#include "catalogue.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace command {

/// What becomes the plaintext of a push.
struct Draft {
  std::string name;  ///< The event's type, or the name of a file.
  std::string mode;  ///< http or sync-http.
  std::string plaintext;
  std::vector<std::string> expected{"success"};  ///< What the reply may decrypt to.
  double deadline_ms = 2500;
};

constexpr double kHttpDeadline = 2500;      // of the HTTP guide
constexpr double kSyncHttpDeadline = 1200;  // of the page on SyncHTTP

/// `path=value`, as --set gives it.
struct Assignment {
  std::string path;
  std::string value;
};
Assignment assignment_of(const std::string& text);

/// Makes an event with an id and a time of its own, so that it is the repetition of no other.
/// @param mode http, sync-http, or auto: as DingTalk sends it, by HTTP where both are possible.
/// @throws Failure where the event has no such field, or does not come in this mode.
Draft draft_of(const EventFacts& event, const std::string& mode, const std::vector<Assignment>& assignments);

/// Takes a plaintext as it is.
Draft draft_of_text(const std::string& name, const std::string& plaintext);

/// Puts the rows of several SyncHTTP drafts into one.
Draft batch_of(const std::vector<Draft>& drafts);

}  // namespace command
