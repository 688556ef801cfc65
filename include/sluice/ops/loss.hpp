// SPDX-License-Identifier: MIT
/// \file
/// Losses: means over elements, as a variable that `Tape::backward` starts from. Targets and
/// weights are constants; they must outlive the pass.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/kernels/loss/cross_entropy.hpp>
#include <sluice/kernels/loss/pointwise.hpp>

#include <cstdint>
#include <string>
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
  const auto loss = prediction.tape->result(Shape<0>{}, prediction);
  *loss.out.data() = static_cast<Scalar>(mean.value);
  if (loss.gradient)
    prediction.tape->on_backward([=] {
      if (mean.weight == 0) return;
      const double scale = double(*loss.gradient.data()) / mean.weight;
      kernels::pointwise_loss_backward(f, prediction.value, target, weights, scale,
                                       prediction.gradient);
    });
  return loss;
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
  require(delta > 0, "huber", "delta", "above 0", std::to_string(delta));
  return pointwise_loss(kernels::HuberError{delta}, prediction, target, weights);
}

/// The loss whose minimum is the quantile of the given level: 0.9 for a value exceeded one time in
/// ten.
template <class Scalar, int Rank>
Variable<Scalar, 0> pinball(const Variable<Scalar, Rank>& prediction,
                            const Constant<Scalar, Rank>& target, double level,
                            const Constant<Scalar, Rank>& weights = {}) {
  require(level > 0 && level < 1, "pinball", "level", "in (0, 1)", std::to_string(level));
  return pointwise_loss(kernels::PinballError{level}, prediction, target, weights);
}

/// Mean of -log softmax(logits)[id] over rows; rows of weight 0 count for nothing, and their id may
/// be anything. logits [.., V], ids and weights [..].
template <class Scalar, int Rank>
Variable<Scalar, 0> cross_entropy(
    const Variable<Scalar, Rank>& logits,
    const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids,
    const std::type_identity_t<View<const Scalar, Rank - 1>>& weights = {}) {
  Tape<Scalar>& tape = *logits.tape;
  const Shape<1> rows{ids.size()};
  const View<Scalar, 1> norms(tape.allocate(rows), rows);
  const auto mean = kernels::cross_entropy(logits.value, ids, weights, norms);
  const auto loss = tape.result(Shape<0>{}, logits);
  *loss.out.data() = static_cast<Scalar>(mean.value);
  if (loss.gradient)
    tape.on_backward([=] {
      if (mean.weight == 0) return;
      const double scale = double(*loss.gradient.data()) / mean.weight;
      kernels::cross_entropy_backward(logits.value, ids, weights, norms, scale, logits.gradient);
    });
  return loss;
}

}  // namespace sluice
