// dedup_key and ordering_key: which events are the same, and which must keep their order.
#pragma once

#include <dingcb/detail/bytes.hpp>
#include <dingcb/impl/event_data.ipp>
#include <dingcb/impl/openssl.ipp>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail {

/// Joins texts with slashes. Slashes inside of them are escaped as in a JSON pointer, so that different texts never
/// give the same key.
inline std::string join(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size() + 1;
  std::string key;
  key.reserve(size);
  for (const std::string_view part : parts) {
    std::size_t plain = 0;  // where what is not written yet begins
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i] != '/' && part[i] != '~') continue;
      key.append(part, plain, i - plain).append(part[i] == '/' ? "~1" : "~0");
      plain = i + 1;
    }
    key.append(part, plain).append(1, '/');
  }
  key.pop_back();
  return key;
}

/// Gives SHA-256 of the parts, one after the other, as 64 hex digits; the text itself where OpenSSL fails, which is as
/// unique and only longer.
inline std::string digest_of(std::initializer_list<std::string_view> parts) {
  // Fetched once and never freed: events may still be made while the process ends.
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  const OpensslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  bool done = sha256 != nullptr && context != nullptr && EVP_DigestInit_ex2(context.get(), sha256, nullptr) == 1;
  for (const std::string_view part : parts) {
    done = done && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  std::string text;
  if (succeeded(done && EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1)) {
    text.resize(64);
    hex(digest.data(), 32, text.data());
  } else {
    for (const std::string_view part : parts) text += part;
  }
  return text;
}

/// Fills what follows from everything else.
inline void complete(EventData& data) {
  EventHeader& header = data.header;
  const bool row = is_row(header);
  const std::string biz_type = row ? std::to_string(header.biz_type.value_or(0)) : std::string();
  if (row) {
    const std::string modified = std::to_string(header.gmt_modified_ms.value_or(0));
    const std::string cursor = std::to_string(header.open_cursor.value_or(0));
    header.ordering_key = join({header.corp_id, biz_type, header.biz_id});
    if (!header.id.empty()) {
      // Two suites of one receiver are told of the same change by two rows.
      header.dedup_key = join({header.subscribe_id, header.id, modified, cursor});
    } else {
      // The same row read over HTTP and from a table has the same key: `id` and `status` are not part of it.
      const std::string_view body = data.payload.exists() ? data.payload.raw() : data.raw;
      const std::string place = join({header.subscribe_id, header.corp_id, biz_type, header.biz_id});
      header.dedup_key = join({digest_of({place, "/", body}), modified, cursor});
    }
  } else {
    header.dedup_key = header.id.empty() ? digest_of({data.raw}) : header.id;
    const KindFacts& facts = facts_of(data.kind);
    const Json object = facts.object_root.empty() ? data.payload : data.payload[facts.object_root];
    std::string_view keys = facts.object_keys;
    const std::string_view name = keys.substr(0, keys.find('|'));
    Json id;
    while (!keys.empty() && id.as_text().empty()) {
      id = object[next_key(keys)];
      if (id.is_array()) id = id.at(0);
    }
    header.ordering_key =
        id.as_text().empty() ? join({header.corp_id, header.type}) : join({header.corp_id, name, id.as_text()});
  }
}

}  // namespace detail
DINGCB_NAMESPACE_END
