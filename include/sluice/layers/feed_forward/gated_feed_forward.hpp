// SPDX-License-Identifier: MIT
/// \file
/// The gated linear unit between two projections that stands beside most sequence mixers.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/ops/activation.hpp>

#include <tuple>

namespace sluice {

/// How a `GatedFeedForward` works and begins.
struct GatedFeedForwardOptions {
  Activation activation = Activation::silu;  ///< silu: SwiGLU; gelu: GEGLU; sigmoid: GLU
  LinearOptions linear = {};                 ///< of all three projections
};

/// y = down_proj(act(gate_proj(x)) (.) up_proj(x)), token by token.
///
/// With a hidden width of two thirds of 4 D it has as many weights as a plain feed-forward layer of
/// hidden width 4 D.
///
/// Source: Shazeer, GLU Variants Improve Transformer, 2020, eq. 6 (arXiv:2002.05202).
template <class S>
struct GatedFeedForward {
  using Scalar = S;

  Linear<S> gate_proj, up_proj;  ///< [hidden, D]
  Linear<S> down_proj;           ///< [D, hidden]
  Activation activation;

  GatedFeedForward(Index width, Index hidden, Rng& rng, const GatedFeedForwardOptions& options = {})
      : gate_proj(width, hidden, rng, options.linear),
        up_proj(width, hidden, rng, options.linear),
        down_proj(hidden, width, rng, options.linear),
        activation(options.activation) {}

  static constexpr auto fields() {
    using L = GatedFeedForward;
    return std::tuple{field("gate_proj", &L::gate_proj), field("up_proj", &L::up_proj),
                      field("down_proj", &L::down_proj)};
  }

  /// x [.., D] -> [.., D].
  template <int Rank>
  Variable<S, Rank> operator()(const Variable<S, Rank>& x) const {
    return down_proj(gate(activation, gate_proj(x), up_proj(x)));
  }
};

}  // namespace sluice
