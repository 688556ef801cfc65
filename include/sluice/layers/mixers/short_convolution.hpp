// SPDX-License-Identifier: MIT
/// \file
/// The short causal convolution as a layer, as it stands before many mixers.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/ops/activation.hpp>
#include <sluice/ops/short_convolution.hpp>

#include <cmath>
#include <optional>
#include <tuple>

namespace sluice {

/// How a `ShortConvolution` works.
struct ShortConvolutionConfig {
  Index channels = 0;  ///< D, of input and output
  Index width = 4;     ///< tokens in the window, the newest included
  bool bias = false;   ///< whether there is one
  Activation activation = Activation::silu;
};

/// y_t = act(bias + sum_i weight_i (.) x_{t - W + 1 + i}), every channel by itself.
///
/// Weight and bias begin uniform in [-1/sqrt(W), 1/sqrt(W)).
///
/// Source: Gu and Dao, Mamba, 2023, section 3.4 (arXiv:2312.00752).
template <class S>
struct ShortConvolution {
  using Scalar = S;
  using Config = ShortConvolutionConfig;

  struct State {
    Tensor<S, 3> recent;  ///< [B, W - 1, D], the last inputs, the oldest first
    static constexpr auto fields() { return std::tuple{field("recent", &State::recent)}; }
  };

  Tensor<S, 3> weight;               ///< [D, 1, W]
  std::optional<Tensor<S, 1>> bias;  ///< [D]
  Activation activation;

  /// \throws ArgumentError  if the channels or the width are below 1.
  ShortConvolution(const Config& c, Rng& rng) : activation(c.activation) {
    require(c.channels >= 1, "ShortConvolution", "channels", "at least 1", c.channels);
    require(c.width >= 1, "ShortConvolution", "width", "at least 1", c.width);
    const S bound = S(1 / std::sqrt(double(c.width)));
    weight.resize(c.channels, 1, c.width);
    fill_uniform(weight, rng, -bound, bound);
    if (c.bias) fill_uniform(bias.emplace(c.channels), rng, -bound, bound);
  }

  static constexpr auto fields() {
    using L = ShortConvolution;
    return std::tuple{field("weight", &L::weight), field("bias", &L::bias)};
  }

  Index channels() const noexcept { return weight.dimension(0); }
  Index width() const noexcept { return weight.dimension(2); }

  State initial_state(Index batch) const {
    return {zeros<S>(Shape<3>{batch, width() - 1, channels()})};
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    // The kernel fuses silu, which nearly all have.
    const bool fused = activation == Activation::silu;
    const auto y =
        short_convolution(x, weight, state.recent,
                          {.bias = bias, .activation = fused ? activation : Activation::identity});
    return fused ? y : activate(activation, y);
  }
};

}  // namespace sluice
