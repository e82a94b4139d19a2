#include "catalogue.hpp"

#include "command.hpp"

#include <algorithm>
#include <map>

namespace command {

namespace {

std::vector<std::string> texts_in(const JsonValue& object, const char* key) {
  std::vector<std::string> texts;
  if (const JsonValue* const list = member_of(object, key); list != nullptr && list->IsArray()) {
    for (const auto& one : list->GetArray()) texts.emplace_back(one.GetString(), one.GetStringLength());
  }
  return texts;
}

bool is_true(const JsonValue& object, const char* key) {
  const JsonValue* const value = member_of(object, key);
  return value != nullptr && value->IsTrue();
}

/// The fields inside a field: its own, or those of the shared struct that it names.
const JsonValue* fields_inside(const JsonValue& field, const JsonValue& family) {
  if (const JsonValue* const own = member_of(field, "fields")) return own;
  const std::string_view name = text_in(field, "struct");
  const JsonValue* const structs = member_of(family, "structs");
  if (name.empty() || structs == nullptr) return nullptr;
  for (const auto& one : structs->GetArray()) {
    if (text_in(one, "name") == name) return member_of(one, "fields");
  }
  return nullptr;
}

std::string described(const JsonValue& field) {
  std::string text(text_in(field, "description"));
  if (const JsonValue* const values = member_of(field, "enum")) {
    std::string list;
    for (const auto& one : values->GetObject()) list += (list.empty() ? "" : ", ") + std::string(one.name.GetString());
    text += "; one of " + list;
  }
  return text;
}

void add_fields(const JsonValue& fields, const JsonValue& family, const std::string& prefix,
                std::vector<FieldFacts>& into) {
  for (const auto& field : fields.GetArray()) {
    FieldFacts facts;
    facts.path = prefix + std::string(text_in(field, "key"));
    facts.type = text_in(field, "type");
    facts.description = described(field);
    facts.optional = is_true(field, "optional");
    const std::string inside = facts.path + (facts.type.find("array") != std::string::npos ? "[]." : ".");
    into.push_back(std::move(facts));
    const JsonValue* const more = fields_inside(field, family);
    // A department holds departments: one level tells enough.
    const bool too_deep = std::count(prefix.begin(), prefix.end(), '.') > 4;
    if (more != nullptr && !too_deep) add_fields(*more, family, inside, into);
  }
}

EventFacts facts_of(const JsonValue& event, const JsonValue& family, const std::string& name) {
  EventFacts facts;
  facts.type = text_in(event, "type");
  facts.title_en = text_in(event, "title_en");
  facts.title_zh = text_in(event, "title_zh");
  facts.family = name;
  facts.family_en = text_in(family, "title_en");
  facts.family_zh = text_in(family, "title_zh");
  facts.apps = texts_in(event, "apps");
  facts.delivery = texts_in(event, "delivery");
  facts.pages = texts_in(event, "pages");
  facts.notes = texts_in(event, "notes");
  facts.deprecated = is_true(event, "deprecated") || is_true(event, "legacy");
  if (const JsonValue* const sync = member_of(event, "sync")) {
    facts.biz_type = (*sync)["biz_type"].GetInt64();
    facts.high = text_in(*sync, "priority") != "medium";
  }
  add_fields(event["fields"], family, {}, facts.fields);
  return facts;
}

std::vector<EventFacts> load() {
  std::map<std::string, std::string> families;
  for (const CataloguePiece* piece = kCataloguePieces; *piece->family != '\0'; ++piece) {
    families[piece->family] += piece->text;
  }
  std::vector<EventFacts> events;
  for (const auto& [name, text] : families) {
    const JsonDocument family = parse_json(text);
    if (family.HasParseError()) throw Failure(kInternal, "the catalogue of " + name + " is damaged");
    for (const auto& event : family["events"].GetArray()) events.push_back(facts_of(event, family, name));
  }
  std::sort(events.begin(), events.end(), [](const EventFacts& a, const EventFacts& b) { return a.type < b.type; });
  return events;
}

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    return matches(pattern.substr(1), text) || (!text.empty() && matches(pattern, text.substr(1)));
  }
  return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
         matches(pattern.substr(1), text.substr(1));
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

const std::vector<EventFacts>& catalogue() {
  static const std::vector<EventFacts> events = load();
  return events;
}

const EventFacts* find_event(std::string_view type) {
  const auto& events = catalogue();
  const auto found = std::lower_bound(events.begin(), events.end(), type,
                                      [](const EventFacts& event, std::string_view text) { return event.type < text; });
  return found != events.end() && found->type == type ? &*found : nullptr;
}

const EventFacts& event_of(const std::string& type) {
  if (const EventFacts* const event = find_event(type)) return *event;
  std::vector<std::string> types;
  for (const EventFacts& event : catalogue()) types.push_back(event.type);
  const std::string near = nearest(type, types);
  throw Failure(kUsage, "there is no event " + type,
                near.empty() ? "see dingcb events" : "did you mean " + near + "? see dingcb events");
}

std::vector<const EventFacts*> matching(const std::string& pattern) {
  const bool wild = pattern.find_first_of("*?") != std::string::npos;
  const std::string wanted = lower(pattern);
  std::vector<const EventFacts*> found;
  for (const EventFacts& event : catalogue()) {
    const bool fits = wild ? matches(wanted, lower(event.type))
                           : lower(event.type + '\n' + event.title_en + '\n' + event.title_zh + '\n' + event.family +
                                   '\n' + event.family_en + '\n' + event.family_zh)
                                     .find(wanted) != std::string::npos;
    if (fits) found.push_back(&event);
  }
  return found;
}

std::string http_plaintext(const EventFacts& event) {
  const std::vector<dingcb::testkit::Sample> samples = dingcb::testkit::samples(event.type);
  for (const dingcb::Source source : {dingcb::Source::http, dingcb::Source::stream}) {
    for (const auto& sample : samples) {
      if (sample.source == source) return dingcb::testkit::plaintext_of(sample);
    }
  }
  return JsonLine().text("EventType", event.type).object();
}

}  // namespace command
