// SPDX-License-Identifier: MIT
/// \file
/// An affine map of the last axis.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/ops/linear.hpp>

#include <cmath>
#include <optional>
#include <tuple>

namespace sluice {

/// How a `Linear` begins.
struct LinearOptions {
  bool bias = false;     ///< whether there is one
  double deviation = 0;  ///< weights normal with this deviation, bias 0; 0: all uniform, see below
};

/// y = x weight^T + bias.
///
/// Without a deviation, weight and bias begin uniform in [-1/sqrt(in), 1/sqrt(in)): outputs of unit
/// inputs then vary by 1/sqrt(3), whatever the width.
template <class S>
struct Linear {
  using Scalar = S;

  Tensor<S, 2> weight;               ///< [out, in]
  std::optional<Tensor<S, 1>> bias;  ///< [out]

  Linear(Index in, Index out, Rng& rng, const LinearOptions& options = {}) : weight(out, in) {
    if (options.bias) bias = zeros<S>(Shape<1>{out});
    if (options.deviation > 0) {
      fill_normal(weight, rng, S(options.deviation));
    } else {
      const S bound = in == 0 ? S(0) : S(1 / std::sqrt(double(in)));
      fill_uniform(weight, rng, -bound, bound);
      if (bias) fill_uniform(*bias, rng, -bound, bound);
    }
  }

  static constexpr auto fields() {
    return std::tuple{field("weight", &Linear::weight), field("bias", &Linear::bias)};
  }

  Index in() const noexcept { return weight.dimension(1); }
  Index out() const noexcept { return weight.dimension(0); }

  /// x [.., in] -> [.., out].
  template <int Rank>
  Variable<S, Rank> operator()(const Variable<S, Rank>& x) const {
    return linear(x, weight, bias);
  }
};

}  // namespace sluice
