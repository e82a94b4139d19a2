// dingcb push: DingTalk's side of a callback, against a running endpoint.
#include "command.hpp"
#include "deliveries.hpp"
#include "json.hpp"
#include "settings.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <set>

namespace command {

namespace {

struct Options {
  Settings settings;
  EndpointOptions endpoint;
  std::vector<std::string> events;
  std::vector<std::string> assignments;
  std::string file;
  std::string mode = "auto";
  bool batch = false;
  bool msg_signature = false;
  int repeat = 1;
  int concurrency = 1;
  int duplicate = 0;
  bool reorder = false;
  unsigned seed = 0;
  std::string forge;
  double deadline_ms = 0;
  bool json = false;
  bool quiet = false;
  bool dry_run = false;
  std::string lang;
};

constexpr std::size_t kMostLines = 40;

/// The events that the arguments name, in their order.
std::vector<const EventFacts*> chosen_events(const Options& options) {
  std::vector<const EventFacts*> events;
  for (const std::string& name : options.events) {
    if (name.find_first_of("*?") == std::string::npos) {
      events.push_back(&event_of(name));
      continue;
    }
    for (const EventFacts* const event : matching(name)) {
      if (options.mode != "sync-http" || event->biz_type) events.push_back(event);
    }
    if (events.empty()) throw Failure(kUsage, "no event fits " + name, "see dingcb events");
  }
  if (events.empty()) events.push_back(&event_of("check_url"));
  return events;
}

/// Makes the events of one round; each event is a new one in each round.
std::vector<Draft> drafts_of(const Options& options, const std::string& content) {
  if (!options.file.empty()) return {draft_of_text(options.file == "-" ? "stdin" : options.file, content)};
  const std::vector<const EventFacts*> events = chosen_events(options);
  std::vector<Assignment> assignments;
  for (const std::string& one : options.assignments) assignments.push_back(assignment_of(one));
  if (!assignments.empty() && events.size() > 1) {
    throw Failure(kUsage, "--set changes one event, and here are " + std::to_string(events.size()),
                  "name the event after the URL, such as user_add_org");
  }
  std::vector<Draft> drafts;
  for (const EventFacts* const event : events) drafts.push_back(draft_of(*event, options.mode, assignments));
  if (options.batch) drafts = {batch_of(drafts)};
  return drafts;
}

std::vector<Delivery> deliveries_of(const Options& options) {
  if (!options.file.empty() && (!options.events.empty() || !options.assignments.empty())) {
    throw Failure(kUsage, "--file is the whole push", "leave out the events and --set");
  }
  const std::string content = options.file.empty() ? std::string() : content_of(options.file);
  std::vector<Delivery> deliveries;
  for (int round = 0; round < options.repeat; ++round) {
    for (Draft& draft : drafts_of(options, content)) {
      Delivery delivery;
      if (options.deadline_ms > 0) draft.deadline_ms = options.deadline_ms;
      delivery.draft = std::move(draft);
      delivery.msg_signature = options.msg_signature;
      for (const std::string_view forgery : kForgeries) {
        if (options.forge != forgery && options.forge != "all") continue;
        delivery.forgery = forgery;
        deliveries.push_back(delivery);
      }
      if (!options.forge.empty()) continue;
      deliveries.insert(deliveries.end(), 1 + static_cast<std::size_t>(options.duplicate), delivery);
    }
  }
  if (options.reorder) {
    std::mt19937 random(options.seed);
    std::shuffle(deliveries.begin(), deliveries.end(), random);
  }
  return deliveries;
}

std::string name_of(const Delivery& delivery) {
  return delivery.draft.name + (delivery.forgery.empty() ? "" : ", wrong " + delivery.forgery);
}

void print_outcome(const Options& options, const Delivery& delivery, const Outcome& outcome, std::size_t wide,
                   std::set<std::string>& explained) {
  const Finding& finding = outcome.finding;
  if (options.json) {
    JsonLine line;
    line.text("event", delivery.draft.name).text("mode", delivery.draft.mode);
    if (!delivery.forgery.empty()) line.text("forged", delivery.forgery);
    line.boolean("ok", finding.good()).number("status", outcome.posted.status);
    line.real("elapsed_ms", outcome.posted.elapsed_ms).text("cause", finding.cause);
    if (!finding.good()) line.text("en", finding.en).text("zh", finding.zh);
    print(line.line());
    return;
  }
  print(std::string(finding.good() ? "ok      " : "FAILED  ") + padded(name_of(delivery), wide + 2) +
        padded(delivery.draft.mode, 11) +
        padded(outcome.posted.error.empty() ? std::to_string(outcome.posted.status) : "-", 5) +
        (finding.good() ? milliseconds(outcome.posted.elapsed_ms)
                        : padded(milliseconds(outcome.posted.elapsed_ms), 11) + finding.cause) +
        '\n');
  if (!finding.good() && explained.insert(finding.cause).second) {
    print("        " + finding.in(language_of(options.lang)) + '\n');
  }
}

void print_commands(const Options& options, const DingTalk& dingtalk, const std::vector<Delivery>& deliveries) {
  for (const Delivery& delivery : deliveries) {
    const auto push = dingtalk.sign(delivery);
    print("curl " + shell_quoted(url_with(options.endpoint.url, push.query)) +
          " -H 'Content-Type: application/json' --data-raw " + shell_quoted(push.body) + '\n');
  }
}

Exit push(const Options& options) {
  const DingTalk dingtalk(complete_credential(options.settings));
  const std::vector<Delivery> deliveries = deliveries_of(options);
  if (options.dry_run) {
    print_commands(options, dingtalk, deliveries);
    return kOk;
  }
  std::size_t wide = 0;
  for (const Delivery& delivery : deliveries) wide = std::max(wide, name_of(delivery).size());
  const bool all = options.json || (!options.quiet && deliveries.size() <= kMostLines);
  std::set<std::string> explained;
  Summary summary;
  double seconds = 0;
  {
    Progress progress(deliveries.size());
    const auto start = std::chrono::steady_clock::now();
    std::size_t printed = 0;
    deliver_all(dingtalk, options.endpoint, deliveries, options.concurrency,
                [&](std::size_t i, const Outcome& outcome) {
                  summary.add(outcome);
                  // Of a long run only what failed, and not without end.
                  const bool shown = all || (!options.quiet && !outcome.finding.good() && printed < kMostLines);
                  if (shown) print_outcome(options, deliveries[i], outcome, wide, explained);
                  printed += shown ? 1 : 0;
                  progress.step(outcome.finding.good());
                });
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  print(options.json ? summary.json(seconds) : summary.text(seconds));
  return summary.exit();
}

}  // namespace

void add_push(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("push", "Plays DingTalk: signs, posts, and judges the answers");
  const auto options = std::make_shared<Options>();
  add_endpoint(*verb, options->endpoint);
  verb->add_option("event", options->events, "Types of events, or patterns such as 'chat_*'; nothing: the URL check");
  add_settings(*verb, options->settings);
  add_language(*verb, options->lang);

  const char* const what = "What is pushed";
  verb->add_option("--set", options->assignments,
                   "Changes a field of the sample: field=value, inner.field=value; the value "
                   "may be JSON; may be repeated")
      ->type_name("FIELD=VALUE")
      ->allow_extra_args(false)
      ->group(what);
  verb->add_option("--file", options->file, "The whole plaintext of the push, or - for stdin")
      ->type_name("FILE")
      ->group(what);
  verb->add_option("--mode", options->mode,
                   "http, sync-http (as rows), or auto: as DingTalk sends the event, http first")
      ->check(CLI::IsMember({"auto", "http", "sync-http"}))
      ->capture_default_str()
      ->group(what);
  verb->add_flag("--batch", options->batch, "All events as the rows of one push; with --mode sync-http")->group(what);
  verb->add_flag("--msg-signature", options->msg_signature, "Calls the query parameter msg_signature")->group(what);
  verb->add_option("--forge", options->forge,
                   "Pushes that have to be refused: wrong signature, token, aes-key, owner-key or "
                   "body, or all of them")
      ->check(CLI::IsMember({"all", "signature", "token", "aes-key", "owner-key", "body"}))
      ->group(what);

  const char* const how = "How";
  verb->add_option("--repeat", options->repeat, "How often, each time as a new event")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->group(how);
  verb->add_option("--concurrency", options->concurrency, "How many at once, each over its own connection")
      ->check(CLI::Range(1, 256))
      ->capture_default_str()
      ->group(how);
  verb->add_option("--duplicate", options->duplicate, "Sends each event again, so often, with the same id")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str()
      ->group(how);
  verb->add_flag("--reorder", options->reorder, "Shuffles them")->group(how);
  verb->add_option("--seed", options->seed, "Of the order")->capture_default_str()->group(how);
  verb->add_option("--deadline", options->deadline_ms,
                   "Time within which an answer counts; otherwise 2500, SyncHTTP 1200")
      ->check(CLI::Range(1.0, 1e7))
      ->type_name("MS")
      ->group(how);

  const char* const output = "Output";
  verb->add_flag("--json", options->json, "One JSON object a push, then one with the summary")->group(output);
  verb->add_flag("-q,--quiet", options->quiet, "Only the summary")->group(output);
  verb->add_flag("--dry-run", options->dry_run, "Prints curl command lines and sends nothing")->group(output);
  verb->footer(
      "Ends with 0 where each answer is as it should be, 1 where one is not, 4 where nobody listens.\n"
      "Examples:\n"
      "  dingcb push http://127.0.0.1:8080/callback                      the URL check\n"
      "  dingcb push http://127.0.0.1:8080/callback user_add_org --set userId='[\"u1\",\"u2\"]'\n"
      "  dingcb push http://127.0.0.1:8080/callback 'chat_*' --mode sync-http --batch\n"
      "  dingcb push http://127.0.0.1:8080/callback user_add_org --repeat 1000 --concurrency 8 --duplicate 1 "
      "--reorder\n"
      "  dingcb push http://127.0.0.1:8080/callback --forge all\n"
      "  dingcb push http://127.0.0.1:8080/callback --file event.json");
  verb->callback([options, &exit] { exit = push(*options); });
}

}  // namespace command
