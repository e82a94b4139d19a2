// dedup_key and ordering_key: which events are the same, and which must keep their order.
#pragma once

#include <dingcb/detail/bytes.hpp>
#include <dingcb/impl/event_data.ipp>
#include <dingcb/impl/openssl.ipp>

#include <algorithm>
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
  const auto special = [](char c) { return c == '/' || c == '~'; };
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size() + 1;
  std::string key;
  key.reserve(size);
  for (const std::string_view part : parts) {
    for (auto c = part.begin(); c != part.end();) {
      const auto next = std::find_if(c, part.end(), special);
      key.append(c, next);
      c = next;
      for (; c != part.end() && special(*c); ++c) key += *c == '/' ? "~1" : "~0";
    }
    key += '/';
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
inline Event complete(std::shared_ptr<EventData> data) {
  EventHeader& header = data->header;
  const bool row = is_row(header);
  const std::string biz_type = row ? std::to_string(header.biz_type.value_or(0)) : std::string();
  if (!header.id.empty()) {
    // Two suites of one receiver are told of the same change by two rows.
    header.dedup_key = row ? join({header.subscribe_id, header.id}) : header.id;
  } else if (row) {
    // The same row read over HTTP and from a table has the same key: `id` and `status` are not part of it.
    const std::string_view body = data->payload.exists() ? data->payload.raw() : data->raw;
    header.dedup_key = digest_of({join({header.subscribe_id, header.corp_id, biz_type, header.biz_id}), "/", body});
  } else {
    header.dedup_key = digest_of({data->raw});
  }
  if (row) {
    header.dedup_key +=
        '/' + std::to_string(header.gmt_modified_ms.value_or(0)) + '/' + std::to_string(header.open_cursor.value_or(0));
    header.ordering_key = join({header.corp_id, biz_type, header.biz_id});
  } else {
    const KindFacts& facts = facts_of(data->kind);
    const Json object = facts.object_root.empty() ? data->payload : data->payload[facts.object_root];
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
  return EventData::finish(std::move(data));
}

}  // namespace detail
DINGCB_NAMESPACE_END
