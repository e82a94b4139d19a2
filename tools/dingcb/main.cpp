// The command `dingcb`: plays DingTalk on a desk, and says why a callback fails. Each verb is in a file of its name.
#include "command.hpp"

#include <dingcb/dingcb.hpp>

#include <cstdio>
#include <exception>
#include <new>

namespace {

constexpr const char* kFooter =
    "Settings come from flags, then DINGCB_TOKEN, DINGCB_AES_KEY and DINGCB_OWNER_KEY, then a file (--config, "
    "DINGCB_CONFIG,\n"
    "~/.config/dingcb/config). Secrets are never printed.\n"
    "Exit codes: 0 all is well, 1 what was checked is not, 2 wrong command line, 3 settings or input unusable,\n"
    "4 endpoint or database not reachable, 5 anything else.\n"
    "Examples for a verb: dingcb VERB --help";

void report(const std::string& what, const std::string& advice) {
  command::complain("dingcb: " + what);
  if (!advice.empty()) command::complain("  " + advice);
}

const CLI::App& verb_of(const CLI::App& app) {
  const auto verbs = app.get_subcommands();
  return verbs.empty() ? app : *verbs.front();
}

/// Names of verbs or options, for suggestions.
std::vector<std::string> names_in(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* const verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
  }
  return names;
}

/// Says what a value has to be. CLI11's own text repeats the value, which might be a secret.
std::string allowed(std::string_view message) {
  if (message.find('{') != std::string_view::npos) {
    return "has to be one of " +
           std::string(message.substr(message.find('{') + 1, message.find('}') - message.find('{') - 1));
  }
  if (const std::size_t range = message.find("not in range "); range != std::string_view::npos) {
    return "has to be from " + std::string(message.substr(range + 13));
  }
  return "has to be a positive number";
}

/// Says what is wrong with a command line, without repeating a value.
int usage(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& verb = verb_of(app);
  const bool outside = &verb == &app || !app.remaining().empty();
  const std::string help = "see dingcb" + (outside ? "" : ' ' + verb.get_name()) + " --help";
  const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
  std::vector<std::string> extra = app.remaining();
  if (!outside && extra.empty()) extra = verb.remaining();
  if (code == CLI::ExitCodes::ValidationError || code == CLI::ExitCodes::ConversionError) {
    const std::string_view message = error.what();
    // What was not allowed stands behind its name and a colon; what could not be converted has its name further on.
    std::string_view name = message.substr(0, message.find(':'));
    if (code == CLI::ExitCodes::ConversionError || name.find("--") != std::string_view::npos) {
      name = message.substr(std::min(message.find("--"), message.size()));
    }
    report(std::string(name.substr(0, name.find_first_of(": ="))) + ' ' + allowed(message), help);
  } else if (extra.empty()) {
    report(code == CLI::ExitCodes::RequiredError && outside ? "a verb is missing" : error.what(), help);
  } else {
    const std::string word = extra.front().substr(0, extra.front().find('='));
    const std::string near = command::nearest(word, names_in(outside ? app : verb));
    const std::string advice = near.empty() ? help : "did you mean " + near + "? " + help;
    if (word.compare(0, 1, "-") == 0) {
      report("there is no option " + word, outside ? "options stand behind the verb; " + help : advice);
    } else if (outside) {
      report("there is no verb " + word, advice);
    } else {
      report(verb.get_name() + " takes fewer arguments", "put texts with spaces into quotes; " + help);
    }
  }
  return command::kUsage;
}

int run(int argc, char** argv) {
  CLI::App app("Plays DingTalk on your desk, and says why a callback fails.", "dingcb");
  app.footer(kFooter);
  app.set_version_flag("--version", "dingcb " DINGCB_VERSION_STRING);
  app.require_subcommand(1);
  int exit = command::kInternal;
  command::add_keygen(app, exit);
  command::add_encrypt(app, exit);
  command::add_decrypt(app, exit);
  command::add_verify(app, exit);
  command::add_diagnose(app, exit);
  command::add_events(app, exit);
  command::add_push(app, exit);
  command::add_conform(app, exit);
  command::add_capture(app, exit);
  command::add_replay(app, exit);
  command::add_inbox(app, exit);
  command::add_completion(app, exit);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // help, version
    return app.exit(wanted) == 0 ? command::kOk : command::kInternal;
  } catch (const CLI::ParseError& error) {
    return usage(app, error);
  } catch (const command::Failure& failure) {
    report(failure.what(), failure.advice());
    return failure.exit();
  }
  return exit;
}

}  // namespace

int main(int argc, char** argv) {
  int exit = command::kInternal;
  try {
    exit = run(argc, argv);
  } catch (const std::bad_alloc&) {
    command::complain("dingcb: out of memory");
  } catch (const std::exception& error) {
    report(error.what(), {});
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    command::complain("dingcb: cannot write the output");
    return command::kInternal;
  }
  return exit;
}
