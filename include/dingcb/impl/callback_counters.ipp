// What a callback counts.
#pragma once

#include <dingcb/config.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

DINGCB_NAMESPACE_BEGIN
namespace detail {

enum class Count : std::size_t {
  received,
  refused,
  broken,
  checks,
  events,
  done,
  retried,
  dropped,
  stored,
  duplicates,
  unknown,
  unhandled,
  unfit,
  failed,
  late,
  finished,  // requests that were answered, and told so
};
constexpr std::size_t kCounts = 16;

/// Counters, spread over the processor's caches: one of each, written by every call, would slow all cores.
class Counters {
 public:
  void add(Count count, std::uint64_t number = 1) noexcept {
    shards_[shard()].values[static_cast<std::size_t>(count)].fetch_add(number, std::memory_order_relaxed);
  }
  /// Counts one that finished; whoever sees it counted sees what came before.
  void finish() noexcept {
    shards_[shard()].values[static_cast<std::size_t>(Count::finished)].fetch_add(1, std::memory_order_release);
  }
  std::uint64_t get(Count count) const noexcept {
    std::uint64_t sum = 0;
    for (const Shard& shard : shards_) {
      sum += shard.values[static_cast<std::size_t>(count)].load(std::memory_order_acquire);
    }
    return sum;
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct alignas(64) Shard {
    std::array<std::atomic<std::uint64_t>, kCounts> values{};
  };
  static std::size_t shard() noexcept {
    static std::atomic<std::size_t> threads{0};
    static thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
    return mine;
  }
  std::array<Shard, kShards> shards_;
  static_assert(static_cast<std::size_t>(Count::finished) + 1 == kCounts, "kCounts counts the counters");
};

}  // namespace detail
DINGCB_NAMESPACE_END
