// Pushes on their way: signed, posted, judged, counted.
#pragma once

#include "drafts.hpp"
#include "endpoint.hpp"
#include "judging.hpp"

#include <dingcb/testkit.hpp>

#include <array>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace command {

/// What can be wrong about a push that is not from DingTalk.
constexpr std::array<std::string_view, 5> kForgeries = {"signature", "token", "aes-key", "owner-key", "body"};

/// One push to send.
struct Delivery {
  Draft draft;
  std::string forgery;  ///< One of kForgeries; empty: genuine.
  Sending sending;
  bool msg_signature = false;  ///< Spells the query parameter as some pages do.
};

struct Outcome {
  Posted posted;
  Finding finding;
};

/// DingTalk, for one app.
class DingTalk {
 public:
  explicit DingTalk(dingcb::Credential credential) : credential_(std::move(credential)) {}

  dingcb::testkit::SignedPush sign(const Delivery& delivery) const;
  /// Says what DingTalk makes of the answer; of a forged push, whether it was refused.
  Finding judge(const Delivery& delivery, const dingcb::testkit::SignedPush& push, const Posted& posted) const;
  Outcome deliver(const Delivery& delivery, Endpoint& endpoint) const;

 private:
  dingcb::Credential credential_;
};

/// Sends all, in their order, over some connections at once; signed when their turn comes.
/// @param on_done told each outcome with its number, one at a time, from any thread.
std::vector<Outcome> deliver_all(const DingTalk& dingtalk, const EndpointOptions& endpoint,
                                 const std::vector<Delivery>& deliveries, int concurrency,
                                 const std::function<void(std::size_t, const Outcome&)>& on_done);

/// A bar on stderr, where that is a terminal and there is something to wait for.
class Progress {
 public:
  explicit Progress(std::size_t total);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();
  void step(bool good);

 private:
  void draw() const;
  std::size_t total_;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
  long long drawn_ms_ = -1000;
  bool shown_;
};

/// The time below which a part of the answers came. @param part 0 to 1.
double percentile(std::vector<double> times, double part);

/// What many outcomes came to.
struct Summary {
  std::size_t sent = 0;
  std::size_t good = 0;
  bool reached = false;  ///< There was an HTTP answer, once at least.
  std::vector<double> times;
  std::map<std::string, std::size_t> causes;

  void add(const Outcome& outcome);
  Exit exit() const noexcept { return good == sent ? kOk : reached ? kNo : kUnreachable; }
  std::string text(double seconds) const;
  std::string json(double seconds) const;
};

std::string milliseconds(double ms);

}  // namespace command
