// SPDX-License-Identifier: MIT
#include "contest.hpp"

#include "../support/bursts.hpp"

#include <cstdio>
#include <utility>

namespace sluice::bench {

Contest::Contest(std::string name, Run subject, double flop, Clock clock)
    : name_(std::move(name)), flop_(flop), clock_(clock), runs_{std::move(subject)} {}

void Contest::of_peak(Target at_least) {
  enter(Relation::part_of_peak, "of the FMA peak", FmaBurst<float>{}, at_least);
}

void Contest::speed_against(std::string name, Run rival, Target at_least) {
  enter(Relation::speed, "speed against " + name, std::move(rival), at_least);
}

void Contest::time_against(std::string name, Run rival, Target at_most) {
  enter(Relation::time, "time against " + name, std::move(rival), at_most);
}

void Contest::enter(Relation relation, std::string name, Run rival, Target target) {
  if (!rival) return;
  runs_.push_back(std::move(rival));
  lines_.push_back({relation, std::move(name), target});
}

double Contest::value(Relation relation, double subject, double rival) const {
  if (relation == Relation::time) return subject / rival;
  if (relation == Relation::speed) return rival / subject;
  return flop_ / subject * rival / FmaBurst<float>::flop;
}

void Contest::run(Score& score) const {
  const auto times = race(runs_, {.turn = 2e-4, .total = 0.8, .clock = clock_});
  const double us = 1e6 * times[0].least;
  std::printf("%s: %.4g %s", name_.c_str(), us < 1000 ? us : us / 1000, us < 1000 ? "us" : "ms");
  if (flop_ > 0) std::printf(", %.1f GFLOP/s", 1e-9 * flop_ / times[0].least);
  std::printf("\n");
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const auto& [relation, name, target] = lines_[i];
    const double least = value(relation, times[0].least, times[i + 1].least);
    const double median = value(relation, times[0].median, times[i + 1].median);
    std::printf("  %-46s %8.2f %8.2f", name.c_str(), least, median);
    if (target) {
      const bool limit = relation == Relation::time;
      const bool met = limit ? least <= *target : least >= *target;
      std::printf("   %s %.2f   %s", limit ? "<=" : ">=", *target, met ? "met" : "MISSED");
      ++(met ? score.met : score.missed);
    }
    std::printf("\n");
  }
  std::fflush(stdout);
}

}  // namespace sluice::bench
