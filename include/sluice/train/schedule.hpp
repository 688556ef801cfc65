// SPDX-License-Identifier: MIT
/// \file
/// Learning rate schedules: callables step -> factor of the learning rate, steps counted from 0.
///
///     const auto schedule = linear_warm_up(100, cosine_decay(10000, 0.1));
///     for (Index n = 0; n < 10000; ++n) ... optimizer.step(model, gradient, schedule(n));
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>

#include <algorithm>
#include <cmath>

namespace sluice {

/// Always 1.
inline auto constant_rate() {
  return [](Index) { return 1.0; };
}

/// From 1 at step 0 along half a cosine to `floor` at step `steps`, and `floor` from there on.
///
///     floor + (1 - floor) (1 + cos(pi n / steps)) / 2
///
/// Source: Loshchilov and Hutter, SGDR, ICLR 2017, eq. 5 without restarts (arXiv:1608.03983).
inline auto cosine_decay(Index steps, double floor = 0) {
  require(steps > 0, "cosine_decay", "steps", "above 0", steps);
  return [=](Index n) {
    const double part = double(std::clamp<Index>(n, 0, steps)) / double(steps);
    return floor + (1 - floor) * (1 + std::cos(3.14159265358979323846 * part)) / 2;
  };
}

/// From 1 at step 0 along a line to `floor` at step `steps`, and `floor` from there on.
inline auto linear_decay(Index steps, double floor = 0) {
  require(steps > 0, "linear_decay", "steps", "above 0", steps);
  return [=](Index n) {
    const double part = double(std::clamp<Index>(n, 0, steps)) / double(steps);
    return 1 + (floor - 1) * part;
  };
}

/// The factors 1/steps, 2/steps, ..., 1 of steps 0 to steps - 1; then `after`, from its own step 0.
template <class Schedule>
auto linear_warm_up(Index steps, Schedule after) {
  require(steps >= 0, "linear_warm_up", "steps", "at least 0", steps);
  return [=](Index n) -> double {
    return n < steps ? double(n + 1) / double(steps) : after(n - steps);
  };
}

}  // namespace sluice
