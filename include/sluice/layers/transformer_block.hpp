// SPDX-License-Identifier: MIT
/// \file
/// The block of transformers, around any mixer: first tokens are mixed, then channels.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/layers/gated_feed_forward.hpp>
#include <sluice/layers/linear.hpp>
#include <sluice/layers/rms_norm.hpp>
#include <sluice/layers/streamable.hpp>
#include <sluice/ops/arithmetic.hpp>

#include <tuple>

namespace sluice {

/// How a `TransformerBlock` normalises, and how its feed-forward layer begins.
struct TransformerBlockOptions {
  double norm_eps = 1e-6;
  LinearOptions linear = {};
};

/// h = x + attn(attn_norm(x)), y = h + mlp(mlp_norm(h)). Members are called as in the published
/// checkpoints of flash-linear-attention, whatever the mixer.
template <Streamable Mixer>
struct TransformerBlock {
  using Scalar = typename Mixer::Scalar;
  using State = typename Mixer::State;

  RMSNorm<Scalar> attn_norm;
  Mixer attn;
  RMSNorm<Scalar> mlp_norm;
  GatedFeedForward<Scalar> mlp;

  /// \param hidden  width inside the feed-forward layer.
  /// \throws ArgumentError  if the mixer cannot be made.
  TransformerBlock(const typename Mixer::Config& mixer, Index hidden, Rng& rng,
                   const TransformerBlockOptions& options = {})
      : attn_norm(mixer.width, options.norm_eps),
        attn(mixer, rng),
        mlp_norm(mixer.width, options.norm_eps),
        mlp(mixer.width, hidden, rng, {.linear = options.linear}) {}

  static constexpr auto fields() {
    using L = TransformerBlock;
    return std::tuple{field("attn_norm", &L::attn_norm), field("attn", &L::attn),
                      field("mlp_norm", &L::mlp_norm), field("mlp", &L::mlp)};
  }

  State initial_state(Index batch) const { return attn.initial_state(batch); }

  /// x [B, T, D] -> [B, T, D].
  Variable<Scalar, 3> operator()(const Variable<Scalar, 3>& x, State& state) const {
    const auto h = x + attn(attn_norm(x), state);
    return h + mlp(mlp_norm(h));
  }
};

}  // namespace sluice
