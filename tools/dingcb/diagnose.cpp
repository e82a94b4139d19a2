// dingcb diagnose: the cause, what was seen, what to do.
#include "command.hpp"
#include "exchanges.hpp"
#include "json.hpp"
#include "judging.hpp"
#include "settings.hpp"

#include <ctime>
#include <memory>

namespace command {

namespace {

struct Options {
  Settings settings;
  Source source;
  std::string lang;
  bool json = false;
  bool reply = false;
  int status = 200;
  double elapsed_ms = -1;
  double deadline_ms = 2500;
  std::string expected = "success";
};

/// One thing that was seen, with a name in both languages.
struct Fact {
  const char* key;
  const char* zh;
  std::string value;
};

std::string masked(const std::string& key) {
  return key.size() < 12 ? "****" : key.substr(0, 4) + "****" + key.substr(key.size() - 4);
}

std::string counted(std::size_t count, Language language) {
  return std::to_string(count) + (language == Language::zh ? " 个字符" : " characters");
}

/// A timestamp, with the time that it means. Control characters would upset the terminal.
std::string dated(const std::string& timestamp, Language language) {
  const std::int64_t time = time_in(timestamp);
  if (time < 0) return counted(timestamp.size(), language);
  const auto clock = static_cast<std::time_t>(time / 1000);
  std::tm utc{};
  gmtime_r(&clock, &utc);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return timestamp + " (" + std::string(text, size) + ')';
}

std::vector<Fact> facts_of(const Parts& parts, const std::vector<dingcb::Credential>& credentials, Language language) {
  std::string owners;
  for (const dingcb::Credential& one : credentials) {
    for (const std::string& key : one.owner_keys) owners += (owners.empty() ? "" : ", ") + masked(key);
  }
  return {{"signature", "签名", counted(parts.signature.size(), language)},
          {"timestamp", "时间戳", dated(parts.timestamp, language)},
          {"nonce", "随机串", counted(parts.nonce.size(), language)},
          {"encrypt", "密文", counted(parts.encrypt.size(), language)},
          {"owner keys", "已配置 owner key", owners}};
}

std::vector<Fact> facts_of(const Answer& answer, const std::string& plaintext, Language language) {
  std::vector<Fact> facts{{"status", "状态码", std::to_string(answer.status)},
                          {"body", "正文", counted(answer.body.size(), language)}};
  if (answer.elapsed_ms >= 0) {
    facts.push_back({"time", "耗时", std::to_string(static_cast<long long>(answer.elapsed_ms)) + " ms"});
  }
  if (!plaintext.empty()) facts.push_back({"plaintext", "明文", counted(plaintext.size(), language)});
  return facts;
}

void show(const Options& options, Language language, const std::string& name, const std::string& kind,
          const Finding& finding, const std::vector<Fact>& facts) {
  if (options.json) {
    JsonLine line;
    if (!name.empty()) line.text("name", name);
    line.text("kind", kind).boolean("ok", finding.good()).text("cause", finding.cause).text("part", finding.part);
    line.text("en", finding.en).text("zh", finding.zh);
    JsonLine seen;
    for (const Fact& fact : facts) seen.text(fact.key, fact.value);
    line.json("seen", seen.object()).text("docs", finding.docs).text("page", finding.page);
    print(line.line());
    return;
  }
  const bool zh = language == Language::zh;
  const auto row = [zh](const char* en_name, const char* zh_name, const std::string& value) {
    print(padded(zh ? zh_name : en_name, 11) + value + '\n');
  };
  if (!name.empty()) row("request", "请求", name);
  if (kind == "answer") {
    row("cause", "原因", finding.cause + (zh ? "（应答）" : " (answer)"));
  } else {
    row("cause", "原因", finding.cause);
  }
  row("finding", "结论", finding.in(language));
  std::string seen;
  for (const Fact& fact : facts) {
    seen += (seen.empty() ? "" : "; ") + std::string(zh ? fact.zh : fact.key) + ' ' + fact.value;
  }
  if (!seen.empty()) row("seen", "所见", seen);
  row("docs", "文档", finding.docs + ", " + finding.page);
}

bool diagnose_answer(const Options& options, Language language, const dingcb::Credential& credential,
                     const Exchange& exchange) {
  Answer answer;
  answer.status = exchange.has_answer ? exchange.status : options.status;
  answer.body = exchange.has_answer ? exchange.answer : exchange.body;
  answer.elapsed_ms = options.elapsed_ms >= 0 ? options.elapsed_ms : exchange.elapsed_ms;
  answer.deadline_ms = options.deadline_ms;
  answer.expected = options.expected;
  answer.now_ms = exchange.at_ms;
  if (exchange.has_request && exchange.has_answer) {
    answer.push_timestamp = parts_of(exchange).timestamp;
    if (answer.now_ms < 0) answer.now_ms = time_in(answer.push_timestamp);
  }
  std::string plaintext;
  const Finding finding = judge(dingcb::testkit::Platform(credential), answer, &plaintext);
  show(options, language, exchange.name, "answer", finding, facts_of(answer, plaintext, language));
  return finding.good();
}

/// The credential that the reply has to be sealed with: the one that opens the push.
const dingcb::Credential& credential_for(const std::vector<dingcb::Credential>& credentials, const Exchange& exchange) {
  for (const dingcb::Credential& one : credentials) {
    if (exchange.has_request && make_encryptor({one}).decrypt(parts_of(exchange).push())) return one;
  }
  return credentials.front();
}

bool diagnose(const Options& options) {
  const Language language = language_of(options.lang);
  const std::vector<dingcb::Credential> credentials = complete_credentials(options.settings);
  if (const Finding finding = judge(credentials); !finding.good()) {
    show(options, language, {}, "settings", finding, {});
    return false;
  }
  const dingcb::Encryptor encryptor = make_encryptor(credentials);
  bool good = true;
  for (const Exchange& exchange : read_exchanges(options.source)) {
    const bool body_is_reply = exchange.has_request && parts_of(exchange).is_reply;
    const bool is_reply = options.reply || body_is_reply || !exchange.has_request;
    if (!is_reply) {
      const Finding finding = judge(encryptor, exchange);
      show(options, language, exchange.name, "request", finding, facts_of(parts_of(exchange), credentials, language));
      good = good && finding.good();
    }
    if (is_reply || exchange.has_answer) {
      good = diagnose_answer(options, language, credential_for(credentials, exchange), exchange) && good;
    }
  }
  return good;
}

}  // namespace

void add_diagnose(CLI::App& app, int& exit) {
  auto* const verb =
      app.add_subcommand("diagnose", "Says why a captured push does not open, or an answer does not count");
  const auto options = std::make_shared<Options>();
  add_source(*verb, options->source);
  add_settings(*verb, options->settings);
  add_language(*verb, options->lang);
  verb->add_flag("--json", options->json, "One JSON object a finding: cause, part, en, zh, seen, docs, page");
  const char* const group = "Answers";
  verb->add_flag("--reply", options->reply,
                 "The file is the body of an answer, not a request; seen by itself where it is "
                 "a whole HTTP answer, or has msg_signature")
      ->group(group);
  verb->add_option("--status", options->status, "HTTP status of that answer")
      ->check(CLI::Range(100, 599))
      ->capture_default_str()
      ->group(group);
  verb->add_option("--elapsed", options->elapsed_ms, "Time that it took")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("MS")
      ->group(group);
  verb->add_option("--deadline", options->deadline_ms, "Time that DingTalk waits; 1200 for SyncHTTP")
      ->check(CLI::Range(1.0, 1e9))
      ->type_name("MS")
      ->capture_default_str()
      ->group(group);
  verb->add_option("--expected", options->expected, "What it has to decrypt to")
      ->type_name("TEXT")
      ->capture_default_str()
      ->group(group);
  verb->footer(
      "Ends with 0 where nothing is wrong, with 1 where a cause was found.\n"
      "Examples:\n"
      "  dingcb diagnose request.txt --config dingcb.env\n"
      "  dingcb diagnose --curl @copied-from-the-browser.txt --lang zh\n"
      "  dingcb diagnose recorded.har                         requests and their answers\n"
      "  curl -si ... | dingcb diagnose                       an answer, with status and headers\n"
      "  dingcb diagnose answer.json --reply --elapsed 3100");
  verb->callback([options, &exit] { exit = diagnose(*options) ? kOk : kNo; });
}

}  // namespace command
