// CallbackHandler beside the floor (floor.hpp): raw query and body in, status and body out, with three typed handlers,
// and where the time goes.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>

#include "bench/floor.hpp"
#include "support/platform.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace {

using bench::Floor;
using bench::kCredential;
using bench::stop;
using dingcb::events::BpmsInstanceChange;
using dingcb::events::BpmsTaskChange;
using dingcb::events::UserAddOrg;

// A notification where it is to be small (too small for the id that new pushes have, so that its digest stands in for
// it), an approval up to 1 KB, and a batch of rows as SyncHTTP pushes them.
std::string message_of(std::size_t size) {
  std::string text;
  if (size < 300) {
    text = R"({"EventType":"user_add_org","CorpId":"ding9f","userId":["u1"]})";
  } else if (size <= 1024) {
    text = R"({"EventType":"bpms_instance_change","CorpId":"ding9f50b15b1674","eventId":"c7c7120f2c07419ebdba0318c8",)"
           R"("processInstanceId":"ad253df6-e175caf",)"
           R"("processCode":"PROC-27BBC5E6","createTime":1495592259000,"type":"start","staffId":"er5875",)"
           R"("url":"https://aflow.dingtalk.com/homepage.htm","title":"")";
    text.pop_back();
    while (text.size() + 2 < size) text += "Trip to the customer. "[text.size() % 22];
    text += "\"}";
  } else {
    const std::string row =
        R"({"id":1,"gmt_create":1663143335567,"gmt_modified":1663143335567,"subscribe_id":"16741001_0",)"
        R"("corp_id":"ding9f50b15b16741","biz_type":13,"biz_id":"1663335567","open_cursor":0,"status":0,"biz_data":)"
        R"("{\"errcode\":0,\"eventId\":\"c7c7120f2c07419ebdba0318c8\",\"unionid\":\"m8axYHBIiSiSxxxx\",)"
        R"(\"syncAction\":\"user_add_org\",\"orderInDepts\":\"{1234:12345}\",\"dingId\":\"$:LWCP_v1:$LT\",)"
        R"(\"active\":true,\"errmsg\":\"ok\",\"avatar\":\"http://static.dingtalk.com/a.jpg\",\"isAdmin\":true,)"
        R"(\"userid\":\"user123\",\"isHide\":false,\"jobnumber\":\"12345\",\"isBoss\":false,\"isSenior\":true,)"
        R"(\"name\":\"钉钉\",\"position\":\"技术支持\",\"department\":[1,2],\"realAuthed\":true}"})";
    text = R"({"EventType":"SYNC_HTTP_PUSH_HIGH","bizData":[)" + row;
    while (text.size() + row.size() + 3 <= size) text += ',' + row;
    text += "]}";
  }
  return text;
}

dingcb::Dispatcher three_handlers() {
  return *dingcb::Dispatcher::Builder{}
              .on([](const UserAddOrg& event) { benchmark::DoNotOptimize(event.user_id.size()); })
              .on([](const BpmsInstanceChange& event) { benchmark::DoNotOptimize(event.title.size()); })
              .on([](const BpmsTaskChange& event) { benchmark::DoNotOptimize(event.title.size()); })
              .build();
}

struct Case {
  explicit Case(std::size_t size, dingcb::Dispatcher dispatcher = three_handlers())
      : plaintext(message_of(size)),
        sealed(platform::seal(kCredential, kCredential.owner_keys[0], "1700000000000", "nOnce123", plaintext)),
        query("signature=" + sealed.signature + "&timestamp=" + sealed.timestamp + "&nonce=" + sealed.nonce),
        body("{\"encrypt\":\"" + sealed.encrypt + "\"}"),
        encryptor(*dingcb::Encryptor::create(kCredential)),
        handler(encryptor, std::move(dispatcher)),
        floor(sealed.push()) {}
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  void handle() const {
    if (handler.handle({query, body}).status != 200) stop("a push was not answered");
  }

  std::string plaintext;
  platform::Sealed sealed;
  std::string query;
  std::string body;
  dingcb::Encryptor encryptor;
  dingcb::CallbackHandler handler;
  Floor floor;
};

void callback(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  bench::measure(state, test.floor, [&] { test.handle(); });
}

void unhandled(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)), *dingcb::Dispatcher::Builder{}.build());
  bench::measure(state, test.floor, [&] { test.handle(); });
}

void forged(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  test.query[15] = test.query[15] == '0' ? '1' : '0';
  bench::measure(state, test.floor, [&] {
    if (test.handler.handle({test.query, test.body}).status != 403) stop("a forged push was answered");
  });
}

// The parts of a callback, written out: what the handler adds to them is the difference to `callback`.
void parts(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  bench::measure(state, test.floor, [&] {
    auto opened = test.encryptor.decrypt(test.sealed.push());
    if (!opened) stop("a push did not open");
    const auto events = dingcb::parse_push(std::move(opened->plaintext));
    for (const dingcb::Event& event : *events) {
      benchmark::DoNotOptimize(event.get_if<UserAddOrg>());
      if (event.kind() == dingcb::Kind::bpms_instance_change) {
        benchmark::DoNotOptimize(event.get_if<BpmsInstanceChange>());
      }
    }
    benchmark::DoNotOptimize(test.encryptor.encrypt_reply("success", *opened)->to_json());
  });
}

void parts_crypto(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  bench::measure(state, test.floor, [&] {
    const auto opened = test.encryptor.decrypt(test.sealed.push());
    if (!opened) stop("a push did not open");
    benchmark::DoNotOptimize(test.encryptor.encrypt_reply("success", *opened)->to_json());
  });
}

void parts_parse(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  bench::measure(state, test.floor, [&] { benchmark::DoNotOptimize(dingcb::parse_push(test.plaintext)); });
}

void two_threads(benchmark::State& state) {
  Case test(static_cast<std::size_t>(state.range(0)));
  const auto call = [&test] { test.handle(); };
  bench::beside_one_thread(state, call, call);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const std::int64_t size : {64, 300, 1 << 10, 16 << 10, 256 << 10, 1 << 20}) benchmark->Arg(size);
  benchmark->Iterations(101)->UseManualTime();
}

BENCHMARK(callback)->Apply(sizes);
BENCHMARK(unhandled)->Apply(sizes);
BENCHMARK(forged)->Apply(sizes);
BENCHMARK(parts)->Apply(sizes);
BENCHMARK(parts_crypto)->Apply(sizes);
BENCHMARK(parts_parse)->Apply(sizes);
BENCHMARK(two_threads)->Arg(300)->Iterations(41)->UseManualTime();

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv); }
