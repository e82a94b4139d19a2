// Captured requests and answers, in the forms in which people have them.
#pragma once

#include "command.hpp"

#include <dingcb/encryptor.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace command {

/// A request, an answer, or both.
struct Exchange {
  std::string name;  ///< Where it stands in its file, such as `entry 3`; empty where it is the only one.
  bool has_request = false;
  std::string method;
  std::string target;  ///< Path and query, or a whole URL.
  std::string body;
  bool has_answer = false;
  int status = 0;
  std::string answer;
  double elapsed_ms = -1;   ///< Negative where nobody measured it.
  std::int64_t at_ms = -1;  ///< When the answer was given; negative where it does not tell.
  bool cut = false;         ///< Its Content-Length promised more bytes.

  /// What follows `?`.
  std::string_view query() const;
};

/// The four texts of a push or of a reply, decoded.
struct Parts {
  std::string signature;
  std::string timestamp;
  std::string nonce;
  std::string encrypt;
  bool is_object = false;    ///< The body is a JSON object.
  bool has_encrypt = false;  ///< ... with a text `encrypt`.
  bool is_reply = false;     ///< The four texts come from the body.

  dingcb::Push push() const noexcept { return {signature, timestamp, nonce, encrypt}; }
};

/// Reads the parts of a request: three from its query, `encrypt` from its body; or all four from a body that is a
/// reply.
Parts parts_of(const Exchange& exchange);

/// Where a verb takes requests from.
struct Source {
  std::string file;
  std::string query;
  std::string body;
  std::string curl;
  std::string form = "auto";
  int nth = 0;
};

void add_source(CLI::App& verb, Source& source);

/// Reads what the flags name, stdin where they name nothing.
/// @throws Failure where there is no exchange, saying which forms there are.
std::vector<Exchange> read_exchanges(const Source& source);

/// Reads a text of one of the forms raw, curl, har, capture, body, or auto.
std::vector<Exchange> parse_exchanges(const std::string& text, const std::string& form);

/// Splits a command line as a POSIX shell does, with $'...' of bash.
/// @throws Failure where a quote is not closed.
std::vector<std::string> shell_words(std::string_view line);

}  // namespace command
