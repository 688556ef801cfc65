// SPDX-License-Identifier: MIT
/// \file
/// Who computes something else has no place in a comparison.
#pragma once

#include <sluice/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace sluice::bench {

/// \throws std::runtime_error  if n numbers of a rival differ from ours by more than float rounding
///                             explains, measured by the largest of ours.
inline void require_agreement(const std::string& rival, const float* theirs, const float* ours,
                              Index n) {
  constexpr float tolerance = 1e-4f;
  float largest = 0, difference = 0;
  for (Index i = 0; i < n; ++i) {
    largest = std::max(largest, std::abs(ours[i]));
    const float d = std::abs(theirs[i] - ours[i]);
    if (!(d <= difference)) difference = d;  // a NaN stays
  }
  if (!(difference <= tolerance * largest))
    throw std::runtime_error(rival + " differs from sluice by " + std::to_string(difference) +
                             " where the largest value is " + std::to_string(largest));
}

}  // namespace sluice::bench
