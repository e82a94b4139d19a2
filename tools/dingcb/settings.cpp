#include "settings.hpp"

#include "json.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace command {

namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

/// A secret from the command line, where `@FILE` keeps it out of the list of processes. The last line break is not part
/// of it.
std::string secret_of(const std::string& flag) {
  std::string secret = text_of(flag);
  if (flag.front() == '@' || flag == "-") {
    while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  }
  return secret;
}

struct InboxName {
  const char* variable;
  const char* key;
  std::string InboxSettings::*value;
};
constexpr std::array kInboxNames{InboxName{"DINGCB_SQLITE", "sqlite", &InboxSettings::sqlite},
                                 InboxName{"DINGCB_MYSQL", "mysql", &InboxSettings::mysql},
                                 InboxName{"DINGCB_MYSQL_USER", "user", &InboxSettings::user},
                                 InboxName{"DINGCB_MYSQL_PASSWORD", "password", &InboxSettings::password},
                                 InboxName{"DINGCB_MYSQL_DATABASE", "database", &InboxSettings::database},
                                 InboxName{"DINGCB_MYSQL_PREFIX", "prefix", &InboxSettings::prefix},
                                 InboxName{"DINGCB_MYSQL_CA", "tls_ca", &InboxSettings::tls_ca}};

/// What a file of settings says.
struct Contents {
  std::vector<dingcb::Credential> credentials;
  InboxSettings inbox;
};

std::string text_of(const JsonValue& value, const std::string& key, const std::string& file) {
  if (value.IsString()) return {value.GetString(), value.GetStringLength()};
  throw Failure(kInput, file + ": \"" + key + "\" has to be a text");
}

InboxSettings inbox_in(const JsonValue& document, const std::string& file) {
  InboxSettings inbox;
  const JsonValue* const object = member_of(document, "inbox");
  if (object == nullptr) return inbox;
  if (!object->IsObject()) throw Failure(kInput, file + ": \"inbox\" is no JSON object");
  for (const auto& member : object->GetObject()) {
    const std::string key(member.name.GetString(), member.name.GetStringLength());
    const auto* const name =
        std::find_if(kInboxNames.begin(), kInboxNames.end(), [&key](const InboxName& one) { return one.key == key; });
    if (name == kInboxNames.end()) {
      throw Failure(kInput, file + ": nobody knows the key \"" + key + "\" of \"inbox\"",
                    "write \"sqlite\", or \"mysql\", \"user\", \"password\", \"database\", \"prefix\" and \"tls_ca\"");
    }
    inbox.*name->value = text_of(member.value, key, file);
  }
  return inbox;
}

/// @param whole whether it is all of the file, where an inbox may stand beside the app.
dingcb::Credential from_json(const JsonValue& object, const std::string& file, bool whole) {
  dingcb::Credential credential;
  if (!object.IsObject()) throw Failure(kInput, file + ": an app is no JSON object", "see dingcb keygen --json");
  for (const auto& member : object.GetObject()) {
    const std::string key(member.name.GetString(), member.name.GetStringLength());
    const auto text = [&](const JsonValue& value) { return text_of(value, key, file); };
    if (whole && key == "inbox") continue;
    if (key == "token") {
      credential.token = text(member.value);
    } else if (key == "aes_key") {
      credential.aes_key = text(member.value);
    } else if (key == "label") {
      credential.label = text(member.value);
    } else if (key == "owner_key") {
      credential.owner_keys = split(text(member.value));
    } else if (key == "owner_keys" && member.value.IsArray()) {
      for (const auto& one : member.value.GetArray()) credential.owner_keys.push_back(text(one));
    } else {
      throw Failure(kInput, file + ": nobody knows the key \"" + key + "\"",
                    "write \"token\", \"aes_key\", \"owner_keys\" (a list) and, with several apps, \"label\"");
    }
  }
  return credential;
}

Contents from_json_file(const std::string& text, const std::string& file) {
  const JsonDocument document = parse_json(text);
  if (document.HasParseError()) {
    throw Failure(kInput, file + ": no JSON; byte " + std::to_string(document.GetErrorOffset()) + " is wrong");
  }
  Contents contents;
  contents.inbox = inbox_in(document, file);
  std::vector<dingcb::Credential>& credentials = contents.credentials;
  if (const JsonValue* const apps = member_of(document, "apps")) {
    if (!apps->IsArray()) throw Failure(kInput, file + ": \"apps\" has to be a list");
    for (const auto& app : apps->GetArray()) credentials.push_back(from_json(app, file, false));
  } else {
    credentials.push_back(from_json(document, file, true));
  }
  return contents;
}

/// Lines like those of a shell: NAME=VALUE, with or without `export` and quotes.
Contents from_lines(const std::string& text, const std::string& file) {
  Contents contents;
  dingcb::Credential& credential = contents.credentials.emplace_back();
  std::istringstream in(text);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] == '#') continue;
    line.erase(0, first);
    if (line.compare(0, 7, "export ") == 0) line.erase(0, 7);
    const std::size_t equals = line.find('=');
    const std::string name = line.substr(0, equals);
    std::string value = equals == std::string::npos ? std::string() : line.substr(equals + 1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    const auto* const inbox = std::find_if(kInboxNames.begin(), kInboxNames.end(),
                                           [&name](const InboxName& one) { return one.variable == name; });
    if (inbox != kInboxNames.end()) {
      contents.inbox.*inbox->value = value;
    } else if (name == "DINGCB_TOKEN") {
      credential.token = value;
    } else if (name == "DINGCB_AES_KEY") {
      credential.aes_key = value;
    } else if (name == "DINGCB_OWNER_KEY") {
      credential.owner_keys = split(value);
    } else if (name.compare(0, 7, "DINGCB_") == 0 || equals == std::string::npos) {
      throw Failure(kInput, file + ": line " + std::to_string(number) + " is no setting",
                    "write DINGCB_TOKEN=..., DINGCB_AES_KEY=... and DINGCB_OWNER_KEY=..., one a line");
    }  // else a variable of somebody else: an .env file has many readers
  }
  return contents;
}

std::string default_file() {
  std::string folder = environment("XDG_CONFIG_HOME");
  if (folder.empty() && !environment("HOME").empty()) folder = environment("HOME") + "/.config";
  const std::string file = folder + "/dingcb/config";
  return !folder.empty() && std::filesystem::exists(file) ? file : std::string();
}

Contents from_file(std::string file) {
  if (file.empty()) file = environment("DINGCB_CONFIG");
  if (file.empty()) file = default_file();
  if (file.empty()) return {};
  const std::string text = content_of(file);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') return from_json_file(text, file);
  return from_lines(text, file);
}

std::string labels_of(const std::vector<dingcb::Credential>& credentials) {
  std::string labels;
  for (const auto& one : credentials) labels += (labels.empty() ? "" : ", ") + (one.label.empty() ? "?" : one.label);
  return labels;
}

constexpr const char* kGroup = "Settings";

}  // namespace

void add_config(CLI::App& verb, std::string& file) {
  verb.add_option("--config", file,
                  "File with the settings, as keygen writes it, or JSON; otherwise DINGCB_CONFIG, or "
                  "~/.config/dingcb/config where it exists")
      ->type_name("FILE")
      ->group(kGroup);
}

InboxSettings complete_inbox_settings(InboxSettings flags, const std::string& file) {
  InboxSettings variables;
  for (const InboxName& name : kInboxNames) variables.*name.value = environment(name.variable);
  for (const InboxSettings& next : {variables, from_file(file).inbox}) {
    // Of two places the nearer one counts, whatever kind the other is.
    const bool has_place = !flags.sqlite.empty() || !flags.mysql.empty();
    for (const InboxName& name : kInboxNames) {
      const bool place = name.value == &InboxSettings::sqlite || name.value == &InboxSettings::mysql;
      if ((flags.*name.value).empty() && !(place && has_place)) flags.*name.value = next.*name.value;
    }
  }
  if (!flags.sqlite.empty() && !flags.mysql.empty()) {
    throw Failure(kInput, "the environment or the file of settings names two inboxes",
                  "set one of DINGCB_SQLITE and DINGCB_MYSQL, or give --sqlite or --mysql");
  }
  return flags;
}

void add_settings(CLI::App& verb, Settings& flags) {
  const char* const group = kGroup;
  verb.add_option("--token", flags.token, "Token, or @FILE; otherwise DINGCB_TOKEN")
      ->type_name("TEXT|@FILE")
      ->group(group);
  verb.add_option("--aes-key", flags.aes_key, "EncodingAESKey, 43 characters, or @FILE; otherwise DINGCB_AES_KEY")
      ->type_name("TEXT|@FILE")
      ->group(group);
  verb.add_option("--owner-key", flags.owner_keys,
                  "AppKey, CorpId, SuiteKey or customKey; may be repeated; otherwise DINGCB_OWNER_KEY, with commas")
      ->type_name("TEXT")
      ->delimiter(',')
      ->allow_extra_args(false)  // what follows is the file
      ->group(group);
  add_config(verb, flags.file);
  verb.add_option("--app", flags.app, "The one app of the file's \"apps\" that has this label")
      ->type_name("LABEL")
      ->group(group);
}

std::vector<dingcb::Credential> credentials_of(const Settings& flags) {
  std::vector<dingcb::Credential> credentials = from_file(flags.file).credentials;
  if (!flags.app.empty()) {
    const auto found = std::find_if(credentials.begin(), credentials.end(),
                                    [&flags](const dingcb::Credential& one) { return one.label == flags.app; });
    if (found == credentials.end()) {
      throw Failure(kInput, "the file of settings has no app " + flags.app,
                    credentials.empty() ? "give the file with --config" : "it has: " + labels_of(credentials));
    }
    credentials = {*found};
  }
  dingcb::Credential given;
  given.token = flags.token.empty() ? environment("DINGCB_TOKEN") : secret_of(flags.token);
  given.aes_key = flags.aes_key.empty() ? environment("DINGCB_AES_KEY") : secret_of(flags.aes_key);
  given.owner_keys = flags.owner_keys.empty() ? split(environment("DINGCB_OWNER_KEY")) : flags.owner_keys;
  const bool any = !given.token.empty() || !given.aes_key.empty() || !given.owner_keys.empty();
  if (credentials.empty()) credentials.emplace_back();
  if (any && credentials.size() > 1) {
    throw Failure(kUsage, "the file of settings has several apps, so that a single token or key fits none",
                  "choose one with --app LABEL: " + labels_of(credentials));
  }
  if (!given.token.empty()) credentials.front().token = given.token;
  if (!given.aes_key.empty()) credentials.front().aes_key = given.aes_key;
  if (!given.owner_keys.empty()) credentials.front().owner_keys = given.owner_keys;
  return credentials;
}

std::vector<dingcb::Credential> complete_credentials(const Settings& flags) {
  std::vector<dingcb::Credential> credentials = credentials_of(flags);
  for (const dingcb::Credential& one : credentials) {
    std::string missing;
    std::string advice;
    const auto check = [&](bool is_missing, const char* what, const char* variable, const char* flag) {
      if (!is_missing) return;
      missing += (missing.empty() ? "" : ", ") + std::string(what);
      advice += (advice.empty() ? "" : ", ") + std::string(variable) + " or " + flag;
    };
    check(one.token.empty(), "the token", "DINGCB_TOKEN", "--token");
    check(one.aes_key.empty(), "the EncodingAESKey", "DINGCB_AES_KEY", "--aes-key");
    check(one.owner_keys.empty(), "the owner key", "DINGCB_OWNER_KEY", "--owner-key");
    if (!missing.empty()) throw Failure(kInput, "missing: " + missing, "set " + advice + ", or all in --config FILE");
  }
  return credentials;
}

dingcb::Credential complete_credential(const Settings& flags) {
  std::vector<dingcb::Credential> credentials = complete_credentials(flags);
  if (credentials.size() > 1) {
    throw Failure(kUsage, "the file of settings has several apps", "choose one with --app: " + labels_of(credentials));
  }
  make_encryptor(credentials);  // for its checks
  return credentials.front();
}

dingcb::Encryptor make_encryptor(std::vector<dingcb::Credential> credentials, dingcb::Encryptor::Options options) {
  auto encryptor = dingcb::Encryptor::create(std::move(credentials), std::move(options));
  if (encryptor) return *std::move(encryptor);
  const bool crypto = encryptor.error().code == dingcb::Errc::crypto_unavailable;
  throw Failure(crypto ? kInternal : kInput, encryptor.error().message.str());
}

}  // namespace command
