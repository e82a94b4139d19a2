// What an event allocates: parsing it little, handling nothing of it nothing.
#include <dingcb/event.hpp>

#include <dingcb/events/chat.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/select.hpp>

#include "failure/heap.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace {

using dingcb::Event;
using dingcb::events::ChatUpdateOwner;
using dingcb::events::UserAddOrg;
using dingcb::events::UserLeaveOrg;

const char* const kPush =
    R"({"EventType":"chat_update_owner","EventTime":1663143335567,"CorpId":"ding9f50b15b0123456789","BizId":"16630000035567",)"
    R"("eventId":"c7c7120f2c07419000ebdba0318c8","owner":"manager4220manager4220","timeStamp":1608026611710,)"
    R"("operatorUnionId":"FxhxxxMBEp8iEFxhxxxMBEp8iE","openConversationId":"cidmfW0123456789012345678901=="})";

std::string batch_of(std::size_t rows) {
  std::string text = R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)";
  for (std::size_t i = 0; i < rows; ++i) {
    if (i != 0) text += ',';
    text += R"({"gmt_create":1652841516000,"biz_type":2,"open_cursor":0,"subscribe_id":"25300000000001_0","id":)" +
            std::to_string(i) +
            R"(,"gmt_modified":1652841516000,"biz_id":"2530000000001","corp_id":"ding9f50b15b0123456789","status":0,)"
            R"("biz_data":"{\"syncAction\":\"suite_ticket\",\"suiteTicket\":\"3Je0123456789ZtZa4sdl9do4dWC\"}"})";
  }
  return text + "]}";
}

/// @return the events, after a first parsing that fills what is made only once.
std::vector<Event> parse(const std::string& text, heap::Counts& counts) {
  REQUIRE(dingcb::parse_push(text));
  std::string copy = text;
  const heap::Watch watch;
  auto parsed = dingcb::parse_push(std::move(copy));
  counts = watch.counts();
  REQUIRE(parsed);
  return *std::move(parsed);
}

}  // namespace

TEST_CASE("An event that nobody handles costs its document, its header, and no typed decoding") {
  heap::Counts parsing;
  const std::vector<Event> events = parse(kPush, parsing);
  // The document and its values, the event, the list of events; and type, id, organisation and two keys, where they
  // are too long for the strings themselves.
  CHECK(parsing.news <= 8);
  CHECK(parsing.new_bytes <= 8 * std::string(kPush).size());
  CHECK(parsing.openssl == 0);  // dedup_key is the id, so that nothing is hashed

  const Event& event = events.front();
  const heap::Watch watch;
  const bool looked = event.kind() == dingcb::Kind::chat_update_owner && event.type() == "chat_update_owner" &&
                      event.header().id == "c7c7120f2c07419000ebdba0318c8" && event.raw().size() > 300 &&
                      event.json()["owner"].as_text() == "manager4220manager4220" &&
                      event.json()["timeStamp"].as_int64() == 1608026611710;
  const bool other = event.get_if<UserAddOrg>() != nullptr || event.get_if<UserLeaveOrg>() != nullptr;
  int last = 0;
  dingcb::match(
      event, [](const UserAddOrg&) {}, [](const UserLeaveOrg&) {}, [&](const Event&) { ++last; });
  const bool selected = dingcb::select<UserAddOrg, UserLeaveOrg>(event).index() != 2;
  const Event copy = event;  // NOLINT(performance-unnecessary-copy-initialization): it is what is measured
  const heap::Counts handling = watch.counts();
  CHECK(looked);
  CHECK_FALSE(other);
  CHECK(last == 1);
  CHECK_FALSE(selected);
  CHECK(&copy.header() == &event.header());
  CHECK(handling.news == 0);
  CHECK(handling.openssl == 0);
}

TEST_CASE("An event is decoded by the first get_if of its type, and by no later one, also of a copy") {
  heap::Counts parsing;
  REQUIRE(parse(kPush, parsing).front().get_if<ChatUpdateOwner>() != nullptr);  // makes the table of the struct
  const std::vector<Event> events = parse(kPush, parsing);
  const Event& event = events.front();
  const Event copy = event;

  const ChatUpdateOwner* first = nullptr;
  {
    const heap::Watch watch;
    first = event.get_if<ChatUpdateOwner>();
    const heap::Counts counts = watch.counts();
    CHECK(counts.news >= 2);  // the struct, and the note that it is there
    CHECK(counts.news <= 6);  // and its four texts, where they are too long for the strings themselves
  }
  REQUIRE(first != nullptr);
  CHECK(first->owner_user_id == "manager4220manager4220");

  const heap::Watch watch;
  const bool same = event.get_if<ChatUpdateOwner>() == first && copy.get_if<ChatUpdateOwner>() == first &&
                    event.why_not<ChatUpdateOwner>() == nullptr && event.get_if<UserAddOrg>() == nullptr;
  const heap::Counts counts = watch.counts();
  CHECK(same);
  CHECK(counts.news == 0);
}

TEST_CASE("A body that does not fit its struct is read once") {
  const auto events = dingcb::parse_push(R"({"EventType":"user_add_org","CorpId":"ding1","userId":{"not":"a list"}})");
  REQUIRE(events);
  const Event& event = events->front();
  REQUIRE(event.get_if<UserAddOrg>() == nullptr);
  const dingcb::Error* const why = event.why_not<UserAddOrg>();
  REQUIRE(why != nullptr);
  const heap::Watch watch;
  const bool same = event.get_if<UserAddOrg>() == nullptr && event.why_not<UserAddOrg>() == why;
  const heap::Counts counts = watch.counts();
  CHECK(same);
  CHECK(counts.news == 0);
}

TEST_CASE("Each row of a SyncHTTP push costs the same few allocations, however many there are") {
  heap::Counts few;
  heap::Counts many;
  REQUIRE(parse(batch_of(100), few).size() == 100);
  REQUIRE(parse(batch_of(1100), many).size() == 1100);
  CHECK(many.news - few.news <= std::size_t{6} * 1000);
  CHECK(many.openssl - few.openssl <= 2000);  // a digest of the body is the dedup_key
}
