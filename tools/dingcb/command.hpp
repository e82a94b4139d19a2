// What all verbs of the command share: exit codes, failures that say what to type, text in and out.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace command {

/// Exit codes; docs/command.md lists them.
enum Exit : int {
  kOk = 0,
  kNo = 1,           ///< What was checked is not as it should be.
  kUsage = 2,        ///< The command line makes no sense.
  kInput = 3,        ///< Settings or input are missing or unusable.
  kUnreachable = 4,  ///< No HTTP answer, no database, or no port to listen at.
  kInternal = 5,     ///< Neither input nor endpoint is to blame.
};

/// Ends the command. Neither text holds a secret.
class Failure : public std::runtime_error {
 public:
  /// @param advice what to type or do instead.
  Failure(Exit exit, const std::string& what, std::string advice = {})
      : std::runtime_error(what), exit_(exit), advice_(std::move(advice)) {}
  Exit exit() const noexcept { return exit_; }
  const std::string& advice() const noexcept { return advice_; }

 private:
  Exit exit_;
  std::string advice_;
};

enum class Language { en, zh };

/// The language of --lang, or else of the locale in the environment.
Language language_of(const std::string& flag);
/// Adds --lang to a verb.
void add_language(CLI::App& verb, std::string& flag);

/// Takes an argument literally, except `-` (stdin) and `@FILE`.
/// @throws Failure where there is no such file.
std::string text_of(const std::string& argument);
/// Reads a file, `-` being stdin.
std::string content_of(const std::string& file);

/// Prints to stdout. main() reports where that failed.
void print(std::string_view text);
/// Prints a line to stderr.
void complain(std::string_view text);

/// The name nearest to one that was mistyped; empty where none is near.
std::string nearest(std::string_view typed, const std::vector<std::string>& names);

/// Pads a text with spaces to a width in columns, a Chinese character being two wide.
std::string padded(std::string_view text, std::size_t columns);

/// A text without the characters that a terminal obeys, since strangers may have written it.
/// @param lines leaves line breaks and tabs alone.
std::string printable(std::string_view text, bool lines = false);

/// A time in milliseconds since 1970, as `2026-11-25T23:44:19.281Z`.
std::string utc_text(std::int64_t unix_ms);

/// The text within single quotes of a shell.
std::string shell_quoted(const std::string& text);

// One verb each, in a file of its name. `exit` receives the exit code when the verb has run.
void add_keygen(CLI::App& app, int& exit);
void add_encrypt(CLI::App& app, int& exit);
void add_decrypt(CLI::App& app, int& exit);
void add_verify(CLI::App& app, int& exit);
void add_diagnose(CLI::App& app, int& exit);
void add_events(CLI::App& app, int& exit);
void add_push(CLI::App& app, int& exit);
void add_conform(CLI::App& app, int& exit);
void add_capture(CLI::App& app, int& exit);
void add_replay(CLI::App& app, int& exit);
void add_inbox(CLI::App& app, int& exit);
void add_completion(CLI::App& app, int& exit);

}  // namespace command
