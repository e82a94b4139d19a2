// Handlers that leave the verdict to a thread pool: the thread of the HTTP server does not wait for the database.
#include <dingcb/callback_handler.hpp>
#include <dingcb/events/contact.hpp>
#include <dingcb/testkit.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

class Pool {
 public:
  explicit Pool(int threads) {
    while (threads-- > 0) threads_.emplace_back([this] { run(); });
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (std::size_t i = 0; i < threads_.size(); ++i) post(nullptr);  // each thread takes one, after all work
    for (std::thread& thread : threads_) thread.join();
  }

  void post(std::function<void()> work) {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(work));
    changed_.notify_one();
  }

 private:
  void run() {
    for (std::function<void()> work;; work(), work = nullptr) {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return !queue_.empty(); });
      work = std::move(queue_.front());
      queue_.pop_front();
      if (!work) return;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
};

int main() {
  const dingcb::Credential app{"123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", {"suite4xxxxxxxxxxxxxxx"}};
  Pool pool(2);  // outlives the handler, which only refers to it
  auto dispatcher = dingcb::Dispatcher::Builder{}
                        .on([&pool](const dingcb::events::UserAddOrg&, dingcb::Context& context) {
                          pool.post([verdict = context.defer()] {  // keeps the event, too
                            const auto* const added = verdict.event().get_if<dingcb::events::UserAddOrg>();
                            verdict.settle(added->user_id.empty() ? dingcb::Ack::drop("nobody") : dingcb::Ack::done());
                          });
                        })
                        .build();
  const dingcb::CallbackHandler handler(dingcb::Encryptor::create(app).value(), std::move(dispatcher).value());

  const dingcb::testkit::Platform dingtalk(app);
  const auto push = dingtalk.push(R"({"EventType":"user_add_org","CorpId":"ding1","UserId":["manager1"]})");
  const dingcb::Response waited = handler.handle(push.request());  // this thread waits for the verdict

  std::promise<dingcb::Response> answer;  // this one does not; a server calls expire() from a timer
  handler.handle(push.request(), [&answer](dingcb::Response response) { answer.set_value(std::move(response)); });
  const dingcb::Response told = answer.get_future().get();

  for (const dingcb::Response& response : {waited, told}) {
    const dingcb::testkit::Judgement judgement = dingtalk.judge(response.status, response.body);
    std::cout << (judgement.accepted ? "accepted" : judgement.problem) << '\n';
    if (!judgement.accepted) return 1;
  }
  return handler.stats().done == 2 ? 0 : 1;
}
