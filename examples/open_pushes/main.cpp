// Opens captured pushes from a file, prints what happened and the reply to each, or says why one does not open.
//
//   open_pushes FILE              for a person
//   open_pushes FILE --save DIR   also writes each reply, the body of the HTTP response, to DIR/<name>.json
//
// FILE holds lines "key = value"; a line "[name]" begins a push, "#" a comment. tests/data/official_pushes.txt is one.
// Exit code: 0 all opened and were answered, 1 some were not, 2 wrong arguments or a file that cannot be read or
// written.
#include <dingcb/encryptor.hpp>
#include <dingcb/event.hpp>
#include <dingcb/events/app_lifecycle.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/callback_check.hpp>
#include <dingcb/events/contact.hpp>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Capture {
  std::string name;
  std::map<std::string, std::string> fields;

  const std::string& at(const std::string& key) const {
    const auto found = fields.find(key);
    if (found == fields.end()) throw std::runtime_error("[" + name + "] has no line \"" + key + " = ...\"");
    return found->second;
  }
};

// Names become file names, so they are kept plain.
bool is_name(const std::string& name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos;
}

std::vector<Capture> read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be opened");
  std::vector<Capture> captures;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    const auto fail = [&](const char* why) {
      return std::runtime_error(path + ", line " + std::to_string(number) + ": " + why);
    };
    if (line.front() == '[' && line.back() == ']') {
      captures.push_back({line.substr(1, line.size() - 2), {}});
      if (!is_name(captures.back().name)) throw fail("a name has lower-case letters, digits, \"-\" and \"_\" only");
      continue;
    }
    const std::size_t equals = line.find(" = ");
    if (equals == std::string::npos) throw fail("neither \"key = value\" nor \"[name]\"");
    if (captures.empty()) throw fail("a line \"[name]\" must come first");
    if (!captures.back().fields.emplace(line.substr(0, equals), line.substr(equals + 3)).second) {
      throw fail("this push already has that key");
    }
  }
  if (file.bad()) throw std::runtime_error(path + " cannot be read to its end");
  if (captures.empty()) throw std::runtime_error(path + " holds no push");
  return captures;
}

void save(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

// Says what happened: a few types as examples, the others by their name. A ticket is a secret, so it is not printed.
std::string describe(const dingcb::Event& event) {
  using namespace dingcb::events;
  return dingcb::match(
      event,  // the case for its type is called
      [](const CheckUrl&) { return std::string("the address is checked"); },
      [](const CheckCreateSuiteUrl& check) { return "the address is checked, with random text " + check.random; },
      [](const SuiteTicket& ticket) { return std::to_string(ticket.suite_ticket.size()) + " characters of a ticket"; },
      [](const UserAddOrg& added) { return std::to_string(added.user_id.size()) + " employees joined"; },
      [](const BpmsInstanceChange& change) {
        return "approval " + change.process_instance_id + " " + change.type.text();
      },
      [](const dingcb::Event& other) {
        return std::string(other.kind() == dingcb::Kind::unknown ? "newer than this release" : "not for this program");
      });
}

// Prints the events of a push. The text itself stays private: it may hold tickets, names and telephone numbers.
void print_events(const std::string& plaintext) {
  if (plaintext == "success") {
    std::cout << "  no event:  a captured reply, \"success\"\n";
    return;
  }
  const auto events = dingcb::parse_push(plaintext);
  if (!events) {
    std::cout << "  no event:  " << events.error().message << '\n';
    return;
  }
  for (const dingcb::Event& event : *events) {
    const dingcb::EventHeader& header = event.header();
    std::cout << "  event:     " << header.type << ": " << describe(event) << '\n';
    std::cout << "  dedup:     " << header.dedup_key << '\n';
    std::cout << "  ordering:  " << header.ordering_key << '\n';
  }
}

// Prints what is in a push and answers it; an empty text where it does not open.
std::string answer(const Capture& capture) {
  std::cout << capture.name << '\n';
  const auto encryptor = dingcb::Encryptor::create(
      dingcb::Credential{capture.at("token"), capture.at("aes_key"), {capture.at("owner_key")}, capture.name});
  if (!encryptor) {
    std::cout << "  refused:   " << encryptor.error().message << "\n\n";
    return {};
  }
  const dingcb::Push push{capture.at("signature"), capture.at("timestamp"), capture.at("nonce"), capture.at("encrypt")};
  const auto opened = encryptor->decrypt(push);
  if (!opened) {
    const dingcb::Diagnosis diagnosis = encryptor->diagnose(push);
    std::cout << "  refused:   " << opened.error().message << "\n  diagnosis: " << diagnosis.en << "\n             "
              << diagnosis.zh << "\n\n";
    return {};
  }
  std::cout << "  owner key: " << opened->owner_key << '\n';
  print_events(opened->plaintext);
  const auto reply = encryptor->encrypt_reply("success", *opened);
  if (!reply) {
    std::cout << "  no reply:  " << reply.error().message << "\n\n";
    return {};
  }
  std::string body = reply->to_json();
  std::cout << "  reply:     " << body << "\n\n";
  return body;
}

int run(const std::vector<std::string>& arguments) {
  const bool saves = arguments.size() == 3 && arguments[1] == "--save";
  if (arguments.size() != 1 && !saves) {
    std::cerr << "usage: open_pushes FILE [--save DIR]\n";
    return 2;
  }
  std::size_t answered = 0;
  const std::vector<Capture> captures = read(arguments[0]);
  for (const Capture& capture : captures) {
    const std::string body = answer(capture);
    if (body.empty()) continue;
    ++answered;
    if (saves) save(arguments[2] + "/" + capture.name + ".json", body);
  }
  std::cout << answered << " of " << captures.size() << " pushes opened and answered\n";
  return answered == captures.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::cerr << "open_pushes: " << error.what() << '\n';
    return 2;
  }
}
