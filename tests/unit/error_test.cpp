#include <dingcb/error.hpp>

#include "support/catch.hpp"

#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace {

using dingcb::Errc;
using dingcb::Error;
using dingcb::Message;

struct Row {
  Errc code;
  int official;
};

// Every Errc with the number that the platform's documents give it.
constexpr Row kRows[] = {
    {Errc::plaintext_too_long, 900001},
    {Errc::timestamp_missing, 900002},
    {Errc::nonce_missing, 900003},
    {Errc::aes_key_length, 900004},
    {Errc::aes_key_charset, 900004},
    {Errc::signature_mismatch, 900005},
    {Errc::signature_failed, 900006},
    {Errc::encryption_failed, 900007},
    {Errc::random_failed, 900007},
    {Errc::ciphertext_empty, 900008},
    {Errc::base64_malformed, 900008},
    {Errc::ciphertext_not_block_multiple, 900008},
    {Errc::decryption_failed, 900008},
    {Errc::padding, 900008},
    {Errc::too_short, 900009},
    {Errc::length_field, 900009},
    {Errc::owner_mismatch, 900010},
    {Errc::timestamp_malformed, 0},
    {Errc::timestamp_outside_window, 0},
    {Errc::input_too_large, 0},
    {Errc::credential_missing, 0},
    {Errc::token_missing, 0},
    {Errc::owner_key_missing, 0},
    {Errc::credential_duplicate, 0},
    {Errc::crypto_unavailable, 0},
    {Errc::not_utf8, 0},
    {Errc::json_malformed, 0},
    {Errc::json_too_deep, 0},
    {Errc::field_unfit, 0},
    {Errc::envelope_malformed, 0},
    {Errc::event_type_missing, 0},
    {Errc::kind_mismatch, 0},
    {Errc::duplicate_handler, 0},
    {Errc::handler_missing, 0},
    {Errc::handler_failed, 0},
    {Errc::request_malformed, 0},
    {Errc::sender_refused, 0},
    {Errc::answer_late, 0},
    {Errc::address_malformed, 0},
    {Errc::registration_unfit, 0},
    {Errc::callback_exists, 0},
    {Errc::callback_unknown, 0},
    {Errc::platform_refused, 0},
    {Errc::out_of_memory, 0},
    {Errc::inbox_full, 0},
    {Errc::inbox_locked, 0},
    {Errc::inbox_corrupt, 0},
    {Errc::inbox_schema, 0},
    {Errc::inbox_failed, 0},
    {Errc::inbox_unsupported, 0},
    {Errc::lease_lost, 0},
};

constexpr int kCount = sizeof(kRows) / sizeof(kRows[0]);
const std::string kLong(200, 'x');  // too long for a string's own buffer

}  // namespace

TEST_CASE("official_code gives the platform's number of every Errc") {
  for (const Row& row : kRows) {
    INFO(make_error_code(row.code).message());
    CHECK(dingcb::official_code(row.code) == row.official);
  }
  CHECK(dingcb::official_code(Errc{}) == 0);
  CHECK(dingcb::official_code(static_cast<Errc>(900005)) == 0);
}

TEST_CASE("The values of Errc are consecutive and all have a number and a text of their own") {
  std::set<std::string> texts;
  for (int i = 0; i < kCount; ++i) {
    CHECK(static_cast<int>(kRows[i].code) == i + 1);
    const std::string text = dingcb::error_category().message(i + 1);
    CHECK(text != "unknown error");
    texts.insert(text);
  }
  CHECK(texts.size() == kCount);
  CHECK(dingcb::error_category().message(0) == "unknown error");
  CHECK(dingcb::error_category().message(kCount + 1) == "unknown error");
}

TEST_CASE("Errc is a std::error_code of the category dingcb") {
  const std::error_code code = Errc::padding;
  CHECK(code == Errc::padding);
  CHECK(code != Errc::too_short);
  CHECK(code.value() == static_cast<int>(Errc::padding));
  CHECK(code.category() == dingcb::error_category());
  CHECK(&code.category() == &dingcb::error_category());
  CHECK(std::string(code.category().name()) == "dingcb");
  CHECK(code.message() == dingcb::error_category().message(code.value()));
  CHECK(code != std::error_code(code.value(), std::generic_category()));
}

TEST_CASE("An Error converts to a std::error_code") {
  const Error error{Errc::owner_mismatch, Message::literal("no"), nullptr};
  CHECK(make_error_code(error) == Errc::owner_mismatch);
}

TEST_CASE("Message compares with messages and with every kind of text") {
  const Message message(std::string("text"));
  const Message same = Message::literal("text");
  CHECK(message == same);
  CHECK_FALSE(message != same);
  CHECK(message != Message());
  CHECK(message == "text");
  CHECK(message == std::string("text"));
  CHECK(message == std::string_view("text"));
  CHECK("text" == message.str());
  CHECK(message != "other");
}

TEST_CASE("Message::literal refers to the literal and copies nothing") {
  static constexpr char kText[] = "a text of a length for which a std::string would have to allocate memory";
  static_assert(noexcept(Message::literal(kText)));
  const Message message = Message::literal(kText);
  CHECK(message.data() == kText);
  CHECK(message.size() == sizeof(kText) - 1);
  const Message copy = message;
  CHECK(copy.data() == kText);
}

TEST_CASE("Message copies share one text, which lives as long as any of them") {
  static_assert(std::is_nothrow_copy_constructible_v<Message> && std::is_nothrow_copy_assignable_v<Message>);
  Message outer;
  std::string_view view;
  {
    const Message message(kLong);
    const Message copy = message;
    CHECK(copy.data() == message.data());
    outer = copy;
    view = message;
  }
  CHECK(view == kLong);
  CHECK(view.data() == outer.data());
}

TEST_CASE("Message owns a short text as well as a long one") {
  Message outer;
  {
    std::string text = "short";
    const Message message(text);
    text = "other";
    outer = message;
  }
  CHECK(outer == "short");
}

TEST_CASE("Message is NUL-terminated, also when it is empty") {
  CHECK(std::string(Message(kLong).c_str()) == kLong);
  CHECK(std::string(Message::literal("text").c_str()) == "text");
  const Message empty;
  CHECK(*empty.c_str() == '\0');
  CHECK(empty.empty());
  CHECK(empty.size() == 0);
  CHECK(Message(std::string()).empty());
  CHECK(Message::literal("").empty());
}

TEST_CASE("Message reads like a text") {
  const Message message(std::string("error 900008: the padding is wrong"));
  CHECK_FALSE(message.empty());
  CHECK(message == "error 900008: the padding is wrong");
  CHECK(message != "error 900008");
  CHECK(message.str() == "error 900008: the padding is wrong");
  CHECK(message.find("900008") == 6);
  CHECK(message.find("900009") == std::string_view::npos);
  std::ostringstream stream;
  stream << '[' << message << ']' << Message();
  CHECK(stream.str() == "[error 900008: the padding is wrong]");
}

TEST_CASE("Message stays whole when it is moved from and to") {
  Message from(kLong);
  const Message to = std::move(from);
  CHECK(to == kLong);
  Message assigned = Message::literal("before");
  assigned = to;
  CHECK(assigned == kLong);
}

TEST_CASE("A new Diagnosis suspects nothing") {
  const dingcb::Diagnosis diagnosis;
  CHECK(diagnosis.suspect == dingcb::Suspect::none);
  CHECK(diagnosis.cause == "none");
  CHECK((diagnosis.en.empty() && diagnosis.zh.empty()));
}
