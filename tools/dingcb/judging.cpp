#include "judging.hpp"

#include "json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace command {

namespace {

constexpr std::string_view kCryptoPage =
    "https://open.dingtalk.com/document/orgapp/callback-event-message-body-encryption-and-decryption";
constexpr std::string_view kServerPage = "https://open.dingtalk.com/document/orgapp/configure-stream-push";

constexpr const char* kOwnDocs = "docs/command.md#causes-that-only-the-command-knows";

/// A finding of the command itself, or with an empty `en` the Chinese of one of the test kit. `{}` stands for a detail.
struct Text {
  std::string_view cause;
  std::string_view part;
  std::string_view en;
  std::string_view zh;
};

constexpr Text kAnswers[] = {
    {"none", "reply", "DingTalk counts the push as delivered.", "钉钉会认为推送成功。"},
    {"late", "time",
     "The answer is right, but took {}; DingTalk has given up by then and repeats the push. Store the event, answer, "
     "and "
     "work on it afterwards.",
     "应答内容正确，但耗时 {}；此时钉钉已判定超时并会重推。请先保存事件并立即应答，随后再异步处理。"},
    {"timestamp_odd", "timeStamp",
     "timeStamp is {}, which is no time; send the present time in milliseconds as 13 digits (a common mistake takes "
     "the "
     "seconds of the minute or the milliseconds of the second).",
     "timeStamp 为 {}，不是时间；请填写当前时间的 13 位毫秒数（常见错误是取了“分钟内的秒数”或“秒内的毫秒数”）。"},
    {"timestamp_stale", "timeStamp",
     "timeStamp lies {} from the time of the answer and is not that of the push; take the present time for each reply, "
     "and "
     "set the clock (NTP).",
     "timeStamp 与应答时刻相差 {}，也不是推送中的 timestamp；每次应答请取当前时间，并校准时钟（NTP）。"},
    {"redirected", "status", "",
     "返回了 3xx 状态码，钉钉不跟随重定向；请直接在最终 URL 上应答，并把该 URL 填入开发者后台。"},
    {"status_not_200", "status", "",
     "HTTP 状态码为 {}；无论业务结果如何，只有 200 才算推送成功。请检查路径、方法（POST）和服务日志。"},
    {"body_empty", "body", "", "状态码为 200 但正文为空；请返回加密的 success（四个字段的 JSON）。"},
    {"reply_not_encrypted", "body", "", "直接返回了明文；请加密后以四个字段的 JSON 返回。"},
    {"event_echoed", "body", "", "返回了推送的明文事件；请返回加密的 success，而不是收到的内容。"},
    {"json_in_text", "body", "", "应答 JSON 被当作字符串又序列化了一次；请直接返回 JSON 对象。"},
    {"body_not_json", "body", "", "正文不是 JSON 对象；请返回包含 msg_signature、timeStamp、nonce、encrypt 的 JSON。"},
    {"field_missing", "body", "", "应答缺少字段；四个字段 msg_signature、timeStamp、nonce、encrypt 缺一不可。"},
    {"field_misnamed", "body", "",
     "应答的字段名不对；必须是 msg_signature、timeStamp、nonce、encrypt，大小写和下划线都要一致。"},
    {"field_not_text", "body", "", "应答的字段不是字符串；四个字段都必须是 JSON 字符串，timeStamp 也要加引号。"},
    {"field_empty", "body", "", "应答中有字段为空字符串；四个字段都必须有值。"},
    {"signature_upper_case", "msg_signature", "", "msg_signature 用了大写十六进制；请改为小写。"},
    {"signature_unsorted", "msg_signature", "",
     "计算 msg_signature 前没有排序；请把 token、timeStamp、nonce、encrypt 按字典序排序后再拼接。"},
    {"signature_wrong", "msg_signature", "",
     "msg_signature 不正确；请用本应用的 token 和应答自己的 timeStamp、nonce、encrypt（而非推送的）排序拼接后做 "
     "SHA-1。"},
    {"encrypt_line_breaks", "encrypt", "", "encrypt 的 base64 中有换行；请使用不换行的 base64。"},
    {"encrypt_url_safe", "encrypt", "",
     "encrypt 用了 URL 安全的 base64；请使用含 + 和 / 的标准字母表，并保留补位的 =。"},
    {"encrypt_not_base64", "encrypt", "", "encrypt 不是完整的 base64；请对密文编码一次，且只编码一次。"},
    {"ciphertext_size", "encrypt", "", "密文长度不是 16 的倍数；请用 AES-256-CBC 加密，并补位到 32 的倍数。"},
    {"aes_key_wrong", "encrypt", "",
     "encrypt 无法解密；请用 AES-256-CBC，密钥为本应用 EncodingAESKey 解码后的 32 字节，IV 为其前 16 字节。"},
    {"padding_wrong", "encrypt", "",
     "补位错误；须补 1 到 32 个字节，每个字节的值等于补位长度，长度已是 32 的倍数时也要补。"},
    {"envelope_missing", "encrypt", "",
     "只加密了文本本身；前面还要有 16 个随机字节和 4 字节大端长度，后面要有 owner key。"},
    {"length_wrong", "encrypt", "",
     "长度字段错误；它是文本的字节数（不是字符数），4 字节大端，位于 16 个随机字节之后。"},
    {"owner_key_missing", "encrypt", "", "文本后面没有 owner key；请追加推送中的那一个。"},
    {"owner_key_wrong", "encrypt", "", "封装的 owner key 与推送中的不同；请使用推送中的那一个。"},
    {"plaintext_wrong", "plaintext", "", "应答解密后的内容不是 {}。"},
};

constexpr Text kRequests[] = {
    {"method_not_post", "request",
     "The request is a {}; DingTalk sends POST. Look for a redirect in front of the endpoint: it turns a POST into a "
     "GET.",
     "请求方法是 {}，而钉钉使用 POST。请检查入口是否有重定向：它会把 POST 变成 GET。"},
    {"query_missing", "request",
     "The request has no query string, and so no signature; look for a proxy or framework that drops what follows `?`.",
     "请求没有查询串，因此没有 signature；请检查代理或框架是否丢掉了 ? 之后的内容。"},
    {"body_empty", "body", "The body is empty; read it before the framework does, and look for a proxy that drops it.",
     "正文为空；请在框架消费之前读取正文，并检查代理是否丢掉了它。"},
    {"body_cut", "body",
     "The body ends before the length that Content-Length promises; look for a limit in proxy or framework, or copy "
     "the whole of it.",
     "正文比 Content-Length 声明的短；请检查代理或框架的大小限制，或重新完整抓取。"},
    {"body_decrypted", "body",
     "The body is an event in plain text, not what DingTalk sends; capture the request before anything decrypts it.",
     "正文是明文事件，并非钉钉发送的内容；请在解密之前抓取请求。"},
    {"encrypt_field_missing", "body",
     "The body is JSON without a text \"encrypt\"; only {\"encrypt\":\"...\"} comes from DingTalk.",
     "正文是 JSON，但没有字符串字段 encrypt；钉钉只发送 {\"encrypt\":\"...\"}。"},
};

constexpr Text kSettings[] = {
    {"aes_key_length", "aes_key",
     "The EncodingAESKey has {} characters instead of 43; copy it from the developer console, without `=` and spaces. "
     "It is not the AppSecret.",
     "EncodingAESKey 有 {} 个字符，应为 43 个；请从开发者后台重新复制，不要带 = 和空格。它不是 AppSecret。"},
    {"aes_key_charset", "aes_key",
     "The EncodingAESKey has a character that is no letter and no digit; copy it from the developer console again.",
     "EncodingAESKey 含有字母和数字以外的字符；请从开发者后台重新复制。"},
    {"token_space", "token", "The token has white space at its beginning or end, which is signed, too; remove it.",
     "token 首尾有空白，而空白也会参与签名；请去掉。"},
    {"settings_unfit", "settings", "{}", "{}"},
};

std::string filled(std::string_view text, std::string_view detail) {
  std::string result(text);
  if (const std::size_t gap = result.find("{}"); gap != std::string::npos) result.replace(gap, 2, detail);
  return result;
}

template <std::size_t N>
Finding find(const Text (&texts)[N], std::string_view cause, std::string_view detail = {}, std::string_view en = {}) {
  const auto* const text =
      std::find_if(std::begin(texts), std::end(texts), [cause](const Text& one) { return one.cause == cause; });
  Finding finding;
  finding.cause = cause;
  if (text == std::end(texts)) {  // a cause that a newer library knows
    finding.en = finding.zh = en;
    return finding;
  }
  finding.part = text->part;
  finding.docs = text->en.empty() || cause == "none" ? "docs/errors.md#problems-of-an-answer" : kOwnDocs;
  finding.en = en.empty() ? filled(text->en, detail) : std::string(en);
  finding.zh = filled(text->zh, detail);
  return finding;
}

/// A value that is shown: short, and without control characters.
std::string shown(std::string_view text) {
  std::string result(1, '"');
  for (const char c : text.substr(0, 24)) result += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return result + (text.size() > 24 ? "...\"" : "\"");
}

std::string seconds(double ms) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.*f s", ms < 10000 ? 2 : 0, ms / 1000);
  return text;
}

Finding judge_timestamp(const Answer& answer) {
  const JsonDocument document = parse_json(answer.body);
  const std::string_view timestamp =
      text_in(document, member_of(document, "timeStamp") != nullptr ? "timeStamp" : "timestamp");
  const std::int64_t time = time_in(timestamp);
  if (time < 0) return find(kAnswers, "timestamp_odd", shown(timestamp));
  constexpr double kMost = 5 * 60 * 1000;
  const double distance = std::abs(static_cast<double>(time) - static_cast<double>(answer.now_ms));
  if (answer.now_ms >= 0 && timestamp != answer.push_timestamp && distance > kMost) {
    return find(kAnswers, "timestamp_stale", seconds(distance));
  }
  return find(kAnswers, "none");
}

}  // namespace

std::int64_t time_in(std::string_view timestamp) {
  const bool digits = std::all_of(timestamp.begin(), timestamp.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (timestamp.size() != 10 && timestamp.size() != 13)) return -1;
  std::int64_t time = 0;
  for (const char c : timestamp) time = time * 10 + (c - '0');
  return timestamp.size() == 10 ? time * 1000 : time;
}

Finding judge(const dingcb::testkit::Platform& platform, const Answer& answer, std::string* plaintext) {
  dingcb::testkit::Judgement judgement = platform.judge(answer.status, answer.body, answer.expected);
  if (plaintext != nullptr) *plaintext = judgement.plaintext;
  const std::string detail = judgement.cause == "plaintext_wrong" ? answer.expected : std::to_string(answer.status);
  Finding finding = find(kAnswers, judgement.cause, detail, judgement.problem);
  if (finding.good()) finding = judge_timestamp(answer);
  if (finding.good() && answer.elapsed_ms > answer.deadline_ms) {
    finding = find(kAnswers, "late", seconds(answer.elapsed_ms));
  }
  finding.page = finding.part == "status" || finding.part == "time" ? kServerPage : kCryptoPage;
  return finding;
}

Finding judge(const dingcb::Encryptor& encryptor, const Exchange& exchange) {
  const Parts parts = parts_of(exchange);
  const JsonDocument document = parse_json(exchange.body);
  Finding finding;
  if (!exchange.method.empty() && exchange.method != "POST") {
    finding = find(kRequests, "method_not_post", exchange.method.substr(0, 16));
  } else if (exchange.query().empty() && !parts.is_reply) {
    finding = find(kRequests, "query_missing");
  } else if (exchange.cut) {
    finding = find(kRequests, "body_cut");
  } else if (exchange.body.find_first_not_of(" \t\r\n") == std::string::npos) {
    finding = find(kRequests, "body_empty");
  } else if (parts.is_object && !parts.has_encrypt) {
    const bool event = member_of(document, "EventType") != nullptr || member_of(document, "syncAction") != nullptr;
    finding = find(kRequests, event ? "body_decrypted" : "encrypt_field_missing");
  } else {
    const dingcb::Diagnosis diagnosis = encryptor.diagnose(parts.push());
    static constexpr const char* kSuspects[] = {"none",      "token",     "aes_key", "owner_key", "credentials",
                                                "signature", "timestamp", "nonce",   "body"};
    finding.cause = diagnosis.cause;
    finding.part = kSuspects[static_cast<std::size_t>(diagnosis.suspect)];
    finding.en = diagnosis.en;
    finding.zh = diagnosis.zh;
    finding.docs = "docs/errors.md#causes-of-a-diagnosis";
  }
  finding.page = finding.part == "request" || finding.part == "body" ? kServerPage : kCryptoPage;
  return finding;
}

Finding judge(const std::vector<dingcb::Credential>& credentials) {
  Finding finding;
  for (const dingcb::Credential& one : credentials) {
    const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    if (!one.token.empty() && (is_space(one.token.front()) || is_space(one.token.back()))) {
      finding = find(kSettings, "token_space");
    }
  }
  const auto encryptor = dingcb::Encryptor::create(credentials);
  if (!encryptor) {
    if (encryptor.error().code == dingcb::Errc::aes_key_length) {
      const auto wrong = std::find_if(credentials.begin(), credentials.end(),
                                      [](const dingcb::Credential& one) { return one.aes_key.size() != 43; });
      finding = find(kSettings, "aes_key_length", std::to_string(wrong->aes_key.size()));
    } else if (encryptor.error().code == dingcb::Errc::aes_key_charset) {
      finding = find(kSettings, "aes_key_charset");
    } else {
      finding = find(kSettings, "settings_unfit", encryptor.error().message);
    }
  }
  finding.page = kServerPage;
  return finding;
}

Finding not_reached(const std::string& en, const std::string& zh) {
  Finding finding;
  finding.cause = "no_answer";
  finding.part = "connection";
  finding.docs = kOwnDocs;
  finding.en = en;
  finding.zh = zh;
  finding.page = kServerPage;
  return finding;
}

}  // namespace command
