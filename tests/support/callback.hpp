// Requests as DingTalk sends them, and what it makes of the responses.
#pragma once

#include <dingcb/callback_handler.hpp>

#include "support/injected.hpp"
#include "support/platform.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace callback {

inline const dingcb::Credential kApp{
    "tokenOfTheApp", "sHop5QlYl3zvEtqxz5jiOcdr586fn2zvjpa8zls3i01", {"dingshopappkey0001"}, "shop"};

/// An HTTP request.
struct Http {
  std::string query;
  std::string body;

  dingcb::Request request() const noexcept { return {query, body}; }
};

inline Http http(const platform::Sealed& sealed) {
  return {"signature=" + sealed.signature + "&timestamp=" + sealed.timestamp + "&nonce=" + sealed.nonce,
          "{\"encrypt\":\"" + sealed.encrypt + "\"}"};
}

inline platform::Sealed seal(std::string_view plaintext, const dingcb::Credential& credential = kApp) {
  return platform::seal(credential, credential.owner_keys[0], "1700000000000", "nOnce123", plaintext);
}

inline Http push(std::string_view plaintext, const dingcb::Credential& credential = kApp) {
  return http(seal(plaintext, credential));
}

inline Http push_of(std::string_view type) {
  return push("{\"EventType\":\"" + std::string(type) + "\",\"CorpId\":\"ding1\"}");
}

/// A row of a SyncHTTP push, and a push of several.
inline std::string row(std::string_view type, std::string_view biz_id, int biz_type) {
  return R"({"id":1,"corp_id":"ding1","subscribe_id":"s_0","biz_type":)" + std::to_string(biz_type) + R"(,"biz_id":")" +
         std::string(biz_id) + R"(","biz_data":"{\"syncAction\":\")" + std::string(type) + R"(\"}"})";
}
inline Http push_rows(const std::string& rows) {
  return push(R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)" + rows + "]}");
}

/// @return what the reply decrypts to; else the status and the body, as `503 try again`.
inline std::string answer_of(const dingcb::Response& response, const dingcb::Credential& credential = kApp) {
  if (response.status != 200) return std::to_string(response.status) + ' ' + response.body;
  const auto text = [&response](const std::string& key) {
    const std::string mark = '"' + key + "\":\"";
    const std::size_t at = response.body.find(mark);
    if (at == std::string::npos) return std::string();
    const std::size_t begin = at + mark.size();
    return response.body.substr(begin, response.body.find('"', begin) - begin);
  };
  const dingcb::Reply reply{text("msg_signature"), text("timeStamp"), text("nonce"), text("encrypt")};
  if (response.content_type != "application/json" || response.body != reply.to_json()) return "no reply";
  const platform::Verdict verdict = platform::open(credential, reply);
  return verdict.failure == dingcb::Errc{} ? verdict.message : "a reply that does not open";
}

/// Options by which no answer is late, however slow the machine is.
inline dingcb::CallbackOptions unhurried() {
  dingcb::CallbackOptions options;
  options.http_deadline = options.sync_http_deadline = std::chrono::hours(1);
  return options;
}

}  // namespace callback
