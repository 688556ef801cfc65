// SPDX-License-Identifier: MIT
/// \file
/// Ratios of running times that hold on a machine whose speed wanders: the candidates take turns.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace sluice::bench {

/// Whose time is taken.
enum class Clock {
  wall,   ///< where several threads work
  thread  ///< of this thread alone, so that other programs on its core hardly count
};

/// Seconds since some moment.
inline double now(Clock clock) {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  if (clock == Clock::thread) {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
  }
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds a call of one candidate takes.
struct Timing {
  double least = 0, median = 0;
};

/// How long a race lasts. A turn must be short against the time the machine keeps its clock, and a
/// candidate that needs longer for one call has it whole.
struct RaceLength {
  double turn = 2e-4;  ///< seconds of one turn of one candidate
  double total = 0.5;  ///< seconds of all turns together, about
  Clock clock = Clock::thread;
};

/// Lets all candidates take turns and tells the time of a call of each.
inline std::vector<Timing> race(const std::vector<std::function<void()>>& candidates,
                                const RaceLength& length = {}) {
  const std::size_t n = candidates.size();
  std::vector<int> calls(n, 1);
  double round = 0;
  for (std::size_t i = 0; i < n; ++i) {
    candidates[i]();  // warms caches and takes memory
    const double begin = now(length.clock);
    candidates[i]();
    const double once = std::max(now(length.clock) - begin, 1e-9);
    calls[i] = std::max(1, int(length.turn / once));
    round += calls[i] * once;
  }
  // The least of fewer turns than these would be chance.
  constexpr int fewest_rounds = 9, most_rounds = 2000;
  const int rounds = std::clamp(int(length.total / round), fewest_rounds, most_rounds);
  std::vector<std::vector<double>> times(n);
  for (int r = 0; r < rounds; ++r)
    for (std::size_t i = 0; i < n; ++i) {
      const double begin = now(length.clock);
      for (int c = 0; c < calls[i]; ++c) candidates[i]();
      times[i].push_back((now(length.clock) - begin) / calls[i]);
    }
  std::vector<Timing> result;
  for (auto& t : times) {
    std::sort(t.begin(), t.end());
    result.push_back({t.front(), t[t.size() / 2]});
  }
  return result;
}

/// The fastest of a few candidates by a look at each: good enough to choose a setting of a rival.
inline std::function<void()> fastest(const std::vector<std::function<void()>>& candidates) {
  constexpr int looks = 3;
  std::vector<double> least(candidates.size(), std::numeric_limits<double>::infinity());
  for (int look = 0; look <= looks; ++look)  // the first of them warms up
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const double begin = now(Clock::thread);
      candidates[i]();
      const double seconds = now(Clock::thread) - begin;
      if (look > 0) least[i] = std::min(least[i], seconds);
    }
  return candidates.at(std::size_t(std::min_element(least.begin(), least.end()) - least.begin()));
}

}  // namespace sluice::bench
