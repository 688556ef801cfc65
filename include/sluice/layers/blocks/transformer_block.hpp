// SPDX-License-Identifier: MIT
/// \file
/// The block of transformers around any mixer, as published checkpoints of flash-linear-attention
/// name it.
#pragma once

#include <sluice/core/random.hpp>
#include <sluice/layers/blocks/block.hpp>
#include <sluice/layers/feed_forward/gated_feed_forward.hpp>
#include <sluice/layers/norms/rms_norm.hpp>

#include <string_view>
#include <utility>

namespace sluice {

struct FlaNames {
  struct Mix {
    static constexpr std::string_view norm = "attn_norm", inner = "attn", gate = "attn_gate";
  };
  struct Feed {
    static constexpr std::string_view norm = "mlp_norm", inner = "mlp", gate = "mlp_gate";
  };
};

/// h = x + attn(attn_norm(x)), y = h + mlp(mlp_norm(h)).
template <class Mixer>
using TransformerBlock = Block<Mixer, GatedFeedForward<typename Mixer::Scalar>,
                               RMSNorm<typename Mixer::Scalar>, Add, FlaNames>;

/// How a `TransformerBlock` normalises, and how its feed-forward layer begins.
struct TransformerBlockOptions {
  double norm_eps = 1e-6;
  LinearOptions linear = {};
  double dropout = 0;  ///< of both branches, in training; in [0, 1)
};

/// A `TransformerBlock` at its beginning.
///
/// \param hidden  width inside the feed-forward layer.
/// \throws ArgumentError  if the mixer cannot be made.
template <class Mixer>
TransformerBlock<Mixer> transformer_block(const typename Mixer::Config& mixer, Index hidden,
                                          Rng& rng, const TransformerBlockOptions& options = {}) {
  using S = typename Mixer::Scalar;
  const RMSNorm<S> norm(mixer.width, options.norm_eps);
  Mixer attn(mixer, rng);
  GatedFeedForward<S> mlp(mixer.width, hidden, rng, {.linear = options.linear});
  TransformerBlock<Mixer> block({norm, std::move(attn)}, {norm, std::move(mlp)});
  block.mix.dropout = block.feed.dropout = options.dropout;
  return block;
}

}  // namespace sluice
