// Measures something beside its floor: the two in turn, a few milliseconds each, because times drift from minute to
// minute and ratios hold. Times are those of the thread on a processor, so that other programs' do not count.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <vector>

/// Of this thread.
inline double cpu_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Call>
double nanoseconds(Call& call, std::size_t calls) {
  const double begin = cpu_nanoseconds();
  for (std::size_t i = 0; i < calls; ++i) call();
  return (cpu_nanoseconds() - begin) / static_cast<double>(calls);
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Calls that take about three milliseconds.
template <class Call>
std::size_t batch(Call& call) {
  nanoseconds(call, 20);
  return static_cast<std::size_t>(3e6 / nanoseconds(call, 20)) + 1;
}

/// Reports the medians of both, and of their ratios round by round.
template <class Floor, class Call>
void beside_floor(benchmark::State& state, Floor& floor, Call& call) {
  const std::size_t floor_calls = batch(floor);
  const std::size_t calls = batch(call);
  std::vector<double> floors;
  std::vector<double> ours;
  std::vector<double> ratios;
  for ([[maybe_unused]] auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores): how it is counted
    floors.push_back(nanoseconds(floor, floor_calls));
    ours.push_back(nanoseconds(call, calls));
    ratios.push_back(ours.back() / floors.back());
    state.SetIterationTime(ours.back() * 1e-9);
  }
  state.counters["floor_ns"] = median(floors);
  state.counters["ours_ns"] = median(ours);
  state.counters["ratio"] = median(ratios);
}
