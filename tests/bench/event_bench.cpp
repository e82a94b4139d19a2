// The event layer beside the floor: RapidJSON's SAX reader, in situ and without a handler, over a fresh copy of the
// text and of every JSON text inside it. That is what nobody can leave out, and it keeps nothing.
//
// Each text goes through the steps of a callback: `document` (text to values), `push` (the events and their headers,
// which is all that an event costs that nobody handles), `typed` (the same, and every event as its struct), `again`
// (the struct asked for once more), `write` (the structs as the plaintext of a push).
//
// Every row runs floor and step in turn, a few milliseconds each, and prints the medians and the median of the ratios
// round by round. `new` counts the heap allocations of one call for all events of the text; the text itself, which
// belongs to the call, is one of them.
#include "bench/beside_floor.hpp"

#include <benchmark/benchmark.h>
#if defined(__SSE2__)
#define RAPIDJSON_SSE2
#endif
#include <rapidjson/reader.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dingcb/detail/json.hpp>
#include <dingcb/events/visit.hpp>
#include <fstream>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

std::atomic<std::size_t> new_calls{0};

}  // namespace

// Never inlined: g++ would take the pair for a mismatch of new and free.
[[gnu::noinline]] void* operator new(std::size_t size) {
  new_calls.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

[[noreturn]] void stop(const std::string& what) {
  std::fprintf(stderr, "event_bench: %s\n", what.c_str());
  std::exit(1);
}

/// An official sample.
std::string sample(const std::string& family, const std::string& name) {
  std::ifstream file(DINGCB_TEST_DATA_DIR "/samples/" + family + ".txt");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, name.size() + 3, "# " + name + " ") == 0 && std::getline(file, line)) return line;
  }
  stop("no sample " + name);
}

/// A SyncHTTP push of `size` bytes or a little more, with the rows of the samples in turn.
std::string batch_of(std::size_t size) {
  std::vector<std::string> rows;
  for (const char* name : {"SYNC_HTTP_PUSH_MEDIUM.sync", "SYNC_HTTP_PUSH_HIGH.sync", "SYNC_HTTP_PUSH_MEDIUM.sync.2"}) {
    const auto document = dingcb::detail::JsonDocument::parse(sample("sync_http", name));
    if (!document) stop(std::string(document.error().message));
    for (const dingcb::Json row : (*document)->root()["bizData"]) rows.emplace_back(row.raw());
  }
  std::string text = R"({"EventType":"SYNC_HTTP_PUSH_MEDIUM","bizData":[)";
  for (std::size_t i = 0; text.size() < size; ++i) text += rows[i % rows.size()] + ',';
  text.back() = ']';
  return text + '}';
}

/// The same event without its id, so that dedup_key is a digest.
std::string without_id(std::string text) {
  const std::size_t begin = text.find("\"eventId\":");
  if (begin == std::string::npos) stop("no eventId to leave out");
  return text.erase(begin, text.find(',', begin) + 1 - begin);
}

class Floor : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Floor> {
 public:
  explicit Floor(const std::string& text) : text_(text), scratch_(text.size() + 16) {}

  void operator()() {
    std::memcpy(scratch_.data(), text_.c_str(), text_.size() + 1);
    inner_.clear();
    read(scratch_.data());
    for (char* const text : inner_) read(text);
  }

  bool Default() { return true; }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    if (size != 0 && *text == '{') inner_.push_back(const_cast<char*>(text));
    return true;
  }

 private:
  void read(char* text) {
    rapidjson::InsituStringStream stream(text);
    constexpr unsigned kFlags = rapidjson::kParseInsituFlag | rapidjson::kParseNumbersAsStringsFlag;
    if (reader_.Parse<kFlags>(stream, *this).IsError()) stop("the floor refuses the text");
  }

  const std::string& text_;
  std::vector<char> scratch_;
  std::vector<char*> inner_;
  rapidjson::Reader reader_;
};

struct Case {
  std::string name;
  std::string text;

  std::vector<dingcb::Event> events() const {
    if (name == "stream") {
      auto event = dingcb::parse_stream(text);
      if (!event) stop(std::string(event.error().message));
      return {*std::move(event)};
    }
    auto parsed = dingcb::parse_push(text);
    if (!parsed) stop(std::string(parsed.error().message));
    return *std::move(parsed);
  }
};

/// Hands each event to `use` as its struct.
template <class Use>
void each_struct(const std::vector<dingcb::Event>& events, Use use) {
  for (const dingcb::Event& event : events) {
    dingcb::visit(event, dingcb::overloaded{
                             [](const dingcb::Event& other) { stop("no struct for " + std::string(other.type())); },
                             [&](const auto& object) { use(event, object); },
                         });
  }
}

template <class Call>
void measure(benchmark::State& state, const Case& test, Call call) {
  Floor floor(test.text);
  beside_floor(state, floor, call);
  const std::size_t news = new_calls.load();
  call();
  state.counters["new"] = static_cast<double>(new_calls.load() - news);
  state.counters["bytes"] = static_cast<double>(test.text.size());
  state.counters["events"] = static_cast<double>(test.events().size());
}

void document(benchmark::State& state, const Case& test) {
  measure(state, test, [&] {
    const auto parsed = dingcb::detail::JsonDocument::parse(test.text);
    if (!parsed) stop(std::string(parsed.error().message));
    benchmark::DoNotOptimize((*parsed)->root().begin());
  });
}

void push(benchmark::State& state, const Case& test) {
  measure(state, test, [&] {
    for (const dingcb::Event& event : test.events()) benchmark::DoNotOptimize(event.kind());
  });
}

void typed(benchmark::State& state, const Case& test) {
  measure(state, test, [&] {
    each_struct(test.events(), [](const dingcb::Event&, const auto& object) { benchmark::DoNotOptimize(&object); });
  });
}

void again(benchmark::State& state, const Case& test) {
  const std::vector<dingcb::Event> events = test.events();
  measure(state, test, [&] {
    each_struct(events, [](const dingcb::Event&, const auto& object) { benchmark::DoNotOptimize(&object); });
  });
}

void write(benchmark::State& state, const Case& test) {
  const std::vector<dingcb::Event> events = test.events();
  measure(state, test, [&] {
    each_struct(events, [](const dingcb::Event& event, const auto& object) {
      benchmark::DoNotOptimize(dingcb::to_http_json(object, event.header()).data());
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Case> cases = {
      {"300_B", sample("chat", "chat_update_owner.http")},
      {"300_B_without_id", without_id(sample("chat", "chat_update_owner.http"))},
      {"1_KB", sample("crm", "ding_crm_object_meta.http")},
      {"stream", sample("approval", "bpms_instance_change.stream")},
      {"batch_16_KB", batch_of(16 << 10)},
      {"batch_256_KB", batch_of(256 << 10)},
      {"batch_1_MB", batch_of(1 << 20)},
  };
  const std::pair<const char*, void (*)(benchmark::State&, const Case&)> steps[] = {
      {"document", document}, {"push", push}, {"typed", typed}, {"again", again}, {"write", write}};
  for (const Case& test : cases) {
    for (const auto& [name, step] : steps) {
      const auto run = step;
      benchmark::RegisterBenchmark((test.name + '/' + name).c_str(),
                                   [run, &test](benchmark::State& state) { run(state, test); })
          ->Iterations(51)
          ->UseManualTime();
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
