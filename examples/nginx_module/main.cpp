// dingcb inside nginx: the C++ half of the module. The other half is ngx_http_dingcb_module.c.
#include <dingcb/callback_handler.hpp>

#include <unistd.h>

#include <memory>

#include "bridge.h"
#include "service.hpp"

namespace {

struct Answer {
  void* request;
  dingcb::Response response;
};

struct Bridge {
  explicit Bridge(int wake_fd) : wake(wake_fd) {}
  const int wake;
  const dingcb::CallbackHandler handler = service::make_handler();
  std::mutex mutex;
  std::deque<Answer> ready;
  Answer last{};  // what bridge_next() gave
};

std::unique_ptr<Bridge> bridge;

}  // namespace

int bridge_start(int wake) try {
  // nginx wants its signals in its own thread, and the threads that are made here inherit the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  bridge = std::make_unique<Bridge>(wake);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return 0;
} catch (...) {
  return -1;
}

void bridge_handle(void* request, const char* query, size_t query_size, const char* body, size_t body_size) {
  bridge->handler.handle({{query, query_size}, {body, body_size}}, [request](dingcb::Response response) {
    {
      const std::lock_guard<std::mutex> lock(bridge->mutex);
      bridge->ready.push_back({request, std::move(response)});
    }
    const std::uint64_t one = 1;
    while (write(bridge->wake, &one, sizeof(one)) < 0 && errno == EINTR) continue;
  });
}

int bridge_next(bridge_answer* answer) {
  const std::lock_guard<std::mutex> lock(bridge->mutex);
  if (bridge->ready.empty()) return 0;
  bridge->last = std::move(bridge->ready.front());
  bridge->ready.pop_front();
  const auto& [request, response] = bridge->last;
  *answer = {request,
             response.status,
             response.content_type.data(),
             response.content_type.size(),
             response.body.data(),
             response.body.size()};
  return 1;
}

void bridge_expire() { bridge->handler.expire(); }

void bridge_stop() { bridge.reset(); }
