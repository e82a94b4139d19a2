// dingcb encrypt: seals a text, as DingTalk's push or as the reply to one.
#include "command.hpp"
#include "exchanges.hpp"
#include "json.hpp"
#include "settings.hpp"

#include <dingcb/testkit.hpp>

#include <memory>

namespace command {

namespace {

struct Options {
  Settings settings;
  std::string text = "-";
  std::string as = "reply";
  std::string url = "http://127.0.0.1:8080/callback";
};

/// A reply is sealed with what opened a push, so that there has to be one.
std::string seal_reply(const dingcb::Credential& credential, const std::string& text) {
  const auto encryptor = make_encryptor({credential});
  const dingcb::testkit::SignedPush push = dingcb::testkit::Platform(credential).push("{}");
  Exchange exchange;
  exchange.target = '?' + push.query;
  exchange.body = push.body;
  const auto opened = encryptor.decrypt(parts_of(exchange).push());
  return encryptor.encrypt_reply(text, opened.value()).value().to_json();
}

std::string seal_push(const Options& options, const dingcb::Credential& credential, const std::string& text) {
  const dingcb::testkit::SignedPush push = dingcb::testkit::Platform(credential).push(text);
  if (options.as == "json") {
    return JsonLine().text("query", push.query).text("body", push.body).object();
  }
  const std::string target = options.url + (options.url.find('?') == std::string::npos ? '?' : '&') + push.query;
  if (options.as == "curl") {
    return "curl " + shell_quoted(target) + " -H 'Content-Type: application/json' --data-raw " +
           shell_quoted(push.body);
  }
  const std::size_t scheme = target.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t path = std::min(target.find_first_of("/?", host), target.size());
  return "POST " + std::string(target[path] == '/' ? "" : "/") + target.substr(path) +
         " HTTP/1.1\r\nHost: " + target.substr(host, path - host) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(push.body.size()) + "\r\n\r\n" +
         push.body;
}

void encrypt(const Options& options) {
  const dingcb::Credential credential = complete_credential(options.settings);
  const std::string text = text_of(options.text);
  std::string result = options.as == "reply" ? seal_reply(credential, text) : seal_push(options, credential, text);
  if (options.as != "raw") result += '\n';  // there it would become a part of the body
  print(result);
}

}  // namespace

void add_encrypt(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("encrypt", "Seals a text, as a reply or as a push");
  const auto options = std::make_shared<Options>();
  add_settings(*verb, options->settings);
  verb->add_option("text", options->text, "What to seal, @FILE, or - for stdin, which is the default")
      ->type_name("TEXT");
  verb->add_option(
          "--as", options->as,
          "reply (its JSON), json (a push: query and body), curl (a push as a command line) or raw (a push as an "
          "HTTP request)")
      ->check(CLI::IsMember({"reply", "json", "curl", "raw"}))
      ->capture_default_str();
  verb->add_option("--url", options->url, "Where --as curl and raw are sent")->capture_default_str();
  verb->footer(
      "Examples:\n"
      "  dingcb encrypt success --config dingcb.env\n"
      "  dingcb encrypt '{\"EventType\":\"check_url\"}' --as curl --url https://example.com/callback\n"
      "  dingcb encrypt @event.json --as raw | dingcb decrypt");
  verb->callback([options, &exit] {
    encrypt(*options);
    exit = kOk;
  });
}

}  // namespace command
