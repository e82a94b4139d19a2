// dingcb keygen: a token and an EncodingAESKey for the developer console.
#include "command.hpp"
#include "json.hpp"

#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace command {

namespace {

struct Options {
  bool json = false;
  std::string output;
  std::vector<std::string> owner_keys;
  int token_length = 32;
};

/// Letters and digits, each as likely as any other.
std::string random_letters(std::size_t count) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string letters;
  while (letters.size() < count) {
    unsigned char byte = 0;
    if (RAND_bytes(&byte, 1) != 1) throw Failure(kInternal, "OpenSSL has no random bytes");
    if (byte < 256 / kLetters.size() * kLetters.size()) letters += kLetters[byte % kLetters.size()];
  }
  return letters;
}

/// Writes a file that only its owner reads, and none that exists.
void write_secret_file(const std::string& name, const std::string& text) {
  const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    const bool exists = errno == EEXIST;
    throw Failure(kInput, "cannot write " + name + ": " + std::generic_category().message(errno),
                  exists ? "a key that is in use is not overwritten: give another name, or remove the file" : "");
  }
  const ssize_t written = write(file, text.data(), text.size());
  if (close(file) != 0 || written != static_cast<ssize_t>(text.size())) {
    throw Failure(kInput, "cannot write all of " + name);
  }
}

void keygen(const Options& options) {
  const std::string token = random_letters(static_cast<std::size_t>(options.token_length));
  const std::string aes_key = random_letters(43);
  std::string owners;
  std::string list = "[";
  for (const std::string& key : options.owner_keys) {
    owners += (owners.empty() ? "" : ",") + key;
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    writer.String(key.data(), static_cast<rapidjson::SizeType>(key.size()));
    list += (list.size() > 1 ? "," : "") + std::string(buffer.GetString(), buffer.GetSize());
  }
  list += ']';
  std::string text;
  if (options.json) {
    text = JsonLine().text("token", token).text("aes_key", aes_key).json("owner_keys", list).line();
  } else {
    text = "DINGCB_TOKEN=" + token + "\nDINGCB_AES_KEY=" + aes_key + "\nDINGCB_OWNER_KEY=" + owners + '\n';
  }
  if (options.output.empty()) {
    print(text);
  } else {
    write_secret_file(options.output, text);
    complain("wrote " + options.output + "; give it to the other verbs with --config");
  }
}

}  // namespace

void add_keygen(CLI::App& app, int& exit) {
  auto* const verb = app.add_subcommand("keygen", "Makes a token and an EncodingAESKey");
  const auto options = std::make_shared<Options>();
  verb->add_flag("--json", options->json, "Writes JSON instead of NAME=VALUE lines");
  verb->add_option("-o,--output", options->output, "Writes a new file that only you can read, instead of stdout")
      ->type_name("FILE");
  verb->add_option("--owner-key", options->owner_keys, "Written beside them: AppKey, CorpId, SuiteKey or customKey")
      ->type_name("TEXT")
      ->delimiter(',')
      ->allow_extra_args(false);
  verb->add_option("--token-length", options->token_length, "Length of the token; the console takes 3 to 32")
      ->check(CLI::Range(6, 32))
      ->capture_default_str();
  verb->footer(
      "Examples:\n"
      "  dingcb keygen --owner-key dingabc123 -o dingcb.env   then paste both into the developer console\n"
      "  dingcb keygen --json");
  verb->callback([options, &exit] {
    keygen(*options);
    exit = kOk;
  });
}

}  // namespace command
