// SPDX-License-Identifier: MIT
/// \file
/// What sluice should reach, beside what it does reach, one race after another.
#pragma once

#include "../support/race.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sluice::bench {

/// Lines of the table that were met, and that were not.
struct Score {
  int met = 0, missed = 0;
};

/// One race of a subject, which is ours, with its rivals. Every rival is a line of the table:
///
///     Contest c("product, 64 x 64 x 64", [&] { p.ours(); }, p.flop());
///     c.of_peak(0.90);
///     c.speed_against("Eigen", [&] { p.eigen(); }, 1.7);
///     c.run(score);
///
/// A line without a target is shown and not judged; one with an empty rival is left out.
class Contest {
 public:
  using Run = std::function<void()>;
  using Target = std::optional<double>;

  /// \param flop  useful ones of a call of the subject.
  Contest(std::string name, Run subject, double flop, Clock clock = Clock::thread);

  /// Part of the FMA peak of one core, which is a rival like any other.
  void of_peak(Target at_least = {});
  /// The time of the rival over that of the subject.
  void speed_against(std::string name, Run rival, Target at_least = {});
  /// The time of the subject over that of the rival.
  void time_against(std::string name, Run rival, Target at_most = {});

  /// Lets them race, prints the lines and counts them.
  void run(Score& score) const;

 private:
  enum class Relation { part_of_peak, speed, time };
  struct Line {
    Relation relation;
    std::string name;
    Target target;
  };
  void enter(Relation relation, std::string name, Run rival, Target target);
  double value(Relation relation, double subject, double rival) const;

  std::string name_;
  double flop_;
  Clock clock_;
  std::vector<Run> runs_;  // the subject, then a rival for every line
  std::vector<Line> lines_;
};

}  // namespace sluice::bench
