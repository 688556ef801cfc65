// SPDX-License-Identifier: MIT
/// \file
/// Errors over every window of a range, summed in double and divided once at the end: the answer
/// does not depend on how windows are grouped.
#pragma once

#include "protocol.hpp"

#include <cmath>
#include <vector>

namespace forecast {

/// Sums of squared and absolute errors by variate.
struct Scores {
  Eigen::VectorXd squared, absolute;
  Index windows = 0, horizon = 0;

  double mse() const { return squared.sum() / double(windows * horizon * squared.size()); }
  double mae() const { return absolute.sum() / double(windows * horizon * squared.size()); }
  double mse(Index variate) const { return squared[variate] / double(windows * horizon); }
  double mae(Index variate) const { return absolute[variate] / double(windows * horizon); }

  /// Part of a reference's squared error that is gone: 0 is no better, 1 is perfect.
  double skill(double reference_mse) const { return 1 - mse() / reference_mse; }
};

/// Forecasts of consecutive windows: row w * horizon + h is step h of window w.
using Forecasts = Matrix;

/// Scores a forecaster on `count` windows whose first targets are the rows first, first + 1, ...
/// `predict(first, count, out)` fills out [count * horizon, variates] for a block of windows; it
/// must look only at rows before the first target of each.
template <class Predict>
Scores evaluate(const Matrix& rows, Index first, Index count, Index horizon, Predict&& predict,
                Index block = 64) {
  const Index variates = rows.cols();
  Scores scores{Eigen::VectorXd::Zero(variates), Eigen::VectorXd::Zero(variates), count, horizon};
  for (Index w = 0; w < count; w += block) {
    const Index n = std::min(block, count - w);
    Forecasts out(n * horizon, variates);
    predict(first + w, n, out);
    for (Index i = 0; i < n; ++i)
      for (Index h = 0; h < horizon; ++h)
        for (Index c = 0; c < variates; ++c) {
          const double e = out(i * horizon + h, c) - rows(first + w + i + h, c);
          scores.squared[c] += e * e;
          scores.absolute[c] += std::abs(e);
        }
  }
  return scores;
}

/// Quantile of sorted numbers at level in [0, 1], by straight lines between order statistics.
inline double quantile(const std::vector<double>& sorted, double level) {
  const double at = level * double(sorted.size() - 1);
  const auto low = std::size_t(at);
  const auto high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - double(low)) * (sorted[high] - sorted[low]);
}

}  // namespace forecast
