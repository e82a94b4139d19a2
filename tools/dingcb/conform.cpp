// dingcb conform: a test suite for any endpoint.
#include "command.hpp"
#include "deliveries.hpp"
#include "json.hpp"
#include "settings.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <set>

namespace command {

namespace {

struct Options {
  Settings settings;
  EndpointOptions endpoint;
  std::vector<std::string> only;
  int concurrency = 4;
  int oversize = 32;
  double deadline_ms = 0;
  bool json = false;
  bool list = false;
  std::string lang;
};

/// What a check came to: its outcomes, or a finding that concerns several of them.
struct Result {
  std::vector<Delivery> deliveries;
  std::vector<Outcome> outcomes;
  Finding more;
};

/// Sends what the checks want.
class Suite {
 public:
  explicit Suite(const Options& options) : options_(options), dingtalk_(complete_credential(options.settings)) {}

  Result send(std::vector<Delivery> deliveries, int concurrency = 1) const {
    Result result;
    for (Delivery& delivery : deliveries) {
      if (options_.deadline_ms > 0) delivery.draft.deadline_ms = options_.deadline_ms;
    }
    result.outcomes =
        deliver_all(dingtalk_, options_.endpoint, deliveries, concurrency, [](std::size_t, const Outcome&) {});
    result.deliveries = std::move(deliveries);
    return result;
  }

  /// Sends a request that is none of DingTalk's, which has to be refused.
  Outcome send_wrong(const std::string& what, const std::string& query, const std::string& body,
                     const Sending& sending) const {
    Endpoint endpoint(options_.endpoint);
    Delivery delivery;
    delivery.forgery = what;
    Outcome outcome;
    outcome.posted = endpoint.post(query, body, sending);
    // Nothing in it was signed, so that there is nothing to compare with.
    outcome.finding = dingtalk_.judge(delivery, {query, body}, outcome.posted);
    return outcome;
  }

  const Options& options() const noexcept { return options_; }
  const DingTalk& dingtalk() const noexcept { return dingtalk_; }

 private:
  const Options& options_;
  DingTalk dingtalk_;
};

Delivery of(Draft draft) {
  Delivery delivery;
  delivery.draft = std::move(draft);
  return delivery;
}

Delivery of_text(const std::string& name, const std::string& plaintext) { return of(draft_of_text(name, plaintext)); }

Delivery of_event(const char* type, const char* mode = "http") { return of(draft_of(event_of(type), mode, {})); }

Result one_event(const Suite& suite, const char* type) { return suite.send({of_event(type)}); }

Result every_type(const Suite& suite, const char* mode) {
  std::vector<Delivery> deliveries;
  for (const EventFacts& event : catalogue()) {
    const bool rows = mode == std::string("sync-http");
    if (!event.is_url_check() && (!rows || event.biz_type)) deliveries.push_back(of(draft_of(event, mode, {})));
  }
  return suite.send(std::move(deliveries), suite.options().concurrency);
}

Result batch(const Suite& suite) {
  std::vector<Draft> rows;
  for (const char* type : {"user_add_org", "org_dept_create", "user_modify_org", "user_add_org"}) {
    rows.push_back(draft_of(event_of(type), "sync-http", {}));
  }
  return suite.send({of(batch_of(rows)), of_text("no rows", R"({"EventType":"SYNC_HTTP_PUSH_MEDIUM","bizData":[]})")});
}

Result letters(const Suite& suite) {
  std::vector<Delivery> deliveries;
  const std::pair<const char*, const char*> texts[] = {
      {"Chinese", "张三提交的报销"}, {"emoji", "🍜 𠮷 🎉"}, {"escapes", "\\\"\\\\\\n\\u0000"}, {"markup", "<&>'=%2B+ /"}};
  for (const auto& [name, text] : texts) {
    deliveries.push_back(of_text(name, std::string(R"({"EventType":"chat_update_title","Title":")") + text + "\"}"));
  }
  return suite.send(std::move(deliveries));
}

/// Every length of the padding, 1 to 32.
Result paddings(const Suite& suite) {
  std::vector<Delivery> deliveries;
  for (std::size_t length = 0; length < 32; ++length) {
    deliveries.push_back(of_text("length " + std::to_string(length),
                                 R"({"EventType":"check_url","a":")" + std::string(length, 'a') + "\"}"));
  }
  return suite.send(std::move(deliveries));
}

Result long_texts(const Suite& suite) {
  std::vector<Delivery> deliveries;
  for (const std::size_t kilobytes : {std::size_t{64}, std::size_t{512}}) {
    deliveries.push_back(of_text(std::to_string(kilobytes) + " KB", R"({"EventType":"chat_update_title","Title":")" +
                                                                        std::string(kilobytes * 1024, 'a') + "\"}"));
  }
  return suite.send(std::move(deliveries));
}

Result duplicates(const Suite& suite) {
  const Delivery event = of_event("user_add_org");
  return suite.send({event, event, event});
}

Result forgeries(const Suite& suite) {
  std::vector<Delivery> deliveries;
  for (const std::string_view forgery : kForgeries) {
    Delivery delivery = of_event("user_add_org");
    delivery.forgery = forgery;
    deliveries.push_back(std::move(delivery));
  }
  return suite.send(std::move(deliveries));
}

Result malformed(const Suite& suite) {
  const Delivery genuine = of_event("check_url");
  const auto push = suite.dingtalk().sign(genuine);
  struct Case {
    const char* name;
    std::string query;
    std::string body;
    const char* method;
  };
  const Case cases[] = {{"query (none)", "", push.body, "POST"},
                        {"body (none)", push.query, "", "POST"},
                        {"body (no JSON)", push.query, "no JSON", "POST"},
                        {"body (without encrypt)", push.query, R"({"encrypted":1})", "POST"},
                        {"body (deep JSON)", push.query, std::string(100000, '['), "POST"},
                        {"ciphertext (3 bytes)", push.query, R"({"encrypt":"AAAA"})", "POST"}};
  Result result;
  for (const Case& one : cases) {
    Sending sending;
    sending.method = one.method;
    result.outcomes.push_back(suite.send_wrong(one.name, one.query, one.body, sending));
    result.deliveries.push_back(of_text(one.name, ""));
  }
  return result;
}

/// A proxy may encode more than it has to.
Result percent_encoding(const Suite& suite) {
  Endpoint endpoint(suite.options().endpoint);
  Delivery delivery = of_event("check_url");
  if (suite.options().deadline_ms > 0) delivery.draft.deadline_ms = suite.options().deadline_ms;
  const auto push = suite.dingtalk().sign(delivery);
  std::string query;
  bool value = false;
  for (const char c : push.query) {
    if (c == '&' || c == '=') value = c == '=';
    const bool encoded = value && c >= 'a' && c <= 'f';
    static constexpr std::string_view kDigits = "0123456789ABCDEF";
    if (encoded) {
      const auto byte = static_cast<unsigned char>(c);
      query += {'%', kDigits[byte / 16], kDigits[byte % 16]};
    } else {
      query += c;
    }
  }
  Outcome outcome;
  outcome.posted = endpoint.post(query, push.body);
  outcome.finding = suite.dingtalk().judge(delivery, push, outcome.posted);
  return {{delivery}, {outcome}, {}};
}

Result spelling(const Suite& suite) {
  Delivery delivery = of_event("check_url");
  delivery.msg_signature = true;
  return suite.send({delivery});
}

Result slow(const Suite& suite) {
  Delivery paused = of_event("user_add_org");
  paused.draft.name = "in two parts";
  paused.draft.deadline_ms += 300;
  paused.sending.pause_ms = 300;
  return suite.send({paused});
}

Result chunked(const Suite& suite) {
  Delivery delivery = of_event("user_add_org");
  delivery.draft.name = "chunked";
  delivery.sending.chunked = true;
  return suite.send({delivery});
}

/// May be refused in any way; the endpoint has to be there afterwards.
Result oversize(const Suite& suite) {
  Delivery large =
      of_text("oversize", R"({"EventType":"x","a":")" +
                              std::string(static_cast<std::size_t>(suite.options().oversize) << 20, 'a') + "\"}");
  large.draft.deadline_ms = suite.options().endpoint.timeout_ms;
  Result result = suite.send({large});
  const Outcome& outcome = result.outcomes.front();
  if (outcome.posted.status < 500 && !outcome.posted.not_connected) result = {};
  Result after = suite.send({of_event("check_url")});
  after.deliveries.front().draft.name = "check_url afterwards";
  result.deliveries.push_back(after.deliveries.front());
  result.outcomes.push_back(after.outcomes.front());
  return result;
}

Result many_at_once(const Suite& suite) {
  std::vector<Delivery> deliveries;
  for (int i = 0; i < 64; ++i) deliveries.push_back(of_event("user_add_org"));
  return suite.send(std::move(deliveries), 32);
}

/// Replies are sealed anew: whoever sees two equal ones knows that the random bytes are not random, or that the reply
/// is a recording.
Result fresh_replies(const Suite& suite) {
  Result result = suite.send({of_event("user_add_org"), of_event("user_leave_org"), of_event("user_modify_org")});
  std::set<std::string> ciphertexts;
  for (const Outcome& outcome : result.outcomes) {
    const JsonDocument body = parse_json(outcome.posted.body);
    if (outcome.finding.good()) ciphertexts.emplace(text_in(body, "encrypt"));
  }
  const auto good = static_cast<std::size_t>(std::count_if(
      result.outcomes.begin(), result.outcomes.end(), [](const Outcome& outcome) { return outcome.finding.good(); }));
  if (ciphertexts.size() < good) {
    result.more =
        not_reached("two replies have the same ciphertext; begin each with 16 new random bytes, and take a new nonce",
                    "两次应答的密文相同；每次应答都要使用新的 16 个随机字节和新的 nonce");
    result.more.cause = "reply_repeated";
    result.more.part = "encrypt";
  }
  return result;
}

Result unknown_events(const Suite& suite) {
  return suite.send(
      {of_text("an unknown type", R"({"EventType":"dingcb_conform_unknown","CorpId":"ding1","x":[{}]})"),
       of_text("an unknown row", R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[{"id":1,"biz_type":99999,)"
                                 R"("corp_id":"ding1","biz_id":"1","subscribe_id":"1_0",)"
                                 R"("biz_data":"{\"syncAction\":\"dingcb_conform_unknown\"}"}]})")});
}

struct Check {
  const char* name;
  const char* en;
  const char* zh;
  std::function<Result(const Suite&)> run;
};

const std::vector<Check>& checks() {
  static const std::vector<Check> all = {
      {"check-url", "the URL check is answered", "应答 URL 校验",
       [](const Suite& s) { return one_event(s, "check_url"); }},
      {"check-create", "the check of a new third-party app", "应答新建第三方应用的校验",
       [](const Suite& s) { return one_event(s, "check_create_suite_url"); }},
      {"check-update", "the check of a changed third-party app", "应答修改第三方应用的校验",
       [](const Suite& s) { return one_event(s, "check_update_suite_url"); }},
      {"msg-signature", "the signature may be called msg_signature", "签名参数可以叫 msg_signature", spelling},
      {"percent", "the query is percent-decoded", "查询串做百分号解码", percent_encoding},
      {"events", "every event type by HTTP", "所有事件类型（HTTP）",
       [](const Suite& s) { return every_type(s, "http"); }},
      {"rows", "every event type by SyncHTTP", "所有事件类型（SyncHTTP）",
       [](const Suite& s) { return every_type(s, "sync-http"); }},
      {"batch", "several rows in a push, and none", "一次推送多行或零行", batch},
      {"unknown", "events that nobody knows yet", "未知的事件类型", unknown_events},
      {"letters", "Chinese, emoji, escapes", "中文、表情与转义", letters},
      {"padding", "every padding, 1 to 32 bytes", "1 到 32 字节的各种补位", paddings},
      {"long", "texts of 64 and 512 KB", "64 KB 和 512 KB 的正文", long_texts},
      {"fresh", "each reply is sealed anew", "每次应答都重新加密", fresh_replies},
      {"duplicates", "the same event three times", "同一事件推送三次", duplicates},
      {"forgeries", "forged pushes are refused", "拒绝伪造的推送", forgeries},
      {"malformed", "requests that are no pushes are refused", "拒绝不是推送的请求", malformed},
      {"chunked", "a body without Content-Length", "没有 Content-Length 的正文", chunked},
      {"slow", "a body in two parts, 300 ms apart", "分两次到达的正文", slow},
      {"many", "64 pushes over 32 connections", "32 个连接上的 64 次推送", many_at_once},
      {"oversize", "a body far too long does no harm", "超大正文不会造成故障", oversize},
  };
  return all;
}

/// The causes of a result, the most frequent first, with an example each.
struct Failed {
  Finding finding;
  std::string example;
  std::size_t count = 0;
};

std::vector<Failed> failures_in(const Result& result) {
  std::vector<Failed> failures;
  const auto add = [&failures](const Finding& finding, const std::string& example) {
    if (finding.good()) return;
    const auto same = std::find_if(failures.begin(), failures.end(),
                                   [&](const Failed& one) { return one.finding.cause == finding.cause; });
    if (same != failures.end()) {
      ++same->count;
    } else {
      failures.push_back({finding, example, 1});
    }
  };
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    const Delivery& delivery = result.deliveries[i];
    add(result.outcomes[i].finding, delivery.forgery.empty() ? delivery.draft.name : "wrong " + delivery.forgery);
  }
  add(result.more, "");
  std::stable_sort(failures.begin(), failures.end(),
                   [](const Failed& a, const Failed& b) { return a.count > b.count; });
  return failures;
}

void show(const Options& options, const Check& check, const Result& result, const std::vector<Failed>& failures,
          std::set<std::string>& explained) {
  std::vector<double> times;
  for (const Outcome& outcome : result.outcomes) times.push_back(outcome.posted.elapsed_ms);
  const auto sent = static_cast<std::int64_t>(result.outcomes.size());
  if (options.json) {
    std::string list = "[";
    for (const Failed& one : failures) {
      list += (list.size() > 1 ? "," : "") + JsonLine()
                                                 .text("cause", one.finding.cause)
                                                 .number("count", static_cast<std::int64_t>(one.count))
                                                 .text("example", one.example)
                                                 .text("en", one.finding.en)
                                                 .text("zh", one.finding.zh)
                                                 .object();
    }
    JsonLine line;
    line.text("check", check.name).boolean("ok", failures.empty()).number("sent", sent);
    line.real("max_ms", percentile(times, 1)).json("failures", list + ']');
    print(line.line());
    return;
  }
  const Language language = language_of(options.lang);
  const bool zh = language == Language::zh;
  print((failures.empty() ? "ok      " : "FAILED  ") + padded(check.name, 15) + padded(zh ? check.zh : check.en, 44) +
        padded(std::to_string(sent), 5) + milliseconds(percentile(times, 1)) + '\n');
  for (const Failed& one : failures) {
    print("        " + one.finding.cause + " (" + std::to_string(one.count) + "x" +
          (one.example.empty() ? "" : ", " + one.example) + ")\n");
    if (explained.insert(one.finding.cause).second) print("          " + one.finding.in(language) + '\n');
  }
  std::fflush(stdout);  // a person watches
}

std::vector<const Check*> chosen_checks(const Options& options) {
  std::vector<std::string> names;
  for (const Check& check : checks()) names.emplace_back(check.name);
  for (const std::string& name : options.only) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string near = nearest(name, names);
      throw Failure(kUsage, "there is no check " + name,
                    (near.empty() ? "" : "did you mean " + near + "? ") + std::string("see dingcb conform --list"));
    }
  }
  std::vector<const Check*> chosen;
  for (const Check& check : checks()) {
    const bool wanted =
        options.only.empty() || std::find(options.only.begin(), options.only.end(), check.name) != options.only.end();
    if (wanted) chosen.push_back(&check);
  }
  return chosen;
}

Exit conform(const Options& options) {
  const bool zh = language_of(options.lang) == Language::zh;
  const std::vector<const Check*> chosen = chosen_checks(options);
  if (options.list) {
    for (const Check* const check : chosen) print(padded(check->name, 15) + (zh ? check->zh : check->en) + '\n');
    return kOk;
  }
  if (options.endpoint.url.empty()) throw Failure(kUsage, "the URL is missing", "see dingcb conform --help");
  const Suite suite(options);
  if (const Result first = one_event(suite, "check_url"); first.outcomes.front().posted.not_connected) {
    throw Failure(kUnreachable, first.outcomes.front().finding.en);
  }
  if (!options.json) {
    print("        " + padded(zh ? "项目" : "check", 59) + padded(zh ? "次数" : "sent", 5) + (zh ? "最慢" : "slowest") +
          '\n');
  }
  std::set<std::string> explained;
  std::size_t good = 0;
  for (const Check* const check : chosen) {
    const Result result = check->run(suite);
    const std::vector<Failed> failures = failures_in(result);
    good += failures.empty() ? std::size_t{1} : std::size_t{0};
    show(options, *check, result, failures, explained);
  }
  const std::size_t bad = chosen.size() - good;
  if (options.json) {
    print(JsonLine()
              .boolean("summary", true)
              .number("passed", static_cast<std::int64_t>(good))
              .number("failed", static_cast<std::int64_t>(bad))
              .line());
  } else {
    print(std::to_string(good) + " passed, " + std::to_string(bad) + " failed\n");
  }
  return bad == 0 ? kOk : kNo;
}

}  // namespace

void add_conform(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("conform", "Runs a whole test suite against an endpoint");
  const auto options = std::make_shared<Options>();
  add_endpoint(*verb, options->endpoint);
  verb->get_option("url")->required(false);  // --list needs none
  add_settings(*verb, options->settings);
  add_language(*verb, options->lang);
  verb->add_option("--only", options->only, "Only this check; may be repeated")
      ->type_name("CHECK")
      ->allow_extra_args(false);
  verb->add_flag("--list", options->list, "Lists the checks and runs none");
  verb->add_option("--concurrency", options->concurrency, "How many pushes at once where there are hundreds")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  verb->add_option("--oversize", options->oversize, "Length of the body that is far too long")
      ->check(CLI::Range(1, 512))
      ->type_name("MB")
      ->capture_default_str();
  verb->add_option("--deadline", options->deadline_ms,
                   "Time within which an answer counts; otherwise 2500, SyncHTTP 1200")
      ->check(CLI::Range(1.0, 1e7))
      ->type_name("MS");
  verb->add_flag("--json", options->json, "One JSON object a check, then one with the summary");
  verb->footer(
      "It sends some hundreds of events with invented content: do not point it at an endpoint in use.\n"
      "Ends with 0 where all checks pass, 1 where one does not, 4 where nobody listens.\n"
      "Examples:\n"
      "  dingcb conform http://127.0.0.1:8080/callback --config dingcb.env\n"
      "  dingcb conform http://127.0.0.1:8080/callback --only forgeries --only malformed\n"
      "  dingcb conform --list");
  verb->callback([options, &exit] { exit = conform(*options); });
}

}  // namespace command
