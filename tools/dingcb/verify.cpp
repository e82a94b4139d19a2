// dingcb verify: checks the signature alone, for which the token is enough.
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
  int window = 0;
};

bool verify(const Options& options, const dingcb::Encryptor& encryptor, const Exchange& exchange) {
  const auto verified = encryptor.verify(parts_of(exchange).push());
  const bool good = verified.has_value();
  const std::string where = exchange.name.empty() ? "" : exchange.name + ": ";
  if (options.json) {
    JsonLine line;
    line.boolean("ok", good);
    if (!exchange.name.empty()) line.text("name", exchange.name);
    if (!good) {
      if (const int code = dingcb::official_code(verified.error().code); code != 0) line.number("code", code);
      line.text("error", verified.error().message);
    }
    print(line.line());
  } else if (good) {
    print(where + "the signature is right\n");
  } else {
    complain("dingcb: " + where + verified.error().message.str());
    complain("  to see what is wrong: dingcb diagnose, with the same arguments and all settings");
  }
  return good;
}

/// What is not needed here need not be given.
std::vector<dingcb::Credential> with_token(const Settings& settings) {
  std::vector<dingcb::Credential> credentials = credentials_of(settings);
  for (std::size_t i = 0; i < credentials.size(); ++i) {
    if (credentials[i].token.empty()) {
      throw Failure(kInput, "missing: the token", "set DINGCB_TOKEN or --token, or give it in --config FILE");
    }
    credentials[i].aes_key = std::string(43, 'A');
    credentials[i].owner_keys = {std::to_string(i)};
  }
  return credentials;
}

}  // namespace

void add_verify(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("verify", "Checks signatures; the token is enough");
  const auto options = std::make_shared<Options>();
  add_source(*verb, options->source);
  add_settings(*verb, options->settings);
  verb->add_flag("--json", options->json, "One JSON object a request: ok, or ok, code, error");
  verb->add_option("--window", options->window, "Also refuses timestamps that lie this many seconds from now, or more")
      ->check(CLI::Range(1, 1000000))
      ->type_name("SECONDS");
  verb->footer(
      "Examples:\n"
      "  dingcb verify request.txt --token @token.txt\n"
      "  dingcb verify --query 'signature=...&timestamp=...&nonce=...' --body @body.json\n"
      "  dingcb verify --curl @copied-from-the-browser.txt && echo the token is right");
  verb->callback([options, &exit] {
    dingcb::Encryptor::Options encryptor_options;
    encryptor_options.replay_window = dingcb::Milliseconds(std::int64_t{options->window} * 1000);
    const dingcb::Encryptor encryptor = make_encryptor(with_token(options->settings), encryptor_options);
    exit = kOk;
    for (const Exchange& exchange : read_exchanges(options->source)) {
      if (!verify(*options, encryptor, exchange)) exit = kNo;
    }
  });
}

}  // namespace command
