// SPDX-License-Identifier: MIT
/// \file
/// How the step sizes of the Mamba family begin.
#pragma once

#include <sluice/core/random.hpp>

#include <algorithm>
#include <cmath>

namespace sluice::detail {

/// A bias whose softplus is a step size, drawn uniformly in the logarithm, for a configuration with
/// the members
///
///     dt_min, dt_max   bounds of the step
///     dt_floor         it is at least this
///
/// Source: Gu and Dao, Mamba, 2023, section 3.6 (arXiv:2312.00752).
template <class Config>
double draw_time_step_bias(const Config& c, Rng& rng) {
  const double range = std::log(c.dt_max) - std::log(c.dt_min);
  const double drawn = std::exp(std::log(c.dt_min) + range * rng.uniform<double>());
  const double dt = std::max(drawn, c.dt_floor);
  return dt + std::log(-std::expm1(-dt));
}

}  // namespace sluice::detail
