// SPDX-License-Identifier: MIT
/// \file
/// How far forecasts may be off: quantiles of the errors made on the validation rows, for every
/// step and variate by itself.
#pragma once

#include "metrics.hpp"

#include <algorithm>
#include <array>

namespace forecast {

/// The bounds of the central 90 % and 50 % intervals, and the median.
inline constexpr std::array<double, 5> levels{0.05, 0.25, 0.5, 0.75, 0.95};

/// What to add to a forecast to get its quantile: one [horizon, variates] for each level.
using Intervals = std::array<Matrix, levels.size()>;

/// Errors of `predict` on the given windows, sorted and read off at the levels.
template <class Predict>
Intervals error_quantiles(const Matrix& rows, Index first, Index count, Index horizon,
                          Predict&& predict) {
  Forecasts out(count * horizon, rows.cols());
  predict(first, count, out);
  Intervals intervals;
  intervals.fill(Matrix(horizon, rows.cols()));
  std::vector<double> errors(static_cast<std::size_t>(count));
  for (Index h = 0; h < horizon; ++h)
    for (Index c = 0; c < rows.cols(); ++c) {
      for (Index w = 0; w < count; ++w)
        errors[std::size_t(w)] = rows(first + w + h, c) - out(w * horizon + h, c);
      std::sort(errors.begin(), errors.end());
      for (std::size_t i = 0; i < levels.size(); ++i)
        intervals[i](h, c) = quantile(errors, levels[i]);
    }
  return intervals;
}

/// Part of the values in the given windows that lie between two levels around the forecast.
template <class Predict>
double coverage(const Matrix& rows, Index first, Index count, Index horizon,
                const Intervals& intervals, std::size_t low, std::size_t high, Predict&& predict) {
  Forecasts out(count * horizon, rows.cols());
  predict(first, count, out);
  Index inside = 0;
  for (Index w = 0; w < count; ++w)
    for (Index h = 0; h < horizon; ++h)
      for (Index c = 0; c < rows.cols(); ++c) {
        const double e = rows(first + w + h, c) - out(w * horizon + h, c);
        inside += e >= intervals[low](h, c) && e <= intervals[high](h, c);
      }
  return double(inside) / double(out.size());
}

}  // namespace forecast
