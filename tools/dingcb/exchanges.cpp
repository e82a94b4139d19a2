#include "exchanges.hpp"

#include "json.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace command {

namespace {

constexpr const char* kForms =
    "give an HTTP request as it came over the wire, a curl command line, a HAR file, a file of dingcb capture, or the "
    "body with --query";

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return result;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int letter = std::tolower(static_cast<unsigned char>(c));
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/// Like CallbackHandler, a `+` stays one, and what is not encoded well stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool encoded =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    result += encoded ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (encoded) i += 2;
  }
  return result;
}

/// Cuts a line off, without its line break.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

/// Undoes Transfer-Encoding: chunked. @return false where the text ends too early.
bool dechunk(std::string_view rest, std::string& body) {
  for (;;) {
    const std::string_view line = next_line(rest);
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
    if (error != std::errc() || end == line.data()) return false;
    if (size == 0) return true;
    if (size > rest.size()) {
      body += rest;
      return false;
    }
    body += rest.substr(0, size);
    rest.remove_prefix(size);
    next_line(rest);
  }
}

/// Reads a request or an answer as it came over the wire; line breaks may be LF.
Exchange parse_message(std::string_view rest) {
  Exchange exchange;
  while (!rest.empty() && (rest.front() == '\n' || rest.front() == '\r')) rest.remove_prefix(1);
  const std::string_view start = next_line(rest);
  const std::size_t space = std::min(start.find(' '), start.size());
  const std::string_view after = trimmed(start.substr(space));
  if (starts_with(start, "HTTP/")) {
    exchange.has_answer = true;
    std::from_chars(after.data(), after.data() + after.size(), exchange.status);
  } else {
    exchange.has_request = true;
    exchange.method = start.substr(0, space);
    exchange.target = after.substr(0, after.find(' '));
  }
  std::size_t length = std::string_view::npos;
  bool chunked = false;
  for (std::string_view line = next_line(rest); !line.empty(); line = next_line(rest)) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string name = lower(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(std::min(colon + 1, line.size())));
    if (name == "content-length") std::from_chars(value.data(), value.data() + value.size(), length);
    if (name == "date") {
      const std::time_t date = curl_getdate(std::string(value).c_str(), nullptr);
      if (date >= 0) exchange.at_ms = std::int64_t{date} * 1000;
    }
    if (name == "transfer-encoding") chunked = lower(value).find("chunked") != std::string::npos;
  }
  std::string& body = exchange.has_request ? exchange.body : exchange.answer;
  if (chunked) {
    exchange.cut = !dechunk(rest, body);
  } else {
    body = rest.substr(0, length);
    exchange.cut = length != std::string_view::npos && rest.size() < length;
  }
  return exchange;
}

// The options of curl that have a value and say nothing about the request.
constexpr std::string_view kSkipped[] = {
    "-A",           "--user-agent", "-b",          "--cookie",  "-c",
    "--cookie-jar", "-e",           "--referer",   "-H",        "--header",
    "-m",           "--max-time",   "-o",          "--output",  "-u",
    "--user",       "-w",           "--write-out", "-x",        "--proxy",
    "--cacert",     "--cert",       "--key",       "--resolve", "--connect-timeout",
    "--connect-to", "--interface",  "--retry",     "-K",        "--config"};

void add_data(Exchange& exchange, const std::string& option, const std::string& value) {
  if (!exchange.body.empty()) exchange.body += option == "--json" ? "" : "&";
  if (option == "--data-raw" || value.compare(0, 1, "@") != 0) {
    exchange.body += value;
    return;
  }
  std::string content = content_of(value.substr(1));
  if (option == "-d" || option == "--data" || option == "--data-ascii") {  // as curl does
    content.erase(std::remove_if(content.begin(), content.end(), [](char c) { return c == '\r' || c == '\n'; }),
                  content.end());
  }
  exchange.body += content;
}

Exchange parse_curl(std::string_view line) {
  Exchange exchange;
  exchange.has_request = true;
  exchange.method = "POST";
  const std::vector<std::string> words = shell_words(line);
  const auto is_data = [](std::string_view option) {
    return option == "-d" || option == "--json" || starts_with(option, "--data");
  };
  for (std::size_t i = 1; i < words.size(); ++i) {
    std::string word = words[i];
    std::optional<std::string> value;
    if (starts_with(word, "--") && word.find('=') != std::string::npos) {
      value = word.substr(word.find('=') + 1);
      word.resize(word.find('='));
    } else if (word.size() > 2 && word[0] == '-' && (word[1] == 'd' || word[1] == 'X' || word[1] == 'H')) {
      value = word.substr(2);
      word.resize(2);
    }
    const auto take = [&]() -> std::string {
      if (value) return *value;
      if (i + 1 < words.size()) return words[++i];
      throw Failure(kInput, "the curl command line ends after " + word);
    };
    if (word == "--data-urlencode") {
      throw Failure(kInput, "DingTalk never sends --data-urlencode", "copy the command line again, with --data-raw");
    }
    if (is_data(word)) {
      add_data(exchange, word, take());
    } else if (word == "-X" || word == "--request") {
      exchange.method = take();
    } else if (word == "--url") {
      exchange.target = take();
    } else if (std::find(std::begin(kSkipped), std::end(kSkipped), word) != std::end(kSkipped)) {
      take();
    } else if (!word.empty() && word[0] != '-') {
      exchange.target = word;
    }
  }
  if (exchange.target.empty()) throw Failure(kInput, "the curl command line has no URL");
  return exchange;
}

std::vector<Exchange> parse_har(const JsonDocument& document) {
  std::vector<Exchange> exchanges;
  const JsonValue* const log = member_of(document, "log");
  const JsonValue* const entries = log == nullptr ? nullptr : member_of(*log, "entries");
  if (entries == nullptr || !entries->IsArray()) throw Failure(kInput, "the HAR file has no list log.entries");
  std::size_t number = 0;
  for (const auto& entry : entries->GetArray()) {
    ++number;
    const JsonValue* const request = member_of(entry, "request");
    if (request == nullptr || text_in(*request, "method") != "POST") continue;
    Exchange exchange;
    exchange.name = "entry " + std::to_string(number);
    exchange.has_request = true;
    exchange.method = "POST";
    exchange.target = text_in(*request, "url");
    if (const JsonValue* const data = member_of(*request, "postData")) {
      exchange.body = text_in(*data, "text");
      if (text_in(*data, "encoding") == "base64") exchange.body = from_base64(exchange.body);
    }
    // Other requests of the page are not about callbacks.
    if (exchange.target.find("signature=") == std::string::npos) continue;
    if (const JsonValue* const response = member_of(entry, "response")) {
      const JsonValue* const status = member_of(*response, "status");
      exchange.status = status != nullptr && status->IsInt() ? status->GetInt() : 0;
      exchange.has_answer = exchange.status != 0;
      if (const JsonValue* const content = member_of(*response, "content")) {
        exchange.answer = text_in(*content, "text");
        if (text_in(*content, "encoding") == "base64") exchange.answer = from_base64(exchange.answer);
      }
    }
    const JsonValue* const time = member_of(entry, "time");
    if (time != nullptr && time->IsNumber()) exchange.elapsed_ms = time->GetDouble();
    exchanges.push_back(std::move(exchange));
  }
  if (exchanges.empty()) {
    throw Failure(kInput, "the HAR file has no POST with a signature in its URL",
                  "record the request of DingTalk itself");
  }
  return exchanges;
}

std::vector<Exchange> parse_capture(std::string_view rest) {
  std::vector<Exchange> exchanges;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = trimmed(next_line(rest));
    if (line.empty()) continue;
    const JsonDocument document = parse_json(line);
    const JsonValue* const target = document.HasParseError() ? nullptr : member_of(document, "target");
    if (target == nullptr || !target->IsString()) {
      throw Failure(kInput, "line " + std::to_string(number) + " is no capture: it has no \"target\"", kForms);
    }
    Exchange exchange;
    exchange.name = "line " + std::to_string(number);
    exchange.has_request = true;
    exchange.method = text_in(document, "method");
    exchange.target = text_in(document, "target");
    exchange.body = text_in(document, "body");
    if (member_of(document, "body_base64") != nullptr) exchange.body = from_base64(text_in(document, "body_base64"));
    if (const JsonValue* const status = member_of(document, "status"); status != nullptr && status->IsInt()) {
      exchange.has_answer = true;
      exchange.status = status->GetInt();
      exchange.answer = text_in(document, "answer");
    }
    exchanges.push_back(std::move(exchange));
  }
  return exchanges;
}

bool is_message(std::string_view line) {
  if (starts_with(line, "HTTP/")) return true;
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0) return false;
  const std::string_view method = line.substr(0, space);
  const bool upper = std::all_of(method.begin(), method.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  return upper && line.find(" HTTP/", space) != std::string_view::npos;
}

std::string form_of(std::string_view text) {
  const std::string_view start = trimmed(text);
  std::string_view rest = start;
  if (is_message(next_line(rest))) return "raw";
  if (starts_with(start, "curl ") || starts_with(start, "curl\\") || starts_with(start, "$ curl ")) return "curl";
  if (!starts_with(start, "{")) return "unknown";
  const JsonDocument whole = parse_json(start);
  if (!whole.HasParseError() && member_of(whole, "log") != nullptr) return "har";
  rest = start;
  const JsonDocument first = parse_json(next_line(rest));
  if (!first.HasParseError() && member_of(first, "target") != nullptr) return "capture";
  return "body";
}

}  // namespace

std::string_view Exchange::query() const {
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos) return {};
  const std::string_view rest = std::string_view(target).substr(mark + 1);
  return rest.substr(0, rest.find('#'));
}

Parts parts_of(const Exchange& exchange) {
  Parts parts;
  std::string_view rest = exchange.query();
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string name = percent_decoded(pair.substr(0, equals));
    std::string value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
    if (name == "signature" || (name == "msg_signature" && parts.signature.empty()))
      parts.signature = std::move(value);
    else if (name == "timestamp" || name == "timeStamp")
      parts.timestamp = std::move(value);
    else if (name == "nonce")
      parts.nonce = std::move(value);
  }
  const JsonDocument document = parse_json(exchange.body);
  parts.is_object = !document.HasParseError() && document.IsObject();
  if (!parts.is_object) {
    parts.encrypt = exchange.body;
    return parts;
  }
  const JsonValue* const encrypt = member_of(document, "encrypt");
  parts.has_encrypt = encrypt != nullptr && encrypt->IsString();
  parts.encrypt = parts.has_encrypt ? std::string(text_in(document, "encrypt")) : std::string();
  if (exchange.query().empty() && member_of(document, "msg_signature") != nullptr) {
    parts.is_reply = true;
    parts.signature = text_in(document, "msg_signature");
    parts.nonce = text_in(document, "nonce");
    parts.timestamp = text_in(document, member_of(document, "timeStamp") != nullptr ? "timeStamp" : "timestamp");
  }
  return parts;
}

void add_source(CLI::App& verb, Source& source) {
  const char* const group = "What to read";
  verb.add_option("file", source.file, "File with the request, or - for stdin, which is the default")
      ->type_name("FILE");
  verb.add_option("--query", source.query, "Query string of the request, without the file")
      ->type_name("TEXT")
      ->group(group);
  verb.add_option("--body", source.body, "Body of the request")->type_name("TEXT|@FILE|-")->group(group);
  verb.add_option("--curl", source.curl, "The request as a curl command line")->type_name("TEXT|@FILE|-")->group(group);
  verb.add_option("--form", source.form, "Form of the file, where it is not recognised")
      ->check(CLI::IsMember({"auto", "raw", "curl", "har", "capture", "body"}))
      ->group(group);
  verb.add_option("--nth", source.nth, "Only the nth request of the file, from 1")
      ->check(CLI::Range(1, 1000000))
      ->group(group);
}

std::vector<Exchange> parse_exchanges(const std::string& text, const std::string& form) {
  const std::string actual = form == "auto" ? form_of(text) : form;
  if (actual == "raw") return {parse_message(text)};
  if (actual == "curl") {
    std::string_view line = trimmed(text);
    if (starts_with(line, "$ ")) line.remove_prefix(2);
    return {parse_curl(line)};
  }
  if (actual == "har") {
    const JsonDocument document = parse_json(text);
    if (document.HasParseError()) throw Failure(kInput, "the HAR file is no JSON");
    return parse_har(document);
  }
  if (actual == "capture") return parse_capture(text);
  if (actual == "body") {
    Exchange exchange;
    exchange.has_request = true;
    exchange.body = trimmed(text);
    return {exchange};
  }
  throw Failure(kInput, trimmed(text).empty() ? "there is nothing to read" : "this is no request in a known form",
                kForms);
}

std::vector<Exchange> read_exchanges(const Source& source) {
  const bool arguments = !source.query.empty() || !source.body.empty();
  if ((arguments ? 1 : 0) + (source.curl.empty() ? 0 : 1) + (source.file.empty() ? 0 : 1) > 1) {
    throw Failure(kUsage, "the request is given twice", "give a file, or --query with --body, or --curl");
  }
  std::vector<Exchange> exchanges;
  if (!source.curl.empty()) {
    exchanges = parse_exchanges(text_of(source.curl), "curl");
  } else if (arguments) {
    Exchange exchange;
    exchange.has_request = true;
    // People copy the whole URL as well.
    exchange.target = source.query.find('?') == std::string::npos ? '?' + source.query : source.query;
    if (source.query.empty()) exchange.target.clear();
    exchange.body = source.body.empty() ? content_of("-") : text_of(source.body);
    exchanges.push_back(std::move(exchange));
  } else {
    exchanges = parse_exchanges(content_of(source.file.empty() ? "-" : source.file), source.form);
  }
  if (source.nth > 0) {
    if (static_cast<std::size_t>(source.nth) > exchanges.size()) {
      throw Failure(kInput, "there is no request " + std::to_string(source.nth),
                    "the file has " + std::to_string(exchanges.size()));
    }
    exchanges = {exchanges[static_cast<std::size_t>(source.nth) - 1]};
  }
  return exchanges;
}

namespace {

/// Reads what follows a backslash within $'...'.
void append_escape(std::string_view line, std::size_t& i, std::string& word) {
  static constexpr std::string_view kNames = "abefnrtv";
  static constexpr std::string_view kValues = "\a\b\033\f\n\r\t\v";
  const char c = line[i];
  if (const std::size_t at = kNames.find(c); at != std::string_view::npos) {
    word += kValues[at];
  } else if (c == 'x' || c == 'u') {
    unsigned code = 0;
    const std::size_t most = c == 'x' ? 2 : 4;
    std::size_t digits = 0;
    while (digits < most && i + 1 < line.size() && hex_digit(line[i + 1]) >= 0) {
      code = code * 16 + static_cast<unsigned>(hex_digit(line[++i]));
      ++digits;
    }
    if (c == 'x' || code < 0x80) {
      word += static_cast<char>(code);
    } else if (code < 0x800) {
      word += static_cast<char>(0xC0 | (code >> 6));
      word += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      word += static_cast<char>(0xE0 | (code >> 12));
      word += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      word += static_cast<char>(0x80 | (code & 0x3F));
    }
  } else {
    word += c;  // \' \" \\ and what has no meaning
  }
}

}  // namespace

std::vector<std::string> shell_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;  // an empty word in quotes is one, too
  char quote = 0;     // ', ", or $ for $'
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool more = i + 1 < line.size();
    if (quote == 0) {
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        if (open) words.push_back(std::exchange(word, {}));
        open = false;
        continue;
      }
      if (c == '\\' && more) {
        if (line[i + 1] == '\r' && i + 2 < line.size()) ++i;
        if (line[++i] == '\n') continue;  // the line goes on
        word += line[i];
      } else if (c == '$' && more && line[i + 1] == '\'') {
        quote = '$';
        ++i;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else {
        word += c;
      }
      open = true;
    } else if (c == (quote == '$' ? '\'' : quote)) {
      quote = 0;
    } else if (c == '\\' && more && quote == '$') {
      append_escape(line, ++i, word);
    } else if (c == '\\' && more && quote == '"' &&
               std::string_view("\\\"$`\n").find(line[i + 1]) != std::string_view::npos) {
      if (line[++i] != '\n') word += line[i];
    } else {
      word += c;
    }
  }
  if (quote != 0) {
    throw Failure(kInput, "a quote of the curl command line is not closed",
                  "copy it as cURL (bash), not (cmd), and put it into a file: --curl @FILE");
  }
  if (open) words.push_back(std::move(word));
  return words;
}

}  // namespace command
