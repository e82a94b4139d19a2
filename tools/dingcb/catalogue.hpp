// The catalogue of events, for people: what the library keeps for itself or as comments.
#pragma once

#include "json.hpp"

#include <dingcb/testkit.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace command {

/// A part of a family's JSON text; the texts of one family belong together. Ends with an empty family.
struct CataloguePiece {
  const char* family;
  const char* text;
};
extern const CataloguePiece kCataloguePieces[];

/// A field, those inside it following with their whole path: `roles[].id`.
struct FieldFacts {
  std::string path;
  std::string type;
  std::string description;
  bool optional = false;
};

struct EventFacts {
  std::string type;
  std::string title_en;
  std::string title_zh;
  std::string family;
  std::string family_en;
  std::string family_zh;
  std::vector<std::string> apps;
  std::vector<std::string> delivery;
  std::optional<std::int64_t> biz_type;
  bool high = true;  ///< Rows come with SYNC_HTTP_PUSH_HIGH.
  bool deprecated = false;
  std::vector<std::string> pages;
  std::vector<std::string> notes;
  std::vector<FieldFacts> fields;

  bool is_url_check() const noexcept { return family == "callback_check"; }
};

/// All events, sorted by type.
const std::vector<EventFacts>& catalogue();
/// Null where there is none.
const EventFacts* find_event(std::string_view type);
/// The event of a type that somebody typed. @throws Failure that suggests another one.
const EventFacts& event_of(const std::string& type);

/// Finds a pattern with `*` and `?` in the types, or any other text in types, titles and families, in either case.
std::vector<const EventFacts*> matching(const std::string& pattern);

/// An official sample as the plaintext of an HTTP push; a minimal one where there is no sample.
std::string http_plaintext(const EventFacts& event);

}  // namespace command
