// That no lock is taken on the way of a callback, unless a verdict is deferred. The linker sends the library's calls of
// pthread_mutex_lock() here; what OpenSSL and the C library do among themselves stays theirs.
#include <dingcb/callback_handler.hpp>

#include <dingcb/events/contact.hpp>

#include "support/callback.hpp"
#include "support/catch.hpp"

#include <pthread.h>

#include <cstddef>
#include <string>

namespace {

thread_local std::size_t locks = 0;

// What one warm call locks.
template <class Call>
std::size_t locks_of(Call call) {
  for (int i = 0; i < 3; ++i) call();
  locks = 0;
  call();
  return locks;
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names
extern "C" {
int __real_pthread_mutex_lock(pthread_mutex_t* mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t* mutex) {
  ++locks;
  return __real_pthread_mutex_lock(mutex);
}
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

TEST_CASE("A callback takes a lock where a verdict is deferred, and else none") {
  const dingcb::CallbackHandler handler(
      dingcb::Encryptor::create(callback::kApp).value(),
      dingcb::Dispatcher::Builder{}
          .on([](const dingcb::events::UserAddOrg&) {})
          .on_type("again", [](const dingcb::Event&) { return dingcb::Ack::retry(); })
          .on_type("later",
                   [](const dingcb::Event&, dingcb::Context& context) { context.defer().settle(dingcb::Ack::done()); })
          .observe([](const dingcb::Event&, const dingcb::Ack&) {})
          .use([](dingcb::Context&, const dingcb::Next& next) { return next(); })
          .build()
          .value());
  const auto locks_of_push = [&handler](const callback::Http& http) {
    const std::size_t direct = locks_of([&] { handler.handle(http.request()); });
    return direct + locks_of([&] { handler.handle(http.request(), [](const dingcb::Response&) {}); });
  };
  CHECK(locks_of_push(callback::push_of("later")) > 0);  // the count works
  CHECK(locks_of_push(callback::push_of("user_add_org")) == 0);
  CHECK(locks_of_push(callback::push_of("unknown_so_far")) == 0);
  CHECK(locks_of_push(callback::push_of("again")) == 0);
  CHECK(locks_of_push(callback::push_of("check_url")) == 0);
  CHECK(locks_of_push(callback::push_rows(callback::row("user_add_org", "u1", 13))) == 0);
  callback::Http forged = callback::push_of("user_add_org");
  forged.query[15] = forged.query[15] == '0' ? '1' : '0';
  CHECK(locks_of_push(forged) == 0);
  CHECK(locks_of([&handler] { static_cast<void>(handler.stats()); }) == 0);
}
