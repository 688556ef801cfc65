// SPDX-License-Identifier: MIT
/// \file
/// Losses that are a mean of f(prediction - target) over elements. Summed in double, in order.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>

namespace sluice::kernels {

/// f of a difference d = prediction - target, and its derivative; 0 at a kink.
template <class F>
concept PointwiseLoss = requires(const F& f, double d) {
  { f.value(d) } -> std::same_as<double>;
  { f.slope(d) } -> std::same_as<double>;
};

/// d^2.
struct SquaredError {
  double value(double d) const noexcept { return d * d; }
  double slope(double d) const noexcept { return 2 * d; }
};

/// |d|.
struct AbsoluteError {
  double value(double d) const noexcept { return std::abs(d); }
  double slope(double d) const noexcept { return d > 0 ? 1 : d < 0 ? -1 : 0; }
};

/// d^2 / 2 up to |d| = delta, then delta (|d| - delta / 2).
struct HuberError {
  double delta;
  double value(double d) const noexcept {
    const double a = std::abs(d);
    return a <= delta ? d * d / 2 : delta * (a - delta / 2);
  }
  double slope(double d) const noexcept { return d > delta ? delta : d < -delta ? -delta : d; }
};

/// level |d| below the target, (1 - level) |d| above it: least at the quantile of that level.
struct PinballError {
  double level;
  double value(double d) const noexcept { return d < 0 ? -level * d : (1 - level) * d; }
  double slope(double d) const noexcept { return d > 0 ? 1 - level : d < 0 ? -level : 0; }
};

/// A weighted mean, and the sum of the weights that it was divided by.
struct Mean {
  double value, weight;
};

/// sum(w f(prediction - target)) / sum(w); 0 when no weight is left.
///
/// \param prediction  any shape.
/// \param target      as prediction. Elements of weight 0 are not looked at, and may be NaN.
/// \param weights     as prediction; without data, all 1.
/// \throws ShapeError  if the shapes do not agree.
template <PointwiseLoss F, std::floating_point Scalar, int Rank>
Mean pointwise_loss(const F& f, const View<const Scalar, Rank>& prediction,
                    const std::type_identity_t<View<const Scalar, Rank>>& target,
                    const std::type_identity_t<View<const Scalar, Rank>>& weights) {
  require_shape("pointwise_loss", "target", target.shape(), prediction.shape(),
                "to match the prediction");
  if (weights)
    require_shape("pointwise_loss", "weights", weights.shape(), prediction.shape(),
                  "to match the prediction");
  const Index D = row_length(prediction);
  double sum = 0, total = 0;
  for_each_row(
      [&](const Scalar* p, const Scalar* t, const Scalar* w) {
        for (Index i = 0; i < D; ++i) {
          const double weight = w ? double(w[i]) : 1;
          if (weight == 0) continue;
          sum += weight * f.value(double(p[i]) - double(t[i]));
          total += weight;
        }
      },
      prediction, target, weights);
  return {total == 0 ? 0 : sum / total, total};
}

/// Adjoint of `pointwise_loss`: dprediction += scale w f'(prediction - target), where scale is the
/// gradient by the loss divided by `Mean::weight`.
template <PointwiseLoss F, std::floating_point Scalar, int Rank>
void pointwise_loss_backward(const F& f, const View<const Scalar, Rank>& prediction,
                             const std::type_identity_t<View<const Scalar, Rank>>& target,
                             const std::type_identity_t<View<const Scalar, Rank>>& weights,
                             double scale,
                             const std::type_identity_t<View<Scalar, Rank>>& dprediction) {
  if (!dprediction) return;
  require_shape("pointwise_loss_backward", "dprediction", dprediction.shape(), prediction.shape(),
                "to match the prediction");
  const Index D = row_length(prediction);
  for_each_row(
      [&](const Scalar* p, const Scalar* t, const Scalar* w, Scalar* dp) {
        for (Index i = 0; i < D; ++i) {
          const double weight = w ? double(w[i]) : 1;
          if (weight == 0) continue;
          dp[i] += Scalar(scale * weight * f.slope(double(p[i]) - double(t[i])));
        }
      },
      prediction, target, weights, dprediction);
}

}  // namespace sluice::kernels
