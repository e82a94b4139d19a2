// dingcb replay: sends captured pushes again.
#include "command.hpp"
#include "deliveries.hpp"
#include "exchanges.hpp"
#include "json.hpp"
#include "settings.hpp"

#include <chrono>
#include <memory>
#include <optional>

namespace command {

namespace {

struct Options {
  Settings settings;
  EndpointOptions endpoint;
  Source source;
  std::string to_app;
  bool as_is = false;
  double deadline_ms = 0;
  bool json = false;
  std::string lang;
};

/// What to call a push: its event where that is known.
std::string title_of(const std::string& plaintext) {
  const JsonDocument body = parse_json(plaintext);
  const std::string type(body.HasParseError() ? std::string_view() : text_in(body, "EventType"));
  return type.empty() ? "?" : type;
}

Finding not_opened(const dingcb::Encryptor& encryptor, const Exchange& exchange) {
  Finding finding = judge(encryptor, exchange);
  finding.part = "capture";
  return finding;
}

void show(const Options& options, const Exchange& exchange, const std::string& title, const Outcome& outcome) {
  const Finding& finding = outcome.finding;
  const std::string name = exchange.name.empty() ? "request" : exchange.name;
  if (options.json) {
    JsonLine line;
    line.text("name", name).text("event", title).boolean("ok", finding.good()).number("status", outcome.posted.status);
    line.real("elapsed_ms", outcome.posted.elapsed_ms).text("cause", finding.cause);
    if (!finding.good()) line.text("en", finding.en).text("zh", finding.zh);
    print(line.line());
    return;
  }
  print(std::string(finding.good() ? "ok      " : "FAILED  ") + padded(name, 11) + padded(title, 30) +
        padded(outcome.posted.status == 0 ? "-" : std::to_string(outcome.posted.status), 5) +
        (finding.good() ? milliseconds(outcome.posted.elapsed_ms)
                        : padded(milliseconds(outcome.posted.elapsed_ms), 11) + finding.cause) +
        '\n');
  if (!finding.good()) print("        " + finding.in(language_of(options.lang)) + '\n');
}

dingcb::Credential receiver_of(const Options& options) {
  Settings settings = options.settings;
  if (!options.to_app.empty()) settings.app = options.to_app;
  return complete_credential(settings);
}

Exit replay(const Options& options) {
  const dingcb::Encryptor encryptor = make_encryptor(complete_credentials(options.settings));
  const DingTalk dingtalk(receiver_of(options));
  Endpoint endpoint(options.endpoint);
  Summary summary;
  const auto start = std::chrono::steady_clock::now();
  for (const Exchange& exchange : read_exchanges(options.source)) {
    const auto opened = encryptor.decrypt(parts_of(exchange).push());
    const std::string plaintext = opened ? opened->plaintext : std::string();
    Delivery delivery;
    delivery.draft = draft_of_text(title_of(plaintext), plaintext);
    if (options.deadline_ms > 0) delivery.draft.deadline_ms = options.deadline_ms;
    Outcome outcome;
    if (options.as_is) {
      const std::string query(exchange.query());
      outcome.posted = endpoint.post(query, exchange.body);
      outcome.finding = dingtalk.judge(delivery, {query, exchange.body}, outcome.posted);
    } else if (opened) {
      outcome = dingtalk.deliver(delivery, endpoint);
    } else {
      outcome.finding = not_opened(encryptor, exchange);
      outcome.posted.error = "not sent";
    }
    summary.add(outcome);
    show(options, exchange, delivery.draft.name, outcome);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print(options.json ? summary.json(seconds) : summary.text(seconds));
  return summary.exit();
}

}  // namespace

void add_replay(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("replay", "Sends captured pushes again, signed anew");
  const auto options = std::make_shared<Options>();
  add_endpoint(*verb, options->endpoint);
  add_source(*verb, options->source);
  add_settings(*verb, options->settings);
  add_language(*verb, options->lang);
  verb->add_option("--to-app", options->to_app,
                   "Seals for this app of the file instead of the one that opened the push")
      ->type_name("LABEL");
  verb->add_flag("--as-is", options->as_is, "Sends query and body unchanged, old signature and all");
  verb->add_option("--deadline", options->deadline_ms,
                   "Time within which an answer counts; otherwise 2500, SyncHTTP 1200")
      ->check(CLI::Range(1.0, 1e7))
      ->type_name("MS");
  verb->add_flag("--json", options->json, "One JSON object a push, then one with the summary");
  verb->footer(
      "The events keep their ids, so that the endpoint sees repetitions.\n"
      "Ends with 0 where each answer is as it should be, 1 where one is not, 4 where nobody listens.\n"
      "Examples:\n"
      "  dingcb replay http://127.0.0.1:8080/callback pushes.jsonl --config dingcb.env\n"
      "  dingcb replay http://127.0.0.1:8080/callback recorded.har --nth 2\n"
      "  dingcb replay http://127.0.0.1:8080/callback pushes.jsonl --app test --to-app staging");
  verb->callback([options, &exit] { exit = replay(*options); });
}

}  // namespace command
