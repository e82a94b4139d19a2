// What Encryptor::diagnose() can say, in both languages; docs/errors.md lists the same causes.
#pragma once

#include <dingcb/error.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

DINGCB_NAMESPACE_BEGIN
namespace detail::diagnosis {

/// A row of the table. `{name}` in a text stands for something that only the push tells.
struct Finding {
  std::string_view cause;
  Suspect suspect;  // none: the push is fine, or (where the text says {field}) the input that is named
  std::string_view en;
  std::string_view zh;
};

inline constexpr Finding kFindings[] = {
    {"none", Suspect::none, "Signature, AES key and owner key fit; the push opens with {credential}.",
     "签名、AES 密钥和 owner key 均正确，{credential}可以解开这次推送。"},
    {"openssl_failed", Suspect::none,
     "OpenSSL could not compute, so nothing is known about the push; check memory and the OpenSSL configuration.",
     "OpenSSL 运算失败，无法判断这次推送；请检查内存和 OpenSSL 配置。"},

    // Presence and size.
    {"signature_missing", Suspect::signature,
     "The signature is empty; pass the query parameter \"signature\" (or \"msg_signature\").",
     "signature 为空；请传入 URL 参数 signature（或 msg_signature）。"},
    {"timestamp_missing", Suspect::timestamp,
     "The timestamp is empty; pass the query parameter \"timestamp\" (or \"timeStamp\").",
     "timestamp 为空；请传入 URL 参数 timestamp（或 timeStamp）。"},
    {"nonce_missing", Suspect::nonce, "The nonce is empty; pass the query parameter \"nonce\".",
     "nonce 为空；请传入 URL 参数 nonce。"},
    {"encrypt_missing", Suspect::body,
     "encrypt is empty; pass the field \"encrypt\" of the JSON body of the POST request.",
     "encrypt 为空；请传入 POST 请求 JSON 正文中的 encrypt 字段。"},
    {"input_too_large", Suspect::body,
     "The push has {size} bytes, more than EncryptorOptions::max_input_size allows ({limit}). Check that encrypt is "
     "the "
     "field of one push; raise the limit if such pushes are expected.",
     "推送共 {size} 字节，超过 EncryptorOptions::max_input_size（{limit}）。请确认 encrypt "
     "只是一次推送的字段；若确有这么"
     "大的推送，请调大该上限。"},

    // The signature fits.
    {"timestamp_too_old", Suspect::timestamp,
     "Everything fits, but the timestamp lies {distance} s in the past and the replay window allows {window} s. "
     "Natural "
     "for a push captured earlier; for a fresh one this machine's clock is ahead, or it was delivered late: correct "
     "the "
     "clock or widen EncryptorOptions::replay_window.",
     "各项均正确，但 timestamp 比本机时间早 {distance} 秒，重放窗口只允许 {window} "
     "秒。若是早前抓取的推送，这很正常；若是刚收到"
     "的，说明本机时钟偏快或推送延迟：请校准时钟，或调大 EncryptorOptions::replay_window。"},
    {"timestamp_in_future", Suspect::timestamp,
     "Everything fits, but the timestamp lies {distance} s in the future and the replay window allows {window} s: this "
     "machine's clock is behind. Correct it (NTP).",
     "各项均正确，但 timestamp 比本机时间晚 {distance} 秒，重放窗口只允许 {window} 秒：本机时钟偏慢，请校准（NTP）。"},
    {"timestamp_malformed", Suspect::timestamp,
     "Everything fits, but with a replay window the timestamp must have exactly 10 or 13 digits; pass the query "
     "parameter "
     "unchanged.",
     "各项均正确，但启用重放窗口后 timestamp 必须恰好为 10 位或 13 位数字；请原样传入 URL 参数。"},
    {"timestamp_nonce_swapped", Suspect::timestamp,
     "timestamp and nonce stand in each other's place. The signature does not notice, the replay window does; swap "
     "them.",
     "timestamp 与 nonce 位置互换了。签名校验察觉不到，但重放窗口会拒绝；请对调两者。"},
    {"encrypt_swapped", Suspect::body,
     "The ciphertext stands in {field} and something else in encrypt. The signature does not notice; swap them.",
     "密文放在了 {field} 中，而 encrypt 里是别的内容。签名校验察觉不到；请对调两者。"},
    {"aes_key_wrong", Suspect::aes_key,
     "The signature fits the token of {credential}, but no configured AES key opens the push. Copy the EncodingAESKey "
     "of "
     "the same app from the developer console again; it may have been regenerated.",
     "签名与{credential}的 token 相符，但没有任何已配置的 AES 密钥能解密。请从开发者后台重新复制同一应用的 "
     "EncodingAESKey，"
     "它可能已被重新生成。"},
    {"aes_key_of_other_credential", Suspect::aes_key,
     "The signature fits the token of {credential}, but the AES key that opens the push is configured at {other}. Give "
     "{credential} that key.",
     "签名与{credential}的 token 相符，但能解密的 AES 密钥配置在{other}上。请把该密钥配置给{credential}。"},
    {"token_of_other_credential", Suspect::token,
     "AES key and owner key are those of {other}, but the signature fits the token of {credential}. Give {other} that "
     "token; the tokens of the two seem to be mixed up.",
     "AES 密钥和 owner key 属于{other}，签名却与{credential}的 token 相符。请把该 token 配置给{other}，两者的 token "
     "可能弄混了。"},

    // Token and AES key fit.
    {"owner_key_empty", Suspect::owner_key,
     "Token and AES key fit, but the push is sealed with an empty owner key. DingTalk always seals one: look for the "
     "test "
     "tool or proxy that made this push.",
     "token 和 AES 密钥正确，但消息里封装的 owner key "
     "为空。钉钉总会写入该值：请检查是哪个测试工具或代理生成了这次推送。"},
    {"owner_key_preset", Suspect::owner_key,
     "Token and AES key fit. The push is sealed with {sealed}, the preset key that DingTalk uses while a third-party "
     "app is "
     "being created and has no SuiteKey yet. Add it to owner_keys beside {configured} until the app exists.",
     "token 和 AES 密钥正确。消息封装的是 {sealed}，即创建第三方应用、尚无 SuiteKey 时钉钉使用的预置 "
     "key。应用创建完成前，请把它"
     "与 {configured} 一并放入 owner_keys。"},
    {"owner_key_case_or_space", Suspect::owner_key,
     "Token and AES key fit. The configured owner key {configured} differs from the sealed one ({sealed}) in upper and "
     "lower "
     "case or in surrounding white space only; both must be equal byte for byte.",
     "token 和 AES 密钥正确。已配置的 owner key {configured} 与消息中的 {sealed} "
     "仅大小写或首尾空白不同；两者必须逐字节一致。"},
    {"owner_key_typo", Suspect::owner_key,
     "Token and AES key fit. The configured owner key {configured} differs from the sealed one ({sealed}) in one or "
     "two "
     "characters: copy it again instead of typing it.",
     "token 和 AES 密钥正确。已配置的 owner key {configured} 与消息中的 {sealed} "
     "只差一两个字符：请重新复制，不要手工输入。"},
    {"owner_key_of_other_credential", Suspect::owner_key,
     "Token and AES key are those of {credential}, but the sealed owner key {sealed} is configured at {other}. Add it "
     "to the "
     "owner_keys of {credential}, or correct the token and AES key of {other}.",
     "token 和 AES 密钥属于{credential}，但消息中的 owner key {sealed} 配置在{other}上。请把它加入{credential}的 "
     "owner_keys，或更正{other}的 token 和 AES 密钥。"},
    {"owner_key_is_app_key", Suspect::owner_key,
     "Token and AES key fit. The push is sealed with the AppKey (Client ID) {sealed}, configured is {configured}. "
     "Events "
     "ticked in the developer console carry the AppKey of the internal app: add it to owner_keys.",
     "token 和 AES 密钥正确。消息封装的是 AppKey（Client ID）{sealed}，而配置的是 "
     "{configured}。在开发者后台订阅的事件使用企业"
     "内部应用的 AppKey：请把它加入 owner_keys。"},
    {"owner_key_is_corp_id", Suspect::owner_key,
     "Token and AES key fit. The push is sealed with the CorpId {sealed}, configured is {configured}. Callbacks "
     "registered "
     "through the API (register_call_back) carry the CorpId of the organisation: add it to owner_keys.",
     "token 和 AES 密钥正确。消息封装的是 CorpId {sealed}，而配置的是 "
     "{configured}。通过接口（register_call_back）注册的回调"
     "使用企业的 CorpId：请把它加入 owner_keys。"},
    {"owner_key_is_suite_key", Suspect::owner_key,
     "Token and AES key fit. The push is sealed with the SuiteKey {sealed}, configured is {configured}. Third-party "
     "apps "
     "carry the SuiteKey: add it to owner_keys.",
     "token 和 AES 密钥正确。消息封装的是 SuiteKey {sealed}，而配置的是 {configured}。第三方应用使用 "
     "SuiteKey：请把它加入 "
     "owner_keys。"},
    {"owner_key_unknown", Suspect::owner_key,
     "Token and AES key fit. The push is sealed with {sealed} ({kind}), configured is {configured}. If that is a key "
     "of this "
     "app (AppKey, CorpId, SuiteKey or customKey), add it to owner_keys; else another app uses the same token and AES "
     "key.",
     "token 和 AES 密钥正确。消息封装的是 {sealed}（{kind}），而配置的是 "
     "{configured}。若它属于本应用（AppKey、CorpId、SuiteKey "
     "或 customKey），请加入 owner_keys；否则说明另有应用使用了相同的 token 和 AES 密钥。"},

    // The text of an input was changed, and undoing the change makes it fit.
    {"signature_swapped", Suspect::signature, "signature and {field} stand in each other's place; swap them.",
     "signature 与 {field} 位置互换了，请对调。"},
    {"whole_json_body", Suspect::none, "{field} is a whole JSON object; pass only the value of its field \"{field}\".",
     "{field} 传入了整个 JSON 对象；请只传其中 {field} 字段的值。"},
    {"name_left_in_value", Suspect::none,
     "{field} still has its name in front (\"name=value\"); pass the decoded value only.",
     "{field} 的值前面还带着参数名（name=value）；请只传解码后的值。"},
    {"json_escapes_left", Suspect::none,
     "{field} still has JSON escapes in it (such as \\/ or \\u002b); take the value from a JSON parser.",
     "{field} 里还有 JSON 转义（如 \\/ 或 \\u002b）；请使用 JSON 解析器取出的值。"},
    {"percent_encoded", Suspect::none, "Still percent-encoded (such as %2B): {field}. Decode it once more.",
     "{field} 仍是 URL 编码（如 %2B）；请再解码一次。"},
    {"plus_became_space", Suspect::none,
     "In {field} each \"+\" became a space: it was decoded as a form. Take the raw value, and decode percent signs "
     "only where "
     "it was encoded.",
     "{field} 中的“+”变成了空格：它被当作表单解码了。请取原始值，仅在确实编码过时才做 URL 解码。"},
    {"url_safe_alphabet", Suspect::none,
     "{field} uses the URL-safe base64 alphabet (\"-\" and \"_\"), DingTalk sends \"+\" and \"/\"; pass the text "
     "unchanged.",
     "{field} 用的是 URL 安全的 base64 字母表（“-”和“_”），钉钉发送的是“+”和“/”；请原样传入。"},
    {"padding_lost", Suspect::none, "{field} lost the \"=\" at its end; pass the text unchanged.",
     "{field} 末尾的“=”丢失了；请原样传入。"},
    {"line_breaks_added", Suspect::none,
     "Line breaks were added to {field}; they count in the signature. Pass it unchanged.",
     "{field} 中被加入了换行，而换行参与签名；请原样传入。"},
    {"line_breaks_lost", Suspect::none, "{field} lost its line breaks; they count in the signature. Pass it unchanged.",
     "{field} 原有的换行丢失了，而换行参与签名；请原样传入。"},
    {"line_endings_changed", Suspect::none,
     "The line endings in {field} were changed (CRLF and LF); they count in the signature. Pass it unchanged.",
     "{field} 中的换行符被改动（CRLF 与 LF 互换），而换行参与签名；请原样传入。"},
    {"surrounding_space", Suspect::none,
     "White space or a line break surrounds {field}; remove it where the text is read.",
     "{field} 首尾有空白或换行；请在读取处去掉。"},
    {"quotes_left", Suspect::none, "Quotes surround {field}; remove them.", "{field} 首尾带有引号；请去掉。"},
    {"byte_order_mark", Suspect::none, "A byte order mark (BOM) begins {field}; remove it where the text is read.",
     "{field} 开头有字节顺序标记（BOM）；请在读取处去掉。"},
    {"nul_byte", Suspect::none, "A NUL byte ends {field}: the length was taken too large (sizeof of a C string).",
     "{field} 末尾有 NUL 字节：长度取大了（例如对 C 字符串用了 sizeof）。"},
    {"upper_case_hex", Suspect::none, "{field} is in upper case, DingTalk sends lower case; pass it unchanged.",
     "{field} 是大写的，钉钉发送的是小写；请原样传入。"},
    {"digest_prefix", Suspect::none, "{field} has a prefix in front of its 40 digits (such as \"sha1=\"); remove it.",
     "{field} 的 40 位十六进制前有前缀（如 sha1=）；请去掉。"},
    {"number_reprinted", Suspect::none,
     "{field} was read as a number and printed again (decimal point, exponent or separators); pass the text unchanged.",
     "{field} 被当作数字解析后重新输出（出现小数点、指数或分隔符）；请原样传入文本。"},
    {"seconds_became_milliseconds", Suspect::none,
     "{field} was in seconds and was made milliseconds; pass it unchanged.",
     "{field} 原为秒，被换算成了毫秒；请原样传入。"},
    {"milliseconds_became_seconds", Suspect::none,
     "{field} was in milliseconds and lost its last three digits; pass it unchanged, never as a parsed date.",
     "{field} 原为毫秒，末三位丢失了；请原样传入，不要先解析成日期。"},

    // Nothing gives the signature.
    {"signature_malformed", Suspect::signature,
     "The signature does not consist of 40 lower-case hex digits; pass the query parameter \"signature\" (or "
     "\"msg_signature\") unchanged.",
     "signature 不是 40 位小写十六进制；请原样传入 URL 参数 signature（或 msg_signature）。"},
    {"timestamp_unusual", Suspect::timestamp,
     "AES key and owner key of {credential} fit, the signature does not, and the timestamp has not 10 or 13 digits as "
     "DingTalk sends it; pass the query parameter unchanged. If it is unchanged, the token is wrong.",
     "{credential}的 AES 密钥和 owner key 正确，但签名不符，且 timestamp 不是钉钉发送的 10 位或 13 位数字；请原样传入 "
     "URL 参数。"
     "若确未改动，则是 token 错误。"},
    {"nonce_unusual", Suspect::nonce,
     "AES key and owner key of {credential} fit, the signature does not, and the nonce holds something else than "
     "letters "
     "and digits; pass the query parameter unchanged. If it is unchanged, the token is wrong.",
     "{credential}的 AES 密钥和 owner key 正确，但签名不符，且 nonce 含有字母和数字以外的字符；请原样传入 URL "
     "参数。若确未改动，则是 "
     "token 错误。"},
    {"token_wrong", Suspect::token,
     "AES key and owner key of {credential} fit, only the signature does not: the token is wrong. Copy it again from "
     "the "
     "place where this callback was set up (the developer console, or the registration call), and check that "
     "signature, "
     "timestamp and nonce come from the same request.",
     "{credential}的 AES 密钥和 owner key 正确，只有签名不符：token "
     "错误。请从设置该回调的地方（开发者后台或注册接口）重新复制 "
     "token，并确认 signature、timestamp、nonce 来自同一个请求。"},
    {"token_is_aes_key", Suspect::token,
     "AES key and owner key of {credential} fit, the token does not: it has 43 letters and digits like an "
     "EncodingAESKey. "
     "Put the token of the developer console in its place.",
     "{credential}的 AES 密钥和 owner key 正确，但 token 不对：它有 43 位字母和数字，像是 "
     "EncodingAESKey。请改填开发者后台的 "
     "token。"},
    {"token_is_owner_key", Suspect::token,
     "AES key and owner key of {credential} fit, the token does not: it looks like an AppKey, CorpId or SuiteKey. Put "
     "the "
     "token of the developer console in its place.",
     "{credential}的 AES 密钥和 owner key 正确，但 token 不对：它像是 AppKey、CorpId 或 SuiteKey。请改填开发者后台的 "
     "token。"},
    {"token_among_owner_keys", Suspect::token,
     "An owner key of {credential} gives the signature: it is the token. Put it into token, and the AppKey, CorpId or "
     "SuiteKey into owner_keys.",
     "{credential}的 owner key 能得到正确签名：它才是 token。请把它填入 token，并把 AppKey、CorpId 或 SuiteKey 填入 "
     "owner_keys。"},
    {"token_and_owner_key_wrong", Suspect::token,
     "The AES key of {credential} opens the push, but the token does not give its signature, nor is the sealed owner "
     "key "
     "{sealed} ({kind}) a configured one ({configured}): the push belongs to another app with the same AES key, or "
     "both "
     "token and owner key are wrong. Correct the token first.",
     "{credential}的 AES 密钥能解密，但 token 得不到该签名，消息中的 owner key "
     "{sealed}（{kind}）也不在配置中（{configured}）："
     "推送属于使用相同 AES 密钥的另一个应用，或者 token 和 owner key 都错了。请先更正 token。"},
    {"encrypt_is_json", Suspect::body,
     "encrypt is JSON without a field \"encrypt\": an unencrypted message, or a body that was decrypted already. Pass "
     "the "
     "field \"encrypt\" of the body that DingTalk sent.",
     "encrypt 是一段不含 encrypt 字段的 JSON：未加密的消息，或已解密过的正文。请传入钉钉请求正文中的 encrypt 字段。"},
    {"encrypt_not_base64", Suspect::body,
     "encrypt is no strict base64; pass the field \"encrypt\" of the JSON body, exactly as a JSON parser gives it.",
     "encrypt 不是严格的 base64；请原样传入 JSON 解析器给出的 encrypt 字段。"},
    {"encrypt_truncated", Suspect::body,
     "encrypt is incomplete: it is no whole number of 16-byte blocks. Look for a limit on the body size, or for a body "
     "that "
     "was read once although it arrived in pieces.",
     "encrypt 不完整：它不是 16 字节分组的整数倍。请检查正文大小限制，或正文分段到达时是否只读取了一次。"},
    {"other_app", Suspect::credentials,
     "Neither a token nor an AES key that is configured fits: the push belongs to an app that is not configured (its "
     "callback "
     "URL leads here), or its text was replaced on the way. Compare token and EncodingAESKey with the app's settings.",
     "已配置的 token 和 AES "
     "密钥均不符：推送属于未配置的应用（其回调地址指向了这里），或内容在途中被替换。请与该应用设置中的 token 和 "
     "EncodingAESKey 核对。"},
};

/// A text for each language; one where they agree.
struct Phrase {
  Phrase(std::string both) : en(both), zh(std::move(both)) {}
  Phrase(std::string_view both) : Phrase(std::string(both)) {}
  Phrase(const char* both) : Phrase(std::string(both)) {}
  Phrase(std::string english, std::string chinese) : en(std::move(english)), zh(std::move(chinese)) {}

  std::string en;
  std::string zh;
};

using Phrases = std::initializer_list<std::pair<std::string_view, Phrase>>;

inline std::string fill_in(std::string_view text, const Phrases& phrases, std::string Phrase::*language) {
  std::string filled;
  for (std::size_t open = text.find('{'); open != std::string_view::npos; open = text.find('{')) {
    const std::size_t close = text.find('}', open);
    const std::string_view name = text.substr(open + 1, close - open - 1);
    filled.append(text.substr(0, open));
    for (const auto& [known, phrase] : phrases) {
      if (known == name) filled.append(phrase.*language);
    }
    text.remove_prefix(close + 1);
  }
  return filled.append(text);
}

/// Makes a Diagnosis of a row of the table.
inline Diagnosis say(std::string_view cause, const Phrases& phrases = {}) {
  const Finding* finding = kFindings;
  while (finding->cause != cause) ++finding;  // every cause that is said stands in the table
  return {finding->suspect, finding->cause, fill_in(finding->en, phrases, &Phrase::en),
          fill_in(finding->zh, phrases, &Phrase::zh)};
}

/// Appends what else was found.
inline Diagnosis join(Diagnosis first, const Diagnosis& second) {
  first.en.append(" Besides: ").append(second.en);
  first.zh.append("此外：").append(second.zh);
  return first;
}

}  // namespace detail::diagnosis
DINGCB_NAMESPACE_END
