// SPDX-License-Identifier: MIT
/// \file
/// Losses: means over elements, as a variable that `Tape::backward` starts from. Targets and
/// weights are constants; they must outlive the pass.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/kernels/loss/cross_entropy.hpp>
#include <sluice/kernels/loss/pointwise.hpp>

#include <cstdint>
#include <type_traits>

namespace sluice {

/// A constant of the shape of a variable: target, mask or weights.
template <class Scalar, int Rank>
using Constant = std::type_identity_t<View<const Scalar, Rank>>;

/// Mean of a function of prediction - target, weighted; see `kernels::pointwise_loss`.
template <class Scalar, int Rank, kernels::PointwiseLoss F>
Variable<Scalar, 0> pointwise_loss(const F& f, const Variable<Scalar, Rank>& prediction,
                                   const Constant<Scalar, Rank>& target,
                                   const Constant<Scalar, Rank>& weights = {}) {
  const auto mean = kernels::pointwise_loss(f, prediction.value, target, weights);
  return operation(
      Shape<0>{}, [&](const auto& loss) { loss() = static_cast<Scalar>(mean.value); },
      [=](auto, const auto& dloss) {
        if (mean.weight == 0) return;
        kernels::pointwise_loss_backward(f, prediction.value, target, weights,
                                         double(dloss()) / mean.weight, prediction.gradient);
      },
      prediction);
}

/// mean((prediction - target)^2), over the weights when there are some.
template <class Scalar, int Rank>
Variable<Scalar, 0> mean_squared_error(const Variable<Scalar, Rank>& prediction,
                                       const Constant<Scalar, Rank>& target,
                                       const Constant<Scalar, Rank>& weights = {}) {
  return pointwise_loss(kernels::SquaredError{}, prediction, target, weights);
}

/// mean(|prediction - target|), over the weights when there are some.
template <class Scalar, int Rank>
Variable<Scalar, 0> mean_absolute_error(const Variable<Scalar, Rank>& prediction,
                                        const Constant<Scalar, Rank>& target,
                                        const Constant<Scalar, Rank>& weights = {}) {
  return pointwise_loss(kernels::AbsoluteError{}, prediction, target, weights);
}

/// Half the squared error up to |difference| = delta, linear beyond.
///
/// Source: Huber, Robust Estimation of a Location Parameter, 1964.
template <class Scalar, int Rank>
Variable<Scalar, 0> huber(const Variable<Scalar, Rank>& prediction,
                          const Constant<Scalar, Rank>& target, double delta = 1,
                          const Constant<Scalar, Rank>& weights = {}) {
  require(delta > 0, "huber", "delta", "above 0", delta);
  return pointwise_loss(kernels::HuberError{delta}, prediction, target, weights);
}

/// The loss whose minimum is the quantile of the given level: 0.9 for a value exceeded one time in
/// ten.
template <class Scalar, int Rank>
Variable<Scalar, 0> pinball(const Variable<Scalar, Rank>& prediction,
                            const Constant<Scalar, Rank>& target, double level,
                            const Constant<Scalar, Rank>& weights = {}) {
  require(level > 0 && level < 1, "pinball", "level", "in (0, 1)", level);
  return pointwise_loss(kernels::PinballError{level}, prediction, target, weights);
}

/// Mean of -log softmax(logits)[id] over rows; rows of weight 0 count for nothing, and their id may
/// be anything. logits [.., V], ids and weights [..].
template <class Scalar, int Rank>
Variable<Scalar, 0> cross_entropy(
    const Variable<Scalar, Rank>& logits,
    const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids,
    const std::type_identity_t<View<const Scalar, Rank - 1>>& weights = {}) {
  const auto norms = room(*logits.tape, Shape<1>{ids.size()});
  const auto mean = kernels::cross_entropy(logits.value, ids, weights, norms);
  return operation(
      Shape<0>{}, [&](const auto& loss) { loss() = static_cast<Scalar>(mean.value); },
      [=](auto, const auto& dloss) {
        if (mean.weight == 0) return;
        kernels::cross_entropy_backward(logits.value, ids, weights, norms,
                                        double(dloss()) / mean.weight, logits.gradient);
      },
      logits);
}

}  // namespace sluice
