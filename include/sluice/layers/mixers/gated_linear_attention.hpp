// SPDX-License-Identifier: MIT
/// \file
/// The mixer of the GLA Transformer.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/mixers/heads.hpp>
#include <sluice/layers/mixers/short_convolution.hpp>
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

  /// The keys of a `config.json` that are this layer's.
  static constexpr auto options() {
    using C = GatedLinearAttentionConfig;
    return std::tuple{field("num_heads", &C::num_heads),
                      field("num_kv_heads", &C::num_kv_heads),
                      field("expand_k", &C::expand_k),
                      field("expand_v", &C::expand_v),
                      field("gate_low_rank_dim", &C::gate_low_rank_dim),
                      field("gate_logit_normalizer", &C::gate_logit_normalizer),
                      field("clamp_min", &C::clamp_min),
                      field("use_short_conv", &C::use_short_conv),
                      field("conv_size", &C::conv_size),
                      field("use_output_gate", &C::use_output_gate),
                      field("fuse_norm", &C::fuse_norm),
                      field("elementwise_affine", &C::elementwise_affine)};
  }
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
  HeadProjections<S> qkv;
  LowRank<S> gk_proj;
  Linear<S> o_proj;
  std::optional<ShortConvolution<S>> q_conv1d, k_conv1d, v_conv1d;
  GatedHeadOutput<S> output;

  /// \throws ArgumentError  if the widths do not divide into heads or an option is out of range.
  GatedLinearAttention(const Config& c, Rng& rng)
      : GatedLinearAttention(c, detail::Heads(where, c), rng) {}

  static constexpr auto fields() {
    using L = GatedLinearAttention;
    return std::tuple{field("", &L::qkv),
                      field("q_conv1d", &L::q_conv1d),
                      field("k_conv1d", &L::k_conv1d),
                      field("v_conv1d", &L::v_conv1d),
                      field("gk_proj", &L::gk_proj),
                      field("", &L::output),
                      field("o_proj", &L::o_proj)};
  }

  State initial_state(Index batch) const {
    const auto n = heads();
    State state{zeros<S>(Shape<4>{batch, n.heads, n.K(), n.V()}), {}, {}, {}};
    const auto past = [&](const auto& convolve) -> typename State::Convolution {
      if (!convolve) return {};
      return convolve->initial_state(batch);
    };
    state.q_conv1d = past(q_conv1d), state.k_conv1d = past(k_conv1d);
    state.v_conv1d = past(v_conv1d);
    return state;
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const auto n = heads();
    const auto read = [&](const Linear<S>& project, const auto& convolve, auto& past) {
      return convolve ? (*convolve)(project(x), *past) : project(x);
    };
    const auto q = activate(config.feature_map, read(qkv.q_proj, q_conv1d, state.q_conv1d));
    const auto k = activate(config.feature_map, read(qkv.k_proj, k_conv1d, state.k_conv1d));
    const auto v = read(qkv.v_proj, v_conv1d, state.v_conv1d);
    auto g = log_sigmoid(gk_proj(x), S(1 / config.gate_logit_normalizer));
    if (config.clamp_min) g = at_least(g, S(*config.clamp_min));
    return o_proj(output(gated_linear_attention(split_heads(q, n.heads), n.shared(k), n.shared(v),
                                                n.shared(g), state.memory),
                         x));
  }

 private:
  static constexpr auto where = "GatedLinearAttention";

  GatedLinearAttention(const Config& c, const detail::Heads& n, Rng& rng)
      : config(c),
        qkv(n, rng, linear(c)),
        gk_proj(n.width, c.gate_low_rank_dim, n.kv_heads * n.K(), rng, c.deviation),
        o_proj(n.value_width, n.width, rng, linear(c)),
        q_conv1d(convolution(c, qkv.q_proj, rng)),
        k_conv1d(convolution(c, qkv.k_proj, rng)),
        v_conv1d(convolution(c, qkv.v_proj, rng)),
        output(n, rng,
               {.gate = c.use_output_gate,
                .fuse_norm = c.fuse_norm,
                .affine = c.elementwise_affine,
                .eps = c.norm_eps,
                .linear = linear(c)}) {
    require(c.gate_low_rank_dim > 0, where, "gate_low_rank_dim", "at least 1", c.gate_low_rank_dim);
    require(c.gate_logit_normalizer > 0, where, "gate_logit_normalizer", "above 0",
            c.gate_logit_normalizer);
  }

  detail::Heads heads() const { return {where, config}; }

  static LinearOptions linear(const Config& c) { return {.bias = false, .deviation = c.deviation}; }

  static std::optional<ShortConvolution<S>> convolution(const Config& c, const Linear<S>& project,
                                                        Rng& rng) {
    if (!c.use_short_conv) return {};
    return ShortConvolution<S>(
        {.channels = project.out(), .width = c.conv_size, .bias = c.conv_bias}, rng);
  }
};

}  // namespace sluice
