// A handler that is a coroutine: it waits for its work without a thread, and settles the verdict at its end.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <iostream>
#include <mutex>
#include <thread>

// Runs until the end by itself. Where an exception ends it, its Deferred goes without a verdict, which is a retry.
struct task {
  struct promise_type {
    task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept {}
  };
};

// `co_await pool` goes on in the pool's thread.
class Pool {
 public:
  ~Pool() {
    await_suspend(nullptr);
    thread_.join();
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(coroutine);
    changed_.notify_one();
  }
  void await_resume() const noexcept {}

 private:
  void run() {
    for (std::coroutine_handle<> next;; next.resume()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !queue_.empty(); });
      next = queue_.front();
      queue_.pop_front();
      if (!next) return;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> queue_;
  std::thread thread_{[this] { run(); }};
};

// Parameters by value: they live in the coroutine. References would be gone after the first co_await.
static task handle(Pool& pool, dingcb::Event event, dingcb::Deferred verdict) {
  co_await pool;
  const bool fits = event.get_if<dingcb::events::UserAddOrg>() != nullptr;
  verdict.settle(fits ? dingcb::Ack::done() : dingcb::Ack::drop("not for us"));
}

int main() {
  const dingcb::Credential app{"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}};
  Pool pool;  // outlives the handler, which only refers to it
  auto dispatcher = dingcb::Dispatcher::Builder{}
                        .otherwise([&pool](const dingcb::Event& event, dingcb::Context& context) {
                          handle(pool, event, context.defer());
                        })
                        .build();
  const dingcb::CallbackHandler handler(dingcb::Encryptor::create(app).value(), std::move(dispatcher).value());

  const dingcb::testkit::Platform dingtalk(app);
  const auto push = dingtalk.push(R"({"EventType":"user_add_org","CorpId":"ding1","UserId":["manager1"]})");
  const dingcb::Response response = handler.handle(push.request());  // a server with a loop passes a completion
  const dingcb::testkit::Judgement judgement = dingtalk.judge(response.status, response.body);
  std::cout << (judgement.accepted ? "accepted" : judgement.problem) << '\n';
  return judgement.accepted && handler.stats().done == 1 ? 0 : 1;
}
