// Measures something beside its floor: the two in turn, a few milliseconds each, because times drift from minute to
// minute and ratios hold.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

template <class Call>
double nanoseconds(Call& call, std::size_t calls) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < calls; ++i) call();
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / static_cast<double>(calls);
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
