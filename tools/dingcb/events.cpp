// dingcb events: the catalogue in the terminal.
#include "catalogue.hpp"
#include "command.hpp"

#include <dingcb/callback_handler.hpp>

#include <algorithm>
#include <memory>

namespace command {

namespace {

struct Options {
  std::string pattern;
  std::string lang;
  bool json = false;
  bool sample = false;
  bool samples = false;
  bool handler = false;
};

std::string joined(const std::vector<std::string>& texts, const char* gap = ", ") {
  std::string line;
  for (const std::string& text : texts) line += (line.empty() ? "" : gap) + text;
  return line;
}

std::string pretty(const std::string& json) {
  const JsonDocument document = parse_json(json);
  return document.HasParseError() ? json : to_pretty_text(document);
}

std::string handler_of(const EventFacts& event) {
  auto events = dingcb::parse_push(http_plaintext(event));
  if (events && !events->empty() && events->front().type() == event.type) return dingcb::handler_for(events->front());
  // A page may print its sample for several types at once.
  return dingcb::handler_for(dingcb::parse_push(JsonLine().text("EventType", event.type).object()).value().front());
}

std::string list_of(const std::vector<std::string>& texts) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.StartArray();
  for (const std::string& text : texts) writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  writer.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

void print_json(const EventFacts& event) {
  JsonLine line;
  line.text("type", event.type).text("title_en", event.title_en).text("title_zh", event.title_zh);
  line.text("family", event.family).json("apps", list_of(event.apps)).json("delivery", list_of(event.delivery));
  if (event.biz_type) line.number("biz_type", *event.biz_type);
  line.boolean("deprecated", event.deprecated).json("pages", list_of(event.pages));
  std::string fields = "[";
  for (const FieldFacts& field : event.fields) {
    fields += (fields.size() > 1 ? "," : "") + JsonLine()
                                                   .text("path", field.path)
                                                   .text("type", field.type)
                                                   .boolean("optional", field.optional)
                                                   .text("description", field.description)
                                                   .object();
  }
  line.json("fields", fields + ']').text("sample", http_plaintext(event)).text("handler", handler_of(event));
  print(line.line());
}

void print_samples(const EventFacts& event) {
  for (const dingcb::testkit::Sample& sample : dingcb::testkit::samples(event.type)) {
    print("// " + std::string(sample.name) + '\n' + pretty(std::string(sample.json)) + '\n');
  }
}

void print_page(const EventFacts& event, bool zh) {
  print(event.type + "  " + (zh ? event.title_zh : event.title_en) + '\n');
  const auto row = [zh](const char* en_name, const char* zh_name, const std::string& value) {
    if (!value.empty()) print("  " + padded(zh ? zh_name : en_name, 12) + value + '\n');
  };
  row("family", "类别", (zh ? event.family_zh : event.family_en) + " (" + event.family + ")");
  row("delivery", "推送方式", joined(event.delivery));
  row("apps", "应用", joined(event.apps));
  if (event.biz_type) {
    row("rows", "数据行", "biz_type " + std::to_string(*event.biz_type) + (event.high ? ", high" : ", medium"));
  }
  if (event.deprecated)
    row("note", "说明", zh ? "已被替代，或仅见于历史文档" : "replaced, or on historical pages only");
  for (const std::string& note : event.notes) row("note", "说明", note);
  row("page", "文档", "https://open.dingtalk.com/document/orgapp/" + event.pages.front());
  if (!event.fields.empty()) {
    std::size_t path = 0;
    std::size_t type = 0;
    for (const FieldFacts& field : event.fields) {
      path = std::max(path, field.path.size());
      type = std::max(type, field.type.size());
    }
    print(zh ? "\n字段（? 表示可能缺失）\n" : "\nfields (? may be missing)\n");
    for (const FieldFacts& field : event.fields) {
      print("  " + padded(field.path + (field.optional ? "?" : ""), path + 2) + padded(field.type, type + 2) +
            field.description + '\n');
    }
  }
  print(std::string(zh ? "\n示例" : "\nsample") + '\n' + pretty(http_plaintext(event)) + '\n');
  print(std::string(zh ? "\n处理函数" : "\nhandler") + '\n' + handler_of(event) + '\n');
}

void print_list(const std::vector<const EventFacts*>& events, bool zh) {
  std::size_t wide = 0;
  for (const EventFacts* const event : events) wide = std::max(wide, event->type.size());
  for (const EventFacts* const event : events) {
    print(padded(event->type, wide + 2) + (zh ? event->title_zh : event->title_en) + '\n');
  }
}

void events(const Options& options) {
  std::vector<const EventFacts*> found = matching(options.pattern);
  if (found.empty()) event_of(options.pattern);  // says what is near
  if (const EventFacts* const exact = find_event(options.pattern)) found = {exact};
  const bool zh = language_of(options.lang) == Language::zh;
  const bool parts = options.sample || options.samples || options.handler;
  for (const EventFacts* const event : found) {
    if (options.json) print_json(*event);
    if (options.sample) print(http_plaintext(*event) + '\n');
    if (options.samples) print_samples(*event);
    if (options.handler) print(handler_of(*event) + '\n');
  }
  if (options.json || parts) return;
  if (found.size() == 1) {
    print_page(*found.front(), zh);
  } else {
    print_list(found, zh);
  }
}

}  // namespace

void add_events(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("events", "Shows the events that DingTalk sends: fields, sample, handler");
  const auto options = std::make_shared<Options>();
  verb->add_option(
      "pattern", options->pattern,
      "Type, or a part of type, title or family, or with * and ? a pattern for the type; nothing lists all");
  add_language(*verb, options->lang);
  auto* const json = verb->add_flag("--json", options->json, "One JSON object an event, with all of it");
  auto* const sample =
      verb->add_flag("--sample", options->sample, "Only a sample, in one line, as an HTTP push brings it");
  auto* const samples = verb->add_flag("--samples", options->samples, "Only the official samples, in every mode");
  auto* const handler = verb->add_flag("--handler", options->handler, "Only the line for a Dispatcher::Builder");
  json->excludes(sample)->excludes(samples)->excludes(handler);
  sample->excludes(samples)->excludes(handler);
  samples->excludes(handler);
  verb->footer(
      "Examples:\n"
      "  dingcb events                              all of them\n"
      "  dingcb events user_add_org                 one, with fields, sample and handler\n"
      "  dingcb events 审批                         a part of the title\n"
      "  dingcb events 'chat_*' --handler           lines to paste\n"
      "  dingcb events check_url --sample | dingcb encrypt --as curl --url http://127.0.0.1:8080/callback");
  verb->callback([options, &exit] {
    events(*options);
    exit = kOk;
  });
}

}  // namespace command
