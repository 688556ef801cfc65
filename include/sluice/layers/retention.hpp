// SPDX-License-Identifier: MIT
/// \file
/// The mixer of the retentive network: every head forgets at a rate of its own that never changes.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/attention_heads.hpp>
#include <sluice/layers/linear.hpp>
#include <sluice/layers/rms_norm.hpp>
#include <sluice/ops/activation.hpp>
#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/gated_linear_attention.hpp>
#include <sluice/ops/heads.hpp>
#include <sluice/ops/rotary.hpp>

#include <cmath>
#include <optional>
#include <string>
#include <tuple>

namespace sluice {

/// The options of the published implementations, under their names.
struct RetentionConfig {
  Index width = 0;              ///< D, of input and output
  Index num_heads = 8;          ///< heads of q
  Index num_kv_heads = 0;       ///< heads of k and v, shared by groups; 0: num_heads
  double expand_k = 1;          ///< total width of q over D
  double expand_v = 2;          ///< total width of v over D
  bool use_output_gate = true;  ///< whether silu(x W_g) multiplies the normalised output
  bool fuse_norm = true;        ///< names the norm of gated outputs g_norm_swish_gate
  double rotary_base = 10000;   ///< the slowest pair of channels turns once in 2 pi times this
  double norm_eps = 1e-5;
  double deviation = 0.02;  ///< of the initial weights
};

/// y = W_o ( RMSNorm( retention(rotary(q), rotary(k), v) ) (.) silu(W_g x) ).
///
/// Head h keeps 1 - 2^(-5-h) of its memory from token to token. The norm works on every head alone.
///
/// Source: Sun et al., Retentive Network, 2023, eq. 8 (arXiv:2307.08621), with rotary embedding in
/// place of xPos as in the published implementations.
template <class S>
struct Retention {
  using Scalar = S;
  using Config = RetentionConfig;

  struct State {
    Tensor<S, 4> memory;    ///< [B, heads, K, V]
    Tensor<S, 1> position;  ///< [1], tokens read; in float exact up to 2^24
    static constexpr auto fields() {
      return std::tuple{field("memory", &State::memory), field("position", &State::position)};
    }
  };

  Config config;
  Tensor<S, 1> log_decay;  ///< [heads]; not learnt
  Linear<S> q_proj, k_proj, v_proj;
  std::optional<Linear<S>> g_proj;
  std::optional<GatedRMSNorm<S>> g_norm_swish_gate;
  std::optional<RMSNorm<S>> g_norm;
  Linear<S> o_proj;

  /// \throws ArgumentError  if the widths do not divide into heads, of even width for q and k.
  Retention(const Config& c, Rng& rng)
      : Retention(c, detail::attention_heads("Retention", c, 2), rng) {}

  static constexpr auto fields() {
    using L = Retention;
    return std::tuple{field("q_proj", &L::q_proj),
                      field("k_proj", &L::k_proj),
                      field("v_proj", &L::v_proj),
                      field("g_proj", &L::g_proj),
                      field("g_norm_swish_gate", &L::g_norm_swish_gate),
                      field("g_norm", &L::g_norm),
                      field("o_proj", &L::o_proj)};
  }

  State initial_state(Index batch) const {
    const detail::AttentionHeads n(config);
    return {zeros<S>(Shape<4>{batch, n.heads, n.K(), n.V()}), zeros<S>(Shape<1>{1})};
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const detail::AttentionHeads n(config);
    const auto position = Index(std::llround(state.position(0)));
    const auto angles = rotary_angles(*x.tape, x.dim(1), n.K(), position, config.rotary_base);
    const auto q = rotary(split_heads(q_proj(x), n.heads), angles);
    const auto k = rotary(n.shared(k_proj(x)), angles);
    const auto o = retention(q, k, n.shared(v_proj(x)), log_decay, state.memory);
    state.position(0) += S(x.dim(1));
    if (!g_proj) return o_proj(merge_heads((*g_norm)(o)));
    const auto gate = split_heads((*g_proj)(x), n.heads);
    return o_proj(merge_heads(g_norm ? (*g_norm)(o)*silu(gate) : (*g_norm_swish_gate)(o, gate)));
  }

 private:
  Retention(const Config& c, const detail::AttentionHeads& n, Rng& rng)
      : config(c),
        log_decay(n.heads),
        q_proj(c.width, n.key_width, rng, {.bias = false, .deviation = c.deviation}),
        k_proj(c.width, n.kv_heads * n.K(), rng, {.bias = false, .deviation = c.deviation}),
        v_proj(c.width, n.kv_heads * n.V(), rng, {.bias = false, .deviation = c.deviation}),
        o_proj(n.value_width, c.width, rng, {.bias = false, .deviation = c.deviation}) {
    require(c.rotary_base > 0, "Retention", "rotary_base", "above 0",
            std::to_string(c.rotary_base));
    for (Index h = 0; h < n.heads; ++h) log_decay(h) = S(std::log1p(-std::exp2(-5 - double(h))));
    if (c.use_output_gate)
      g_proj.emplace(c.width, n.value_width, rng,
                     LinearOptions{.bias = false, .deviation = c.deviation});
    if (c.use_output_gate && c.fuse_norm) {
      GatedRMSNormOptions options;
      options.eps = c.norm_eps;
      g_norm_swish_gate.emplace(n.V(), options);
    } else {
      g_norm.emplace(n.V(), c.norm_eps);
    }
  }
};

}  // namespace sluice
