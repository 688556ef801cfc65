// SPDX-License-Identifier: MIT
/// \file
/// The problems that the contests of gated linear attention have in common.
#pragma once

#include "../support/gla_problem.hpp"

#include <limits>
#include <string>

namespace sluice::bench {

/// `width` is that of keys and values alike.
inline GlaShape heads_of(Index heads, Index width, Index T = 2048) {
  return {1, T, heads, width, width};
}

/// The heads by which work is judged, and narrow ones of the same width in all.
inline const GlaShape usual_heads = heads_of(8, 64);
inline const GlaShape narrow_heads[] = {heads_of(16, 32), heads_of(32, 16)};

/// Log decays of every step with which no block can be computed relative to its start.
inline constexpr double strong_decays[] = {-120, -std::numeric_limits<double>::infinity()};

inline std::string title(const std::string& pass, const GlaShape& s) {
  return "gla " + pass + ", T " + std::to_string(s.T) + ", " + std::to_string(s.H) + " heads of " +
         std::to_string(s.K) + " x " + std::to_string(s.V);
}

inline std::string title(const std::string& pass, const GlaShape& s, double decay) {
  return title(pass, s) + ", log decay " + (decay < -1e9 ? "-inf" : std::to_string(int(decay)));
}

}  // namespace sluice::bench
