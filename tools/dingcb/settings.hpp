// Credentials, and where an inbox is: from flags, the environment and a file.
#pragma once

#include "command.hpp"

#include <dingcb/encryptor.hpp>

#include <string>
#include <vector>

namespace command {

/// What the flags of a verb say.
struct Settings {
  std::string token;
  std::string aes_key;
  std::vector<std::string> owner_keys;
  std::string file;
  std::string app;
};

void add_settings(CLI::App& verb, Settings& flags);

/// Completes the flags from the environment and then from the file. What is missing stays empty.
/// @return one credential, or all of a file where no app is chosen.
std::vector<dingcb::Credential> credentials_of(const Settings& flags);

/// The same, complete.
/// @throws Failure that says how to give what is missing or wrong.
std::vector<dingcb::Credential> complete_credentials(const Settings& flags);
/// The same for one app.
dingcb::Credential complete_credential(const Settings& flags);

/// Where an inbox is, and what opens it. Empty where nobody says it.
struct InboxSettings {
  std::string sqlite;  ///< File.
  std::string mysql;   ///< `HOST[:PORT]`, or the path of a socket.
  std::string user;
  std::string password;
  std::string database;
  std::string prefix;
  std::string tls_ca;  ///< PEM file.
};

/// Adds --config, for verbs that need no credential.
void add_config(CLI::App& verb, std::string& file);

/// Completes the flags from the environment and then from the file.
/// @return with one of `sqlite` and `mysql` at most. @throws Failure.
InboxSettings complete_inbox_settings(InboxSettings flags, const std::string& file);

/// Makes the Encryptor. @throws Failure.
dingcb::Encryptor make_encryptor(std::vector<dingcb::Credential> credentials, dingcb::Encryptor::Options options = {});

}  // namespace command
