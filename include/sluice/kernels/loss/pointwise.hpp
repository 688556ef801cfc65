// SPDX-License-Identifier: MIT
/// \file
/// Losses that are a mean of f(prediction - target) over elements. Summed in double, in order.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/common/rows.hpp>

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

namespace detail {

template <class Scalar, class F>
Mean pointwise_rows(const F& f, const common::Rows<3>& rows, const Scalar* prediction,
                    const Scalar* target, const Scalar* weights) {
  double sum = 0, total = 0;
  common::for_each_row(
      rows, 0, rows.count(),
      [&](const Scalar* p, const Scalar* t, const Scalar* w) {
        for (Index i = 0; i < rows.width; ++i) {
          const double weight = w ? double(w[i]) : 1;
          if (weight == 0) continue;
          sum += weight * f.value(double(p[i]) - double(t[i]));
          total += weight;
        }
      },
      prediction, target, weights);
  return {total == 0 ? 0 : sum / total, total};
}

template <class Scalar, class F>
void pointwise_rows_backward(const F& f, const common::Rows<4>& rows, const Scalar* prediction,
                             const Scalar* target, const Scalar* weights, double scale,
                             Scalar* dprediction) {
  common::for_each_row(
      rows, 0, rows.count(),
      [&](const Scalar* p, const Scalar* t, const Scalar* w, Scalar* dp) {
        for (Index i = 0; i < rows.width; ++i) {
          const double weight = w ? double(w[i]) : 1;
          if (weight == 0) continue;
          dp[i] += Scalar(scale * weight * f.slope(double(p[i]) - double(t[i])));
        }
      },
      prediction, target, weights, dprediction);
}

}  // namespace detail

/// sum(w f(prediction - target)) / sum(w); 0 when no weight is left.
///
/// \param prediction  any shape of rank 5 at most.
/// \param target      as prediction. Elements of weight 0 are not looked at, and may be NaN.
/// \param weights     as prediction; without data, all 1.
/// \throws ShapeError  if the shapes do not agree.
template <PointwiseLoss F, Operand X>
Mean pointwise_loss(const F& f, const X& prediction, const ConstViewOf<X>& target,
                    const ConstViewOf<X>& weights, const Workspace& = {}) {
  const ConstViewOf<X> p(prediction);
  const auto where = "pointwise_loss", why = "to match the prediction";
  require_shape(where, "target", target.shape(), p.shape(), why);
  if (weights) require_shape(where, "weights", weights.shape(), p.shape(), why);
  return detail::pointwise_rows(f, common::spans_of(p, target, weights), p.data(), target.data(),
                                weights.data());
}

/// Adjoint of `pointwise_loss`: dprediction += scale w f'(prediction - target), where scale is the
/// gradient by the loss divided by `Mean::weight`. Skipped when dprediction has no data.
///
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <PointwiseLoss F, Operand X>
void pointwise_loss_backward(const F& f, const X& prediction, const ConstViewOf<X>& target,
                             const ConstViewOf<X>& weights, double scale,
                             const ViewOf<X>& dprediction, const Workspace& = {}) {
  if (!dprediction) return;
  const ConstViewOf<X> p(prediction);
  const auto where = "pointwise_loss_backward", why = "to match the prediction";
  require_shape(where, "target", target.shape(), p.shape(), why);
  if (weights) require_shape(where, "weights", weights.shape(), p.shape(), why);
  require_shape(where, "dprediction", dprediction.shape(), p.shape(), why);
  detail::pointwise_rows_backward(f, common::spans_of(p, target, weights, dprediction), p.data(),
                                  target.data(), weights.data(), scale, dprediction.data());
}

}  // namespace sluice::kernels
