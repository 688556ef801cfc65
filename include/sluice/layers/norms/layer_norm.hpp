// SPDX-License-Identifier: MIT
/// \file
/// Layer normalisation with a learnt weight and bias.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/ops/norm.hpp>

#include <tuple>

namespace sluice {

/// y = weight (.) (x - mean(x)) / sqrt(var(x) + eps) + bias over the last axis. The weight begins
/// at 1, the bias at 0. Without either, call the operation `layer_norm` itself.
template <class S>
struct LayerNorm {
  using Scalar = S;

  Tensor<S, 1> weight;  ///< [D]
  Tensor<S, 1> bias;    ///< [D]
  S eps;

  explicit LayerNorm(Index width, double eps_ = 1e-5) : weight(width), bias(width), eps(S(eps_)) {
    weight.setConstant(S(1));
    bias.setZero();
  }

  static constexpr auto fields() {
    return std::tuple{field("weight", &LayerNorm::weight), field("bias", &LayerNorm::bias)};
  }

  /// x [.., D] -> [.., D].
  template <int Rank>
  Variable<S, Rank> operator()(const Variable<S, Rank>& x) const {
    return layer_norm(x, weight, bias, eps);
  }
};

}  // namespace sluice
