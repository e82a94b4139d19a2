#include "command.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>

namespace command {

Language language_of(const std::string& flag) {
  std::string name = flag;
  for (const char* variable : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* const value = name.empty() ? std::getenv(variable) : nullptr;  // NOLINT(concurrency-mt-unsafe)
    if (value != nullptr) name = value;
  }
  return name.compare(0, 2, "zh") == 0 ? Language::zh : Language::en;
}

void add_language(CLI::App& verb, std::string& flag) {
  verb.add_option("--lang", flag, "Language of findings: en or zh; otherwise that of LC_ALL, LC_MESSAGES or LANG")
      ->check(CLI::IsMember({"en", "zh"}));
}

std::string text_of(const std::string& argument) {
  if (argument == "-") return content_of(argument);
  return argument.compare(0, 1, "@") == 0 ? content_of(argument.substr(1)) : argument;
}

std::string content_of(const std::string& file) {
  if (file == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) {
    throw Failure(kInput, "cannot read the file " + file, "give the path of a file, or - for stdin");
  }
  return {std::istreambuf_iterator<char>(in), {}};
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void complain(std::string_view text) {
  std::string line(text);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

namespace {

std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(std::string_view typed, const std::vector<std::string>& names) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string& name : names) {
    const std::size_t far = distance(typed, name);
    if (far < least) {
      least = far;
      best = name;
    }
  }
  return best;
}

std::string padded(std::string_view text, std::size_t columns) {
  std::size_t wide = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 || byte >= 0xC0) wide += byte >= 0xE0 ? 2 : 1;
  }
  std::string result(text);
  result.append(wide < columns ? columns - wide : 1, ' ');
  return result;
}

std::string printable(std::string_view text, bool lines) {
  std::string result(text);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto byte = static_cast<unsigned char>(result[i]);
    const auto next = static_cast<unsigned char>(i + 1 < result.size() ? result[i + 1] : '\0');
    const bool c1 = byte == 0xC2 && next >= 0x80 && next < 0xA0;  // control characters of two bytes
    if (lines && (byte == '\n' || byte == '\t')) continue;
    if (byte < 0x20 || byte == 0x7F || c1) result.replace(i, c1 ? 2 : 1, "?");
  }
  return result;
}

std::string utc_text(std::int64_t unix_ms) {
  // Strangers write times, too: some are before 1970.
  const std::int64_t ms = (unix_ms % 1000 + 1000) % 1000;
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000 - (unix_ms % 1000 < 0 ? 1 : 0));
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char day[32];
  const std::size_t size = std::strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
  char text[48];
  std::snprintf(text, sizeof(text), "%.*s.%03dZ", static_cast<int>(size), day, static_cast<int>(ms));
  return text;
}

std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace command
