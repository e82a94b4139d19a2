#include "deliveries.hpp"

#include "json.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>

namespace command {

namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string changed(std::string text) {
  for (char& c : text) c = c == 'A' ? 'B' : 'A';
  return text;
}

/// Changes one character, so that the text stays what it looks like.
void change_one(std::string& text, std::size_t at) {
  char& c = text[at];
  c = c == '0' ? '1' : c == '1' ? '0' : c == 'A' ? 'B' : c >= '0' && c <= '9' ? '0' : c == 'a' ? 'b' : 'a';
}

std::string timestamp_in(const std::string& query) {
  Exchange exchange;
  exchange.target = '?' + query;
  return parts_of(exchange).timestamp;
}

Finding own(const char* cause, const char* part, const std::string& en, const std::string& zh) {
  Finding finding = not_reached(en, zh);
  finding.cause = cause;
  finding.part = part;
  return finding;
}

Finding no_answer(const Posted& posted) {
  return not_reached("there is no HTTP answer: " + posted.error +
                         (posted.not_connected ? "; start the endpoint, and check host and port" : ""),
                     "没有 HTTP 应答：" + posted.error + (posted.not_connected ? "；请启动服务并检查主机和端口" : ""));
}

}  // namespace

dingcb::testkit::SignedPush DingTalk::sign(const Delivery& delivery) const {
  dingcb::Credential credential = credential_;
  dingcb::testkit::PlatformOptions options;
  options.msg_signature = delivery.msg_signature;
  if (delivery.forgery == "token") credential.token = changed(credential.token);
  if (delivery.forgery == "aes-key") credential.aes_key = changed(credential.aes_key);
  if (delivery.forgery == "owner-key") options.owner_key = changed(credential.owner_keys.front());
  auto push = dingcb::testkit::Platform(credential, options).push(delivery.draft.plaintext);
  if (delivery.forgery == "signature") change_one(push.query, push.query.find('=') + 1);
  if (delivery.forgery == "body") change_one(push.body, push.body.find(R"(":")") + 20);
  return push;
}

Finding DingTalk::judge(const Delivery& delivery, const dingcb::testkit::SignedPush& push, const Posted& posted) const {
  if (!posted.error.empty() && (delivery.forgery.empty() || posted.not_connected)) return no_answer(posted);
  Answer answer;
  answer.status = posted.status;
  answer.body = posted.body;
  answer.elapsed_ms = posted.elapsed_ms;
  answer.deadline_ms = delivery.draft.deadline_ms;
  answer.now_ms = now_ms();
  answer.push_timestamp = timestamp_in(push.query);
  if (delivery.forgery.empty()) {
    const dingcb::testkit::Platform platform(credential_);
    Finding finding;
    for (const std::string& expected : delivery.draft.expected) {
      answer.expected = expected;
      Finding other = command::judge(platform, answer);
      if (other.good()) return other;
      if (expected == delivery.draft.expected.front()) finding = std::move(other);
    }
    return finding;
  }
  dingcb::testkit::PlatformOptions options;
  if (delivery.forgery == "owner-key") options.owner_key = changed(credential_.owner_keys.front());
  for (const auto& platform :
       {dingcb::testkit::Platform(credential_), dingcb::testkit::Platform(credential_, options)}) {
    if (!platform.judge(posted.status, posted.body).accepted) continue;
    return own(
        "forgery_accepted", "security",
        "a push with a wrong " + delivery.forgery +
            " was answered like a genuine one; check signature, padding, length and owner key before anything else",
        "错误的 " + delivery.forgery + " 也得到了成功应答；请先校验签名、补位、长度和 owner key");
  }
  if (!posted.error.empty() || posted.status >= 500) {
    return own("forgery_broke_it", "security",
               "a push with a wrong " + delivery.forgery + " got " +
                   (posted.error.empty() ? "status " + std::to_string(posted.status) : "no answer") +
                   "; refuse it with 4xx: strangers can send such pushes at any time",
               "错误的 " + delivery.forgery + " 使服务返回 " +
                   (posted.error.empty() ? std::to_string(posted.status) : std::string("空应答")) +
                   "；请用 4xx 拒绝：任何人都可能发送这样的请求");
  }
  Finding refused;
  refused.part = "security";
  refused.en = "refused, as it has to be";
  refused.zh = "已按要求拒绝";
  return refused;
}

Outcome DingTalk::deliver(const Delivery& delivery, Endpoint& endpoint) const {
  const auto push = sign(delivery);
  Outcome outcome;
  outcome.posted = endpoint.post(push.query, push.body, delivery.sending);
  outcome.finding = judge(delivery, push, outcome.posted);
  return outcome;
}

std::vector<Outcome> deliver_all(const DingTalk& dingtalk, const EndpointOptions& endpoint,
                                 const std::vector<Delivery>& deliveries, int concurrency,
                                 const std::function<void(std::size_t, const Outcome&)>& on_done) {
  std::vector<Outcome> outcomes(deliveries.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      Endpoint connection(endpoint);
      for (std::size_t i = next++; i < deliveries.size(); i = next++) {
        outcomes[i] = dingtalk.deliver(deliveries[i], connection);
        const std::lock_guard<std::mutex> lock(mutex);
        on_done(i, outcomes[i]);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      failure = std::current_exception();
      next = deliveries.size();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < concurrency; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return outcomes;
}

Progress::Progress(std::size_t total) : total_(total), shown_(total > 20 && isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::step(bool good) {
  ++done_;
  failed_ += good ? 0 : 1;
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
  if (!shown_ || (now - drawn_ms_ < 100 && done_ < total_)) return;
  drawn_ms_ = now;
  draw();
}

void Progress::draw() const {
  const std::size_t full = done_ * 30 / total_;
  const std::string bar = std::string(full, '#') + std::string(30 - full, '.');
  std::fprintf(stderr, "\r[%s] %zu of %zu, %zu failed\033[K", bar.c_str(), done_, total_, failed_);
  std::fflush(stderr);
}

double percentile(std::vector<double> times, double part) {
  if (times.empty()) return 0;
  std::sort(times.begin(), times.end());
  const double rank = std::ceil(part * static_cast<double>(times.size()));
  return times[std::min(times.size(), std::max<std::size_t>(1, static_cast<std::size_t>(rank))) - 1];
}

std::string milliseconds(double ms) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.*f ms", ms < 100 ? 1 : 0, ms);
  return text;
}

void Summary::add(const Outcome& outcome) {
  ++sent;
  if (outcome.posted.error.empty()) {
    reached = true;
    times.push_back(outcome.posted.elapsed_ms);
  }
  reached = reached || !outcome.posted.not_connected;
  if (outcome.finding.good()) {
    ++good;
  } else {
    ++causes[outcome.finding.cause];
  }
}

std::string Summary::text(double seconds) const {
  char rate[64];
  std::snprintf(rate, sizeof(rate), " in %.2f s (%.0f a second)\n", seconds, static_cast<double>(sent) / seconds);
  std::string text = std::to_string(sent) + " sent, " + std::to_string(good) + " as they should be, " +
                     std::to_string(sent - good) + " not" + rate;
  if (!times.empty()) {
    text += "answered in p50 " + milliseconds(percentile(times, 0.5)) + ", p90 " +
            milliseconds(percentile(times, 0.9)) + ", p99 " + milliseconds(percentile(times, 0.99)) + ", at most " +
            milliseconds(percentile(times, 1)) + '\n';
  }
  for (const auto& [cause, count] : causes) text += "  " + cause + ' ' + std::to_string(count) + '\n';
  return text;
}

std::string Summary::json(double seconds) const {
  JsonLine line;
  line.boolean("summary", true).number("sent", static_cast<std::int64_t>(sent));
  line.number("good", static_cast<std::int64_t>(good)).real("seconds", seconds);
  for (const auto& [name, part] : {std::pair<const char*, double>{"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99}}) {
    line.real(name, percentile(times, part));
  }
  line.real("max_ms", percentile(times, 1));
  JsonLine list;
  for (const auto& [cause, count] : causes) list.number(cause.c_str(), static_cast<std::int64_t>(count));
  return line.json("causes", list.object()).line();
}

}  // namespace command
