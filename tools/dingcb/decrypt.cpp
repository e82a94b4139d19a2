// dingcb decrypt: opens captured pushes and replies.
#include "command.hpp"
#include "exchanges.hpp"
#include "json.hpp"
#include "settings.hpp"

#include <memory>

namespace command {

namespace {

struct Options {
  Settings settings;
  Source source;
  bool json = false;
  bool pretty = false;
  bool no_newline = false;
};

std::string pretty(const std::string& plaintext) {
  const JsonDocument document = parse_json(plaintext);
  return document.HasParseError() ? plaintext : to_pretty_text(document);
}

bool decrypt(const Options& options, const dingcb::Encryptor& encryptor, const Exchange& exchange) {
  const Parts parts = parts_of(exchange);
  const auto opened = encryptor.decrypt(parts.push());
  const std::string where = exchange.name.empty() ? "" : exchange.name + ": ";
  if (!opened) {
    const dingcb::Error& error = opened.error();
    if (options.json) {
      JsonLine line;
      line.boolean("ok", false);
      if (!exchange.name.empty()) line.text("name", exchange.name);
      if (const int code = dingcb::official_code(error.code); code != 0) line.number("code", code);
      print(line.text("error", error.message).line());
    } else {
      complain("dingcb: " + where + error.message.str());
      complain("  to see what is wrong: dingcb diagnose, with the same arguments");
    }
    return false;
  }
  if (options.json) {
    JsonLine line;
    line.boolean("ok", true);
    if (!exchange.name.empty()) line.text("name", exchange.name);
    line.text("kind", parts.is_reply ? "reply" : "push").text("plaintext", opened->plaintext);
    line.text("owner_key", opened->owner_key);
    if (!opened->label.empty()) line.text("app", opened->label);
    print(line.line());
  } else {
    print((options.pretty ? pretty(opened->plaintext) : opened->plaintext) + (options.no_newline ? "" : "\n"));
  }
  return true;
}

}  // namespace

void add_decrypt(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("decrypt", "Verifies and opens captured pushes or replies");
  const auto options = std::make_shared<Options>();
  add_source(*verb, options->source);
  add_settings(*verb, options->settings);
  verb->add_flag("--json", options->json, "One JSON object a request: ok, plaintext, owner_key, or ok, code, error");
  verb->add_flag("--pretty", options->pretty, "Lays JSON out over several lines");
  verb->add_flag("-n,--no-newline", options->no_newline, "Prints the plaintext alone, byte by byte");
  verb->footer(
      "Examples:\n"
      "  dingcb decrypt request.txt --config dingcb.env\n"
      "  dingcb decrypt --query 'signature=...&timestamp=...&nonce=...' --body @body.json\n"
      "  dingcb decrypt --curl @copied-from-the-browser.txt --pretty\n"
      "  dingcb decrypt recorded.har --nth 2\n"
      "  curl -s ... | dingcb decrypt            a reply of your endpoint");
  verb->callback([options, &exit] {
    const dingcb::Encryptor encryptor = make_encryptor(complete_credentials(options->settings));
    exit = kOk;
    for (const Exchange& exchange : read_exchanges(options->source)) {
      if (!decrypt(*options, encryptor, exchange)) exit = kNo;
    }
  });
}

}  // namespace command
