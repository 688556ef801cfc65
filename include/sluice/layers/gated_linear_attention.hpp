// SPDX-License-Identifier: MIT
/// \file
/// The mixer of the GLA Transformer.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/attention_heads.hpp>
#include <sluice/layers/linear.hpp>
#include <sluice/layers/rms_norm.hpp>
#include <sluice/layers/short_convolution.hpp>
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
  std::optional<double> clamp_min;    ///< the gate, divided, is raised to at least this
  Activation feature_map = Activation::identity;  ///< of q and k
  bool use_short_conv = false;     ///< whether q, k and v go through short convolutions
  Index conv_size = 4;             ///< tokens in their windows
  bool conv_bias = false;          ///< whether they have biases
  bool use_output_gate = true;     ///< whether silu(x W_g) multiplies the normalised output
  bool fuse_norm = true;           ///< names the norm of gated outputs g_norm_swish_gate
  bool elementwise_affine = true;  ///< whether the norm has a weight
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
/// The norm works on every head alone. At the start a token keeps about 0.96 of the memory. With
/// the option, q, k and v are convolved over a few tokens, silu included, before anything else.
///
/// Source: Yang et al., Gated Linear Attention Transformers, ICML 2024, sec. 4.4
/// (arXiv:2312.06635).
template <class S>
struct GatedLinearAttention {
  using Scalar = S;
  using Config = GatedLinearAttentionConfig;

  struct State {
    using Convolution = std::optional<typename ShortConvolution<S>::State>;
    Tensor<S, 4> memory;  ///< [B, heads, K, V]
    Convolution q_conv1d, k_conv1d, v_conv1d;
    static constexpr auto fields() {
      return std::tuple{field("memory", &State::memory), field("q_conv1d", &State::q_conv1d),
                        field("k_conv1d", &State::k_conv1d), field("v_conv1d", &State::v_conv1d)};
    }
  };

  Config config;
  Linear<S> q_proj, k_proj, v_proj;
  std::optional<ShortConvolution<S>> q_conv1d, k_conv1d, v_conv1d;
  std::optional<Linear<S>> g_proj;
  LowRank<S> gk_proj;
  std::optional<GatedRMSNorm<S>> g_norm_swish_gate;
  std::optional<RMSNorm<S>> g_norm;
  Linear<S> o_proj;

  /// \throws ArgumentError  if the widths do not divide into heads or an option is out of range.
  GatedLinearAttention(const Config& c, Rng& rng)
      : GatedLinearAttention(c, detail::attention_heads("GatedLinearAttention", c), rng) {}

  static constexpr auto fields() {
    using L = GatedLinearAttention;
    return std::tuple{field("q_proj", &L::q_proj),
                      field("k_proj", &L::k_proj),
                      field("v_proj", &L::v_proj),
                      field("q_conv1d", &L::q_conv1d),
                      field("k_conv1d", &L::k_conv1d),
                      field("v_conv1d", &L::v_conv1d),
                      field("g_proj", &L::g_proj),
                      field("gk_proj", &L::gk_proj),
                      field("g_norm_swish_gate", &L::g_norm_swish_gate),
                      field("g_norm", &L::g_norm),
                      field("o_proj", &L::o_proj)};
  }

  State initial_state(Index batch) const {
    const detail::AttentionHeads n(config);
    State state{zeros<S>(Shape<4>{batch, n.heads, n.K(), n.V()}), {}, {}, {}};
    if (q_conv1d) {
      state.q_conv1d = q_conv1d->initial_state(batch);
      state.k_conv1d = k_conv1d->initial_state(batch);
      state.v_conv1d = v_conv1d->initial_state(batch);
    }
    return state;
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const detail::AttentionHeads n(config);
    const auto read = [&](const Linear<S>& project, const auto& convolve, auto& past) {
      return convolve ? (*convolve)(project(x), *past) : project(x);
    };
    const auto q = activate(config.feature_map, read(q_proj, q_conv1d, state.q_conv1d));
    const auto k = activate(config.feature_map, read(k_proj, k_conv1d, state.k_conv1d));
    const auto v = read(v_proj, v_conv1d, state.v_conv1d);
    auto g = log_sigmoid(gk_proj(x), S(1 / config.gate_logit_normalizer));
    if (config.clamp_min) g = at_least(g, S(*config.clamp_min));
    const auto o = gated_linear_attention(split_heads(q, n.heads), n.shared(k), n.shared(v),
                                          n.shared(g), state.memory);
    const auto normal = [&] { return g_norm ? (*g_norm)(o) : rms_norm(o, S(config.norm_eps)); };
    if (!g_proj) return o_proj(merge_heads(normal()));
    const auto gate = split_heads((*g_proj)(x), n.heads);
    return o_proj(
        merge_heads(g_norm_swish_gate ? (*g_norm_swish_gate)(o, gate) : normal() * silu(gate)));
  }

 private:
  GatedLinearAttention(const Config& c, const detail::AttentionHeads& n, Rng& rng)
      : config(c),
        q_proj(c.width, n.key_width, rng, linear(c)),
        k_proj(c.width, n.kv_heads * n.K(), rng, linear(c)),
        v_proj(c.width, n.kv_heads * n.V(), rng, linear(c)),
        gk_proj(c.width, c.gate_low_rank_dim, n.kv_heads * n.K(), rng, c.deviation),
        o_proj(n.value_width, c.width, rng, linear(c)) {
    const auto where = "GatedLinearAttention";
    require(c.gate_low_rank_dim > 0, where, "gate_low_rank_dim", "at least 1",
            std::to_string(c.gate_low_rank_dim));
    require(c.gate_logit_normalizer > 0, where, "gate_logit_normalizer", "above 0",
            std::to_string(c.gate_logit_normalizer));
    const auto convolution = [&](auto& convolve, const Linear<S>& project) {
      convolve.emplace(
          ShortConvolutionConfig{
              .channels = project.out(), .width = c.conv_size, .bias = c.conv_bias},
          rng);
    };
    if (c.use_short_conv)
      convolution(q_conv1d, q_proj), convolution(k_conv1d, k_proj), convolution(v_conv1d, v_proj);
    if (c.use_output_gate) g_proj.emplace(c.width, n.value_width, rng, linear(c));
    if (!c.elementwise_affine) return;
    if (c.use_output_gate && c.fuse_norm) {
      GatedRMSNormOptions options;
      options.eps = c.norm_eps;
      g_norm_swish_gate.emplace(n.V(), options);
    } else {
      g_norm.emplace(n.V(), c.norm_eps);
    }
  }

  static LinearOptions linear(const Config& c) { return {.bias = false, .deviation = c.deviation}; }
};

}  // namespace sluice
