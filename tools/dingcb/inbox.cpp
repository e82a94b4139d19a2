// dingcb inbox: an inbox in the hands of an operator.
#include "command.hpp"
#include "json.hpp"
#include "stores.hpp"

#include <dingcb/inbox.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace command {

namespace {

struct Options {
  StoreFlags store;
  std::string action;
  std::vector<std::string> names;  ///< Ids of dead letters, or a key.
  dingcb::DeadQuery query;
  bool all = false;
  bool print_schema = false;
  bool no_index = false;
  bool json = false;
  std::string lang;
};

bool is_zh(const Options& options) { return language_of(options.lang) == Language::zh; }

constexpr std::array<std::string_view, 5> kSources{"http", "sync_http", "rds", "stream", "failed_list"};

std::string_view source_name(dingcb::Source source) {
  const auto number = static_cast<std::size_t>(source);
  return number < kSources.size() ? kSources[number] : "?";
}

int setup(const Options& options) {
  if (options.print_schema) {
    if (options.store.rds) {
      throw Failure(kUsage, "--print-schema has the tables of an inbox only",
                    "DingTalk's documents have those of RDS push; or let setup --rds make them");
    }
    print(mysql_schema(options.store));
    return kOk;
  }
  const std::optional<Versions> versions = Store(options.store).setup(!options.no_index);
  const bool zh = is_zh(options);
  if (options.json) {
    JsonLine line;
    line.boolean("ok", true);
    if (versions) line.number("found", versions->found).number("version", versions->now);
    print(line.line());
  } else if (!versions) {
    print(zh ? "已就绪\n" : "ready\n");
  } else if (versions->found == versions->now) {
    print((zh ? "无需改动，表结构版本 " : "nothing to do: the tables have version ") + std::to_string(versions->now) +
          '\n');
  } else if (versions->found == 0) {
    print((zh ? "已建表，版本 " : "the tables were made, version ") + std::to_string(versions->now) + '\n');
  } else {
    print((zh ? "表结构已从版本 " : "the tables were brought from version ") + std::to_string(versions->found) +
          (zh ? " 升级到 " : " to ") + std::to_string(versions->now) + '\n');
  }
  return kOk;
}

/// Nothing for nothing: RDS rows do not tell everything.
void row(const Options& options, const char* en_name, const char* zh_name, std::string_view value) {
  if (value.empty()) return;
  print(padded(is_zh(options) ? zh_name : en_name, 14) + printable(value) + '\n');
}

int stats(const Options& options) {
  const Store store(options.store);
  const dingcb::InboxStats stats = store.need(store.open()->stats());
  if (options.json) {
    JsonLine line;
    line.number("pending", static_cast<std::int64_t>(stats.pending));
    line.number("claimed", static_cast<std::int64_t>(stats.claimed));
    line.number("dead", static_cast<std::int64_t>(stats.dead));
    if (stats.oldest_ms) line.number("oldest_ms", *stats.oldest_ms);
    print(line.line());
    return kOk;
  }
  row(options, "pending", "待处理", std::to_string(stats.pending));
  row(options, "claimed", "处理中", std::to_string(stats.claimed));
  row(options, "dead letters", "死信", std::to_string(stats.dead));
  if (stats.oldest_ms) row(options, "oldest", "最早存入", utc_text(*stats.oldest_ms));
  return kOk;
}

/// All of an event but its body, which is a customer's.
JsonLine& add_event(JsonLine& line, const dingcb::StoredEvent& event) {
  line.text("type", event.type).text("corp_id", event.corp_id).text("source", source_name(event.source));
  if (event.born_ms) line.number("born_ms", *event.born_ms);
  return line.text("dedup_key", event.dedup_key).text("ordering_key", event.ordering_key);
}

JsonLine& add_letter(JsonLine& line, const dingcb::DeadLetter& letter) {
  line.text("id", letter.id).number("attempts", letter.attempts).text("why", letter.why);
  line.number("stored_ms", letter.stored_ms);
  if (letter.buried_ms != 0) line.number("buried_ms", letter.buried_ms);
  return add_event(line, letter.event);
}

std::string buried_text(const dingcb::DeadLetter& letter) {
  return letter.buried_ms == 0 ? std::string() : utc_text(letter.buried_ms);
}

void show_event(const Options& options, const dingcb::StoredEvent& event) {
  row(options, "type", "类型", event.type);
  row(options, "corp", "组织", event.corp_id);
  row(options, "source", "来源", source_name(event.source));
  if (event.born_ms) row(options, "happened", "发生时间", utc_text(*event.born_ms));
  row(options, "dedup key", "去重键", event.dedup_key);
  row(options, "ordering key", "排序键", event.ordering_key);
  print(printable(event.body, true) + '\n');
}

/// Shows letters whole, bodies and all.
int show_letters(const Options& options, const Store& store, dingcb::Inbox& inbox) {
  int exit = kOk;
  for (const std::string& id : options.names) {
    const auto letter = store.need(inbox.dead_letter(id));
    if (!letter) {
      complain("dingcb: there is no dead letter " + printable(id));
      exit = kNo;
    } else if (options.json) {
      JsonLine line;
      print(add_letter(line, *letter).text("body", letter->event.body).line());
    } else {
      row(options, "id", "编号", letter->id);
      row(options, "attempts", "尝试次数", std::to_string(letter->attempts));
      row(options, "why", "原因", letter->why);
      row(options, "stored", "存入时间", utc_text(letter->stored_ms));
      row(options, "buried", "成为死信", buried_text(*letter));
      show_event(options, letter->event);
    }
  }
  return exit;
}

void list_letters(const Options& options, const std::vector<dingcb::DeadLetter>& letters) {
  if (options.json) {
    for (const dingcb::DeadLetter& letter : letters) {
      JsonLine line;
      print(add_letter(line, letter).line());
    }
    return;
  }
  const bool zh = is_zh(options);
  using Cells = std::array<std::string, 5>;
  std::vector<Cells> table{zh ? Cells{"编号", "成为死信", "次数", "类型", "组织"}
                              : Cells{"id", "buried", "attempts", "type", "corp"}};
  for (const dingcb::DeadLetter& letter : letters) {
    table.push_back({letter.id, buried_text(letter), std::to_string(letter.attempts), printable(letter.event.type),
                     printable(letter.event.corp_id)});
  }
  std::array<std::size_t, 5> wide{0, 0, 8, 0, 0};
  for (const Cells& cells : table) {
    for (std::size_t i = 0; i < cells.size(); ++i) wide[i] = std::max(wide[i], cells[i].size());
  }
  for (std::size_t i = 0; i < table.size(); ++i) {
    std::string line;
    for (std::size_t column = 0; column < wide.size(); ++column) line += padded(table[i][column], wide[column] + 2);
    line += i == 0 ? std::string(zh ? "原因" : "why") : printable(letters[i - 1].why);
    line += '\n';
    print(line);
  }
}

int dead(const Options& options) {
  const Store store(options.store);
  const auto inbox = store.open();
  if (!options.names.empty()) return show_letters(options, store, *inbox);
  const auto letters = store.need(inbox->dead_letters(options.query));
  if (letters.empty() && !options.json) {
    print(is_zh(options) ? "没有死信\n" : "no dead letters\n");
  } else {
    list_letters(options, letters);
  }
  if (letters.size() == options.query.limit) complain("there may be more: --after " + letters.back().id);
  return kOk;
}

using Change = dingcb::Result<std::size_t> (dingcb::Inbox::*)(const std::vector<std::string>&);

/// Requeues or purges what is named, or all that is listed.
int change(const Options& options, Change change, const char* key, const char* en_done, const char* zh_done) {
  const Store store(options.store);
  const auto inbox = store.open();
  std::vector<std::string> ids = options.names;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::size_t count = 0;
  if (options.all) {
    dingcb::DeadQuery query = options.query;
    for (;;) {  // a letter that is buried again meanwhile keeps its id, and is not met again
      ids.clear();
      for (const dingcb::DeadLetter& letter : store.need(inbox->dead_letters(query))) ids.push_back(letter.id);
      if (ids.empty()) break;
      query.after = ids.back();
      count += store.need((inbox.get()->*change)(ids));
    }
  } else {
    count = store.need((inbox.get()->*change)(ids));
  }
  const std::size_t missing = options.all ? 0 : ids.size() - count;
  if (options.json) {
    print(JsonLine()
              .boolean("ok", missing == 0)
              .number(key, static_cast<std::int64_t>(count))
              .number("missing", static_cast<std::int64_t>(missing))
              .line());
  } else {
    print(std::to_string(count) + (is_zh(options) ? zh_done : en_done) + '\n');
    if (missing != 0) complain("dingcb: " + std::to_string(missing) + " of the ids name no dead letter");
  }
  return missing == 0 ? kOk : kNo;
}

int latest(const Options& options) {
  const Store store(options.store);
  const auto event = store.need(store.open()->latest(options.names.front()));
  if (!event) {
    complain("dingcb: nothing has come for this key");
    return kNo;
  }
  if (options.json) {
    JsonLine line;
    print(add_event(line, *event).text("body", event->body).line());
  } else {
    show_event(options, *event);
  }
  return kOk;
}

/// Where an option means something, and how many names an action takes.
void check(const CLI::App& verb, const Options& options) {
  struct Rule {
    const char* option;
    std::string_view actions;
  };
  static constexpr std::array kRules{Rule{"--type", "dead requeue purge"},
                                     Rule{"--corp", "dead requeue purge"},
                                     Rule{"--limit", "dead"},
                                     Rule{"--after", "dead"},
                                     Rule{"--all", "requeue purge"},
                                     Rule{"--print-schema", "setup"},
                                     Rule{"--no-index", "setup"}};
  const std::string title = "inbox " + options.action;
  const std::string help = "see dingcb inbox --help";
  for (const Rule& rule : kRules) {
    if (verb.get_option(rule.option)->count() != 0 && rule.actions.find(options.action) == std::string_view::npos) {
      throw Failure(kUsage, std::string(rule.option) + " does not go with " + title, help);
    }
  }
  if (!options.store.rds && options.query.after.find_first_not_of("0123456789") != std::string::npos) {
    throw Failure(kUsage, "--after takes the id of a dead letter, which is a number", help);
  }
  const bool changes = options.action == "requeue" || options.action == "purge";
  if (options.names.empty()) {
    if (options.action == "latest") throw Failure(kUsage, title + " takes one key", help);
    if (changes && !options.all) throw Failure(kUsage, title + " takes ids, or --all", help);
    return;
  }
  const bool filtered = verb.get_option("--type")->count() + verb.get_option("--corp")->count() +
                            verb.get_option("--limit")->count() + verb.get_option("--after")->count() !=
                        0;
  if (options.all || filtered) throw Failure(kUsage, title + " takes ids, or what chooses among all; not both", help);
  if (options.action == "setup" || options.action == "stats") throw Failure(kUsage, title + " takes no ids", help);
  if (options.action == "latest" && options.names.size() != 1) throw Failure(kUsage, title + " takes one key", help);
}

int run(const CLI::App& verb, const Options& options) {
  check(verb, options);
  if (options.action == "setup") return setup(options);
  if (options.action == "stats") return stats(options);
  if (options.action == "dead") return dead(options);
  if (options.action == "requeue")
    return change(options, &dingcb::Inbox::requeue, "requeued", " requeued", " 条已重新排队");
  if (options.action == "purge") return change(options, &dingcb::Inbox::purge, "purged", " purged", " 条已删除");
  return latest(options);
}

}  // namespace

void add_inbox(CLI::App& app, int& exit) {
  auto* const verb =
      app.add_subcommand("inbox", "Sets up an inbox, counts what is in it, and works on its dead letters");
  const auto options = std::make_shared<Options>();
  verb->add_option("action", options->action, "What to do")
      ->required()
      ->check(CLI::IsMember({"setup", "stats", "dead", "requeue", "purge", "latest"}));
  verb->add_option("id", options->names,
                   "Ids of dead letters for dead, which then shows them whole, requeue and purge; the key for latest")
      ->type_name("TEXT");
  add_store(*verb, options->store);
  add_language(*verb, options->lang);
  verb->add_flag("--json", options->json, "One JSON object a line");
  const char* const group = "Dead letters";
  verb->add_option("--type", options->query.type, "Only those of this event type")->type_name("TEXT")->group(group);
  verb->add_option("--corp", options->query.corp_id, "Only those of this organisation")
      ->type_name("CORPID")
      ->group(group);
  verb->add_option("--limit", options->query.limit, "At most so many in a list")
      ->check(CLI::Range(1, 10000))
      ->type_name("NUMBER")
      ->capture_default_str()
      ->group(group);
  verb->add_option("--after", options->query.after, "Only those behind this id, which was the last of a list")
      ->type_name("ID")
      ->group(group);
  verb->add_flag("--all", options->all, "requeue and purge: all, or all of --type and --corp")->group(group);
  const char* const setup_group = "Set-up";
  verb->add_flag("--print-schema", options->print_schema, "Prints the SQL of the tables instead, for MySQL")
      ->group(setup_group);
  verb->add_flag("--no-index", options->no_index, "Adds no index to DingTalk's tables")
      ->needs("--rds")
      ->group(setup_group);
  verb->footer(
      "setup    makes the file or the tables, or brings those of an older release up to date; may run at every start\n"
      "stats    counts what is pending, claimed and dead\n"
      "dead     lists dead letters; shows those whose ids are given whole, with what customers wrote\n"
      "requeue  has dead letters handled again\n"
      "purge    drops dead letters for good\n"
      "latest   shows the newest event of a state, such as suite_ticket/SUITEKEY, which holds a secret\n"
      "No option takes the password, since others could see it: DINGCB_MYSQL_PASSWORD, --password-file or --config.\n"
      "Examples:\n"
      "  dingcb inbox setup --mysql db.example.com --database dingcb --user dingcb --password-file /run/secrets/db\n"
      "  dingcb inbox setup --print-schema >dingcb.sql\n"
      "  dingcb inbox stats --sqlite events.db --json\n"
      "  dingcb inbox dead --sqlite events.db --type user_add_org\n"
      "  dingcb inbox requeue --sqlite events.db 17 18");
  verb->callback([verb, options, &exit] { exit = run(*verb, *options); });
}

}  // namespace command
