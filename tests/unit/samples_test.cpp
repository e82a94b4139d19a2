// Every official sample, in every envelope that can bring it, against the golden files. tools/sample_decoder.py makes
// those from the samples and the catalogue, and shares nothing with the C++ code.
#include <dingcb/events/visit.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using dingcb::Event;
using dingcb::Json;
using dingcb::Kind;
using dingcb::Source;
using dingcb::detail::JsonDocument;
using dingcb::detail::JsonWriter;

// A part of a file: the words of a line `# ...`, and the text below it.
struct Block {
  std::vector<std::string> words;
  std::string text;

  std::string word(std::size_t index) const { return index < words.size() ? words[index] : std::string(); }
};

std::vector<Block> read_blocks(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Block> blocks;
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, 2, "# ") == 0) {
      std::istringstream words(line.substr(2));
      blocks.push_back({{std::istream_iterator<std::string>(words), {}}, {}});
    } else if (!blocks.empty()) {
      blocks.back().text += line + '\n';
    }
  }
  return blocks;
}

// What the golden files say of one event.
struct Expected {
  std::string type;
  bool known = true;   // to this release
  std::string misfit;  // the field that does not fit, "-" for the whole body; empty where all of them do
  std::string json;    // what is written of its struct
};

struct Sample {
  std::string name;
  std::string envelope;
  std::string text;
  std::vector<Expected> events;  // several where it is a SyncHTTP push of several rows
};

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> found;
    const std::filesystem::path data = DINGCB_TEST_DATA_DIR;
    std::set<std::filesystem::path> names;
    for (const auto& entry : std::filesystem::directory_iterator(data / "samples")) {
      if (entry.path().extension() == ".txt") names.insert(entry.path().filename());
    }
    for (const auto& name : names) {
      const std::size_t first = found.size();
      for (const Block& block : read_blocks(data / "samples" / name)) {
        found.push_back({block.word(0), block.word(1), block.text, {}});
      }
      std::size_t at = first;  // both files are in the same order
      for (const Block& block : read_blocks(data / "golden" / name)) {
        while (at < found.size() && found[at].name != block.word(0)) ++at;
        if (at == found.size()) break;
        found[at].events.push_back({block.word(1), block.word(2) != "unknown", block.word(3), block.text});
      }
    }
    return found;
  }();
  return all;
}

std::shared_ptr<const JsonDocument> parse(std::string text) {
  auto document = JsonDocument::parse(std::move(text));
  REQUIRE(document);
  return *std::move(document);
}

// Whether two values are the same, in the same order. Numbers count, not their digits: 1.50 is 1.5.
bool same(Json left, Json right) {
  if (left.type() != right.type() || left.key() != right.key()) return false;
  if (left.is_number()) {
    const auto integer = left.as_int64();
    return integer == right.as_int64() && (integer || left.as_double() == right.as_double());
  }
  if (!left.is_array() && !left.is_object()) return left.raw() == right.raw();
  auto a = left.begin();
  auto b = right.begin();
  for (; a != left.end() && b != right.end(); ++a, ++b) {
    if (!same(*a, *b)) return false;
  }
  return a == left.end() && b == right.end();
}

// An event as the struct of its type, written in both ways.
struct Typed {
  Kind kind = Kind::unknown;
  bool fits = false;
  std::string why_not;
  std::string http;
  std::string stream;
};

Typed typed(const Event& event) {
  const auto look = [&](const Event& at) {
    return dingcb::visit(at, dingcb::overloaded{
                                 [](const Event&) { return Typed(); },
                                 [&](const auto& of_type) {
                                   using E = std::decay_t<decltype(of_type)>;
                                   const E* const found = event.get_if<E>();
                                   const dingcb::Error* const why = event.why_not<E>();
                                   Typed result{dingcb::EventTraits<E>::kind, found != nullptr,
                                                why ? std::string(why->message) : "", "", ""};
                                   if (found == nullptr) return result;
                                   result.http = dingcb::to_http_json(*found);
                                   result.stream = dingcb::to_stream_json(*found);
                                   return result;
                                 },
                             });
  };
  Typed result = look(event);
  if (result.kind != Kind::unknown) return result;
  // It does not fit; an event without a body fits always, and brings the look-up to the same type.
  const auto blank = dingcb::parse_push(R"({"EventType":")" + std::string(event.type()) + "\"}");
  return blank ? look(blank->front()) : result;
}

void check(const Event& event, const Expected& expected, Source source) {
  CAPTURE(expected.type, static_cast<int>(source));
  CHECK(event.header().source == source);
  CHECK(event.type() == expected.type);
  CHECK(event.kind() == dingcb::kind_of(expected.type));
  CHECK((event.kind() != Kind::unknown) == expected.known);
  if (!expected.known) return;

  const Typed found = typed(event);
  CHECK(found.kind == event.kind());
  CHECK(found.fits == expected.misfit.empty());
  CHECK(found.fits == found.why_not.empty());
  if (!found.fits) {
    const std::string what = expected.misfit == "-" ? "the event" : "field \"" + expected.misfit + '"';
    CHECK(found.why_not.find(what + " does not fit") == 0);
    return;
  }
  CAPTURE(found.http, expected.json);
  const auto golden = parse(expected.json);
  const auto stream = parse(found.stream);
  JsonWriter data;
  data.begin_object();
  data.key("data");
  data.raw(expected.json);
  data.end_object();
  CHECK(same(stream->root()["data"], parse(data.take())->root()["data"]));

  // The same struct as the members of a push, behind EventType.
  const auto http = parse(found.http);
  auto member = http->root().begin();
  CHECK((*member).key() == "EventType");
  ++member;
  for (const Json field : golden->root()) {
    if (member == http->root().end()) break;
    CHECK(same(*member++, field));
  }
  CHECK(http->root().size() == golden->root().size() + 1);

  // What was written reads back as what it was.
  const auto from_http = dingcb::parse_push(found.http);
  REQUIRE((from_http && from_http->size() == 1));
  CHECK(typed(from_http->front()).http == found.http);
  const auto from_stream = dingcb::parse_stream(found.stream);
  REQUIRE(from_stream);
  CHECK(typed(*from_stream).stream == found.stream);
}

Event only(const dingcb::Result<std::vector<Event>>& events) {
  REQUIRE(events);
  REQUIRE(events->size() == 1);
  return events->front();
}

// A SyncHTTP push of one row, whose biz_data is an object or a text.
std::string sync_push(Json row, std::string_view biz_data, bool as_text) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("EventType");
  writer.text("SYNC_HTTP_PUSH_HIGH");
  writer.key("bizData");
  writer.begin_array();
  writer.begin_object();
  for (const Json column : row) {
    writer.key(column.key());
    const bool body = column.key() == "biz_data";
    if (body ? as_text : column.is_string()) {
      writer.text(body ? biz_data : column.as_text());
    } else {
      writer.raw(body ? biz_data : column.raw());
    }
  }
  writer.end_object();
  writer.end_array();
  writer.end_object();
  return writer.take();
}

void check_row(const Sample& sample) {
  const auto document = parse(sample.text);
  const Json row = document->root();
  const std::string_view biz_data = row["biz_data"].raw();
  dingcb::PushRow columns;
  columns.id = row["id"].as_int64().value_or(0);
  columns.gmt_create_ms = row["gmt_create"].as_int64().value_or(0);
  columns.gmt_modified_ms = row["gmt_modified"].as_int64().value_or(0);
  columns.subscribe_id = row["subscribe_id"].as_text();
  columns.corp_id = row["corp_id"].as_text();
  columns.biz_id = row["biz_id"].as_text();
  columns.biz_type = row["biz_type"].as_int64().value_or(0);
  columns.biz_data = biz_data;
  columns.open_cursor = row["open_cursor"].as_int64().value_or(0);
  columns.status = row["status"].as_int64().value_or(0);
  const auto from_table = dingcb::parse_row(columns);
  REQUIRE(from_table);
  check(*from_table, sample.events.at(0), Source::rds);
  for (const bool as_text : {false, true}) {
    const Event pushed = only(dingcb::parse_push(sync_push(row, biz_data, as_text)));
    check(pushed, sample.events.at(0), Source::sync_http);
    CHECK(pushed.header().dedup_key == from_table->header().dedup_key);
    CHECK(pushed.header().ordering_key == from_table->header().ordering_key);
  }
}

// The frame that the Stream SDK hands over: what is said of the event as headers, and the event as a text.
void check_sdk_frame(const Sample& sample) {
  const auto document = parse(sample.text);
  JsonWriter writer;
  writer.begin_object();
  writer.key("headers");
  writer.begin_object();
  writer.key("eventType");
  writer.text(document->root()["eventType"].as_text());
  writer.end_object();
  writer.key("data");
  writer.text(document->root()["data"].raw());
  writer.end_object();
  const auto event = dingcb::parse_stream(writer.take());
  REQUIRE(event);
  check(*event, sample.events.at(0), Source::stream);
}

// An entry of the failed list whose body is the event's own, plain and wrapped.
void check_failed_entry(const Expected& expected, std::string_view body) {
  for (const bool wrapped : {false, true}) {
    const std::string inside = wrapped ? R"({"callbackData":)" + std::string(body) + "}" : std::string(body);
    const auto list = dingcb::parse_failed_list(
        R"({"errcode":0,"errmsg":"ok","has_more":false,"failed_list":[{"call_back_tag":")" + expected.type +
        R"(","event_time":1606126433000,")" + expected.type + "\":" + inside + "}]}");
    REQUIRE((list && list->events.size() == 1));
    check(list->events[0], expected, Source::failed_list);
  }
}

}  // namespace

TEST_CASE("samples become the structs that the golden files hold") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    REQUIRE_FALSE(sample.events.empty());
    if (sample.envelope == "http" || sample.envelope == "legacy_http") {
      check(only(dingcb::parse_push(sample.text)), sample.events[0], Source::http);
    } else if (sample.envelope == "stream") {
      const auto event = dingcb::parse_stream(sample.text);
      REQUIRE(event);
      check(*event, sample.events[0], Source::stream);
      check_sdk_frame(sample);
    } else if (sample.envelope == "row") {
      check_row(sample);
    } else {
      REQUIRE(sample.envelope == "sync_http");
      const auto events = dingcb::parse_push(sample.text);
      REQUIRE(events);
      REQUIRE(events->size() == sample.events.size());
      for (std::size_t i = 0; i < events->size(); ++i) check((*events)[i], sample.events[i], Source::sync_http);
    }
  }
}

TEST_CASE("samples read the same from the list of failed pushes") {
  std::size_t count = 0;
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const auto document = parse(sample.text);
    const Json root = document->root();
    // The list has no column biz_id, so that a row which names its object there alone says less in the list.
    if (sample.envelope == "sync_http" || !root["biz_id"].as_text().empty()) continue;
    const Json body = sample.envelope == "stream" ? root["data"] : sample.envelope == "row" ? root["biz_data"] : root;
    check_failed_entry(sample.events.at(0), body.raw());
    ++count;
  }
  CHECK(count >= 600);
}

TEST_CASE("samples of the documents are all there") {
  std::set<std::string> names;
  std::set<std::string> types;
  std::set<std::string> misfits;
  std::set<std::string> unknown;
  for (const Sample& sample : samples()) {
    names.insert(sample.name);
    for (const Expected& expected : sample.events) {
      (expected.known ? types : unknown).insert(expected.type);
      if (!expected.misfit.empty()) misfits.insert(sample.name + " " + expected.misfit);
    }
  }
  CHECK(names.size() == samples().size());
  CHECK(names.size() >= 779);
  CHECK(types.size() >= 241);
  CHECK(types.size() < dingcb::kKindCount);
  CHECK(misfits.empty());
  // A row names no type that exists, and its biz_type has several.
  CHECK(unknown == std::set<std::string>{"org_dept_create/org_dept_modify"});
}
