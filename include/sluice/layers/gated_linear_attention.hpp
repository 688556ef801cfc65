// SPDX-License-Identifier: MIT
/// \file
/// The mixer of the GLA Transformer.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/linear.hpp>
#include <sluice/layers/rms_norm.hpp>
#include <sluice/ops/activation.hpp>
#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/gated_linear_attention.hpp>
#include <sluice/ops/heads.hpp>

#include <optional>
#include <tuple>

namespace sluice {

/// The options of the paper and of its published implementations, under the latter's names.
struct GatedLinearAttentionConfig {
  Index width = 0;               ///< D, of input and output
  Index num_heads = 4;           ///< heads of q
  Index num_kv_heads = 0;        ///< heads of k, v and the gate, shared by groups; 0: num_heads
  double expand_k = 0.5;         ///< total width of q over D
  double expand_v = 1;           ///< total width of v over D
  Index gate_low_rank_dim = 16;  ///< rank of the map from x to the gate
  double gate_logit_normalizer = 16;  ///< the log-sigmoid of the gate is divided by this
  bool use_output_gate = true;        ///< whether silu(x W_g) multiplies the normalised output
  bool fuse_norm = true;              ///< names the norm of gated outputs g_norm_swish_gate
  double norm_eps = 1e-5;
  double deviation = 0.02;  ///< of the initial weights
};

/// A map through a narrow middle; members are called "0" and "1", as in published checkpoints.
template <class S>
struct LowRank {
  using Scalar = S;
  Linear<S> down, up;  ///< [rank, in], [out, rank] with bias

  LowRank(Index in, Index rank, Index out, Rng& rng, double deviation)
      : down(in, rank, rng, {.bias = false, .deviation = deviation}),
        up(rank, out, rng, {.bias = true, .deviation = deviation}) {}

  static constexpr auto fields() {
    return std::tuple{field("0", &LowRank::down), field("1", &LowRank::up)};
  }
  Variable<S, 3> operator()(const Variable<S, 3>& x) const { return up(down(x)); }
};

/// y = W_o ( RMSNorm( gla(q, k, v, g) ) (.) silu(W_g x) ),   g = log sigmoid(W_2 W_1 x + b) / 16.
///
/// The norm works on every head alone. At the start a token keeps about 0.96 of the memory.
///
/// Source: Yang et al., Gated Linear Attention Transformers, ICML 2024, sec. 4.4
/// (arXiv:2312.06635).
template <class S>
struct GatedLinearAttention {
  using Scalar = S;
  using Config = GatedLinearAttentionConfig;

  struct State {
    Tensor<S, 4> memory;  ///< [B, heads, K, V]
    static constexpr auto fields() { return std::tuple{field("memory", &State::memory)}; }
  };

  Config config;
  Linear<S> q_proj, k_proj, v_proj;
  std::optional<Linear<S>> g_proj;
  LowRank<S> gk_proj;
  std::optional<GatedRMSNorm<S>> g_norm_swish_gate;
  std::optional<RMSNorm<S>> g_norm;
  Linear<S> o_proj;

  /// \throws ArgumentError  if the widths do not divide into heads.
  GatedLinearAttention(const Config& c, Rng& rng)
      : config(checked(c)),
        q_proj(c.width, key_width(c), rng, linear(c)),
        k_proj(c.width, key_width(c) / groups(c), rng, linear(c)),
        v_proj(c.width, value_width(c) / groups(c), rng, linear(c)),
        gk_proj(c.width, c.gate_low_rank_dim, key_width(c) / groups(c), rng, c.deviation),
        o_proj(value_width(c), c.width, rng, linear(c)) {
    const Index V = value_width(c) / c.num_heads;
    if (c.use_output_gate) g_proj.emplace(c.width, value_width(c), rng, linear(c));
    if (c.use_output_gate && c.fuse_norm) {
      GatedRMSNormOptions options;
      options.eps = c.norm_eps;
      g_norm_swish_gate.emplace(V, options);
    } else {
      g_norm.emplace(V, c.norm_eps);
    }
  }

  static constexpr auto fields() {
    using L = GatedLinearAttention;
    return std::tuple{
        field("q_proj", &L::q_proj),   field("k_proj", &L::k_proj),
        field("v_proj", &L::v_proj),   field("g_proj", &L::g_proj),
        field("gk_proj", &L::gk_proj), field("g_norm_swish_gate", &L::g_norm_swish_gate),
        field("g_norm", &L::g_norm),   field("o_proj", &L::o_proj)};
  }

  State initial_state(Index batch) const {
    const Index H = config.num_heads;
    return {zeros<S>(Shape<4>{batch, H, q_proj.out() / H, o_proj.in() / H})};
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const Index heads = config.num_heads, times = groups(config), own = heads / times;
    const auto shared = [&](const Variable<S, 3>& y) {
      const auto split = split_heads(y, own);
      return times == 1 ? split : repeat_heads(split, times);
    };
    const auto g = log_sigmoid(gk_proj(x), S(1 / config.gate_logit_normalizer));
    const auto o = gated_linear_attention(split_heads(q_proj(x), heads), shared(k_proj(x)),
                                          shared(v_proj(x)), shared(g), state.memory);
    if (!g_proj) return o_proj(merge_heads((*g_norm)(o)));
    const auto gate = split_heads((*g_proj)(x), heads);
    return o_proj(merge_heads(g_norm ? (*g_norm)(o)*silu(gate) : (*g_norm_swish_gate)(o, gate)));
  }

 private:
  static Index key_width(const Config& c) { return Index(double(c.width) * c.expand_k); }
  static Index value_width(const Config& c) { return Index(double(c.width) * c.expand_v); }
  static Index groups(const Config& c) {
    return c.num_kv_heads == 0 ? 1 : c.num_heads / c.num_kv_heads;
  }
  static LinearOptions linear(const Config& c) { return {.bias = false, .deviation = c.deviation}; }

  static const Config& checked(const Config& c) {
    const auto where = "GatedLinearAttention";
    require(c.num_heads > 0 && c.num_kv_heads >= 0 &&
                (c.num_kv_heads == 0 || c.num_heads % c.num_kv_heads == 0),
            where, "num_kv_heads", "a divisor of num_heads = " + std::to_string(c.num_heads),
            std::to_string(c.num_kv_heads));
    require(key_width(c) > 0 && key_width(c) % c.num_heads == 0, where, "width * expand_k",
            "a multiple of num_heads = " + std::to_string(c.num_heads),
            std::to_string(key_width(c)));
    require(value_width(c) > 0 && value_width(c) % c.num_heads == 0, where, "width * expand_v",
            "a multiple of num_heads = " + std::to_string(c.num_heads),
            std::to_string(value_width(c)));
    require(c.gate_low_rank_dim > 0, where, "gate_low_rank_dim", "at least 1",
            std::to_string(c.gate_low_rank_dim));
    require(c.gate_logit_normalizer > 0, where, "gate_logit_normalizer", "above 0",
            std::to_string(c.gate_logit_normalizer));
    return c;
  }
};

}  // namespace sluice
