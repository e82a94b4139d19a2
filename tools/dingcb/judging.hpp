// What is wrong with a push or an answer, in words: the findings of the library and the test kit, and the command's
// own.
#pragma once

#include "command.hpp"
#include "exchanges.hpp"

#include <dingcb/testkit.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace command {

struct Finding {
  std::string cause = "none";  ///< docs/errors.md lists the library's, docs/command.md the command's own.
  std::string part;            ///< The part of the settings, the push or the answer that is to blame.
  std::string en;              ///< What was seen, and what to do.
  std::string zh;              ///< The same in Chinese.
  std::string docs;            ///< The place in dingcb's documents.
  std::string page;            ///< The page of DingTalk's documents.

  bool good() const noexcept { return cause == "none"; }
  const std::string& in(Language language) const noexcept { return language == Language::zh ? zh : en; }
};

/// An answer, and what it is measured by.
struct Answer {
  int status = 0;
  std::string body;
  double elapsed_ms = -1;  ///< Negative where nobody measured it.
  double deadline_ms = 2500;
  std::int64_t now_ms = -1;    ///< When it was given; negative where nobody knows.
  std::string push_timestamp;  ///< Which it may repeat.
  std::string expected = "success";
};

/// Judges an answer as DingTalk does. Stricter than Platform::judge(): it has to come in time, and its timestamp has to
/// be one.
/// @param plaintext receives what the reply decrypts to.
Finding judge(const dingcb::testkit::Platform& platform, const Answer& answer, std::string* plaintext = nullptr);

/// Says why a push does not open.
Finding judge(const dingcb::Encryptor& encryptor, const Exchange& exchange);

/// Says what is wrong with the settings themselves.
Finding judge(const std::vector<dingcb::Credential>& credentials);

/// An error on the way to the endpoint, or back.
Finding not_reached(const std::string& en, const std::string& zh);

/// The time in a timestamp of 10 or 13 digits, in milliseconds; negative where it is none.
std::int64_t time_in(std::string_view timestamp);

}  // namespace command
