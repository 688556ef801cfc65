// SPDX-License-Identifier: MIT
/// \file
/// What the mixers of the Mamba family share: how step sizes begin, and the keys of their files.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace sluice {

/// The keys of a `config.json` that the mixers of the Mamba family share.
template <class C>
constexpr auto mamba_family_options() {
  return std::tuple{field("state_size", &C::state_size),   field("conv_kernel", &C::conv_kernel),
                    field("use_conv_bias", &C::conv_bias), field("use_bias", &C::bias),
                    field("time_step_min", &C::dt_min),    field("time_step_max", &C::dt_max),
                    field("time_step_floor", &C::dt_floor)};
}

namespace detail {

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

}  // namespace detail

}  // namespace sluice
