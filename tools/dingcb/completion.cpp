// dingcb completion: what shells and man want to know, written from the options as they are.
#include "command.hpp"

#include <dingcb/version.hpp>

#include <fstream>
#include <memory>
#include <utility>

namespace command {

namespace {

/// An option as the writers below need it.
struct Flag {
  std::string name;  ///< Without dashes.
  std::string letter;
  std::string description;
  bool has_value = false;
  bool is_file = false;
  std::vector<std::string> values;  ///< All that it takes; empty where it takes anything.
  std::string value_name;
};

/// What stands without dashes.
struct Argument {
  std::string name;
  std::string description;
  std::vector<std::string> values;
};

struct Verb {
  std::string name;
  std::string description;
  std::string examples;
  std::vector<Flag> flags;
  std::vector<Argument> arguments;
};

std::vector<std::string> values_in(const std::string& type) {
  std::vector<std::string> values;
  const std::size_t begin = type.find('{');
  const std::size_t end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return values;
  std::string value;
  for (const char c : type.substr(begin + 1, end - begin - 1) + ',') {
    if (c == ',') {
      values.push_back(std::exchange(value, {}));
    } else {
      value += c;
    }
  }
  return values;
}

Flag flag_of(const CLI::Option& option) {
  Flag flag;
  if (!option.get_lnames().empty()) flag.name = option.get_lnames().front();
  if (!option.get_snames().empty()) flag.letter = option.get_snames().front();
  flag.description = option.get_description();
  flag.has_value = option.get_expected_min() > 0;
  const std::string type = option.get_type_name();
  flag.values = values_in(type);
  flag.is_file = type.find("FILE") != std::string::npos;
  flag.value_name = flag.values.empty() ? type.substr(0, type.find(' ')) : "WORD";
  return flag;
}

std::vector<Verb> verbs_of(const CLI::App& app) {
  std::vector<Verb> verbs;
  for (const CLI::App* const one : app.get_subcommands([](const CLI::App*) { return true; })) {
    Verb verb;
    verb.name = one->get_name();
    verb.description = one->get_description();
    verb.examples = one->get_footer();
    for (const CLI::Option* const option : one->get_options()) {
      if (option->get_positional()) {
        verb.arguments.push_back(
            {option->get_name(true), option->get_description(), values_in(option->get_type_name())});
      } else {
        verb.flags.push_back(flag_of(*option));
      }
    }
    verbs.push_back(std::move(verb));
  }
  return verbs;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

/// What the first argument can be; empty where it can be anything.
std::vector<std::string> first_words(const Verb& verb) {
  return verb.arguments.empty() ? std::vector<std::string>() : verb.arguments.front().values;
}

bool takes_events(const Verb& verb) { return verb.name == "events" || verb.name == "push"; }

std::string bash(const std::vector<Verb>& verbs) {
  std::string names;
  std::string values;
  std::string flags;
  std::string arguments;
  for (const Verb& verb : verbs) {
    names += verb.name + ' ';
    std::string words;
    for (const Flag& flag : verb.flags) {
      words += "--" + flag.name + ' ';
      if (!flag.values.empty()) {
        values += "    '" + verb.name + " --" + flag.name + "') words='" + joined(flag.values) + "' ;;\n";
      }
    }
    flags += "    " + verb.name + ") words='" + words + "' ;;\n";
    if (const auto first = first_words(verb); !first.empty()) {
      arguments += "    '" + verb.name + ' ' + verb.name + "') words='" + joined(first) + "' ;;\n";
    }
  }
  return "# Completion of dingcb for bash.\n"
         "_dingcb() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words=''\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    COMPREPLY=($(compgen -W '" +
         names +
         "--help --version' -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"$verb $before\" in\n" +
         values +
         "  esac\n"
         "  if [[ $current != -* ]]; then\n"
         "    case \"$verb $before\" in\n" +
         arguments +
         "    esac\n"
         "  fi\n"
         "  if [[ -z $words && $current == -* ]]; then\n"
         "    case $verb in\n" +
         flags +
         "    esac\n"
         "  elif [[ -z $words && $before != -* && ($verb == events || $verb == push) ]]; then\n"
         "    words=$(dingcb events 2>/dev/null | cut -d ' ' -f 1)\n"
         "  fi\n"
         "  if [[ -n $words ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "  else\n"
         "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F _dingcb dingcb\n";
}

/// A text within single quotes, without the characters that mean something to _arguments.
std::string for_zsh(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result;
}

std::string zsh(const std::vector<Verb>& verbs) {
  std::string names;
  std::string cases;
  for (const Verb& verb : verbs) {
    names += "    '" + verb.name + ':' + for_zsh(verb.description) + "'\n";
    cases += "    " + verb.name + ")\n      _arguments -s";
    for (const Flag& flag : verb.flags) {
      cases += " \\\n        '*--" + flag.name + '[' + for_zsh(flag.description) + ']';
      if (flag.has_value) {
        cases += ":value:" + (!flag.values.empty() ? '(' + joined(flag.values) + ')'
                              : flag.is_file       ? std::string("_files")
                                                   : std::string());
      }
      cases += '\'';
    }
    if (const auto first = first_words(verb); !first.empty()) {
      cases += " \\\n        '1:" + verb.arguments.front().name + ":(" + joined(first) + ")'";
    }
    cases += takes_events(verb) ? " \\\n        '*:event:_dingcb_events'\n" : " \\\n        '*:file:_files'\n";
    cases += "      ;;\n";
  }
  return "#compdef dingcb\n"
         "# Completion of dingcb for zsh.\n"
         "_dingcb_events() {\n"
         "  local -a types\n"
         "  types=(${(f)\"$(dingcb events 2>/dev/null | cut -d ' ' -f 1)\"})\n"
         "  compadd -a types\n"
         "}\n"
         "_dingcb() {\n"
         "  local -a verbs\n"
         "  verbs=(\n" +
         names +
         "  )\n"
         "  if ((CURRENT == 2)); then\n"
         "    _describe verb verbs\n"
         "    return\n"
         "  fi\n"
         "  local verb=$words[2]\n"
         "  shift words\n"
         "  ((CURRENT--))\n"
         "  case $verb in\n" +
         cases +
         "  esac\n"
         "}\n"
         "compdef _dingcb dingcb\n";
}

std::string for_fish(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string fish(const std::vector<Verb>& verbs) {
  std::string text = "# Completion of dingcb for fish.\n";
  for (const Verb& verb : verbs) {
    text +=
        "complete -c dingcb -n __fish_use_subcommand -f -a " + verb.name + " -d " + for_fish(verb.description) + '\n';
    const std::string seen = "complete -c dingcb -n '__fish_seen_subcommand_from " + verb.name + "'";
    for (const Flag& flag : verb.flags) {
      text += seen + " -l " + flag.name + (flag.letter.empty() ? "" : " -s " + flag.letter);
      if (!flag.values.empty()) {
        text += " -x -a '" + joined(flag.values) + "'";
      } else if (flag.has_value) {
        text += flag.is_file ? " -r" : " -x";
      }
      text += " -d " + for_fish(flag.description) + '\n';
    }
    if (const std::string first = joined(first_words(verb)); !first.empty()) {
      text += "complete -c dingcb -n '__fish_seen_subcommand_from " + verb.name +
              "; and not __fish_seen_subcommand_from " + first + "' -f -a '" + first + "'\n";
    }
    if (takes_events(verb)) text += seen + " -a '(dingcb events 2>/dev/null | string split -f 1 \" \")'\n";
  }
  return text;
}

/// Text of a man page: no control lines by accident, and minus signs that can be copied.
std::string for_man(const std::string& text) {
  std::string result;
  bool begins = true;
  for (const char c : text) {
    if (begins && (c == '.' || c == '\'')) result += "\\&";
    begins = c == '\n';
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
  }
  return result;
}

std::string man(const CLI::App& app, const std::vector<Verb>& verbs) {
  std::string text = ".TH DINGCB 1 \"\" \"dingcb " DINGCB_VERSION_STRING "\"\n.SH NAME\ndingcb \\- " +
                     for_man("play DingTalk on your desk, and say why a callback fails") +
                     "\n.SH SYNOPSIS\n.B dingcb\n.I verb\n[options]\n.SH DESCRIPTION\n.nf\n" +
                     for_man(app.get_footer()) + "\n.fi\n.SH VERBS\n";
  for (const Verb& verb : verbs) {
    text += ".SS \"dingcb " + verb.name + "\"\n" + for_man(verb.description) + ".\n";
    for (const Argument& argument : verb.arguments) {
      text += ".TP\n.I " + for_man(argument.name) + '\n' + for_man(argument.description);
      if (!argument.values.empty()) text += " (" + for_man(joined(argument.values)) + ')';
      text += '\n';
    }
    for (const Flag& flag : verb.flags) {
      text +=
          ".TP\n.B " + (flag.letter.empty() ? "" : "\\-" + for_man(flag.letter) + ", ") + "\\-\\-" + for_man(flag.name);
      if (flag.has_value) text += " \\fI" + for_man(flag.value_name) + "\\fR";
      text += '\n' + for_man(flag.description);
      if (!flag.values.empty()) text += " (" + for_man(joined(flag.values)) + ')';
      text += '\n';
    }
    text += ".PP\n.nf\n" + for_man(verb.examples) + "\n.fi\n";
  }
  return text +
         ".SH ENVIRONMENT\n.TP\n.B DINGCB_TOKEN\nThe token.\n.TP\n.B DINGCB_AES_KEY\nThe EncodingAESKey.\n.TP\n"
         ".B DINGCB_OWNER_KEY\nThe owner key, or several with commas.\n.TP\n.B DINGCB_SQLITE\nThe file of an SQLite "
         "inbox.\n.TP\n.B DINGCB_MYSQL, DINGCB_MYSQL_DATABASE, DINGCB_MYSQL_USER, DINGCB_MYSQL_PASSWORD, "
         "DINGCB_MYSQL_PREFIX, DINGCB_MYSQL_CA\nServer, database, account, password, prefix of the tables and trusted "
         "certificates of a MySQL inbox.\n.TP\n.B DINGCB_CONFIG\nThe file with the "
         "settings.\n.TP\n.B LC_ALL, LC_MESSAGES, LANG\nFindings are in Chinese where the first of them that is set "
         "begins with zh.\n.SH FILES\n.TP\n.I ~/.config/dingcb/config\nThe settings, where no other file is named.\n"
         ".SH EXIT STATUS\n.TP\n.B 0\nAll is well.\n.TP\n.B 1\nWhat was checked is not as it should be.\n.TP\n.B 2\n"
         "The command line makes no sense.\n.TP\n.B 3\nSettings or input are missing or unusable.\n.TP\n.B 4\nNo HTTP "
         "answer, no database, or no port to listen at.\n.TP\n.B 5\nAnything else.\n";
}

}  // namespace

void add_completion(CLI::App& app, int& exit) {
  struct Options {
    std::string what;
    std::string output;
  };
  auto* const verb = app.add_subcommand("completion", "Prints a completion script for a shell, or the man page");
  const auto options = std::make_shared<Options>();
  verb->add_option("for", options->what, "bash, zsh, fish or man")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish", "man"}));
  verb->add_option("-o,--output", options->output, "Writes this file instead of stdout")->type_name("FILE");
  verb->footer(
      "Examples:\n"
      "  source <(dingcb completion bash)\n"
      "  dingcb completion zsh -o ~/.zfunc/_dingcb\n"
      "  dingcb completion fish -o ~/.config/fish/completions/dingcb.fish\n"
      "  dingcb completion man | man -l -");
  verb->callback([&app, options, &exit] {
    const std::vector<Verb> verbs = verbs_of(app);
    const std::string& what = options->what;
    const std::string text = what == "bash"   ? bash(verbs)
                             : what == "zsh"  ? zsh(verbs)
                             : what == "fish" ? fish(verbs)
                                              : man(app, verbs);
    if (options->output.empty()) {
      print(text);
    } else if (std::ofstream file(options->output, std::ios::binary);
               !file.write(text.data(), static_cast<std::streamsize>(text.size())).flush()) {
      throw Failure(kInput, "cannot write " + options->output, "give a file in a folder that exists");
    }
    exit = kOk;
  });
}

}  // namespace command
