// SPDX-License-Identifier: MIT
/// \file
/// The mixer of the retentive network: every head forgets at a rate of its own that never changes.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/mixers/heads.hpp>
#include <sluice/ops/gated_linear_attention.hpp>
#include <sluice/ops/rotary.hpp>

#include <cmath>
#include <cstdint>
#include <span>
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
    Tensor<S, 4> memory;               ///< [B, heads, K, V]
    Tensor<std::int64_t, 1> position;  ///< [B], tokens read
    static constexpr auto fields() {
      return std::tuple{field("memory", &State::memory), field("position", &State::position)};
    }
  };

  Config config;
  Tensor<S, 1> log_decay;  ///< [heads]; not learnt
  HeadProjections<S> qkv;
  Linear<S> o_proj;
  GatedHeadOutput<S> output;

  /// \throws ArgumentError  if the widths do not divide into heads, of even width for q and k.
  Retention(const Config& c, Rng& rng) : Retention(c, detail::Heads(where, c, 2), rng) {}

  static constexpr auto fields() {
    using L = Retention;
    return std::tuple{field("", &L::qkv), field("", &L::output), field("o_proj", &L::o_proj)};
  }

  State initial_state(Index batch) const {
    const auto n = heads();
    return {zeros<S>(Shape<4>{batch, n.heads, n.K(), n.V()}), zeros<std::int64_t>(Shape<1>{batch})};
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const auto n = heads();
    const std::span<const std::int64_t> positions(state.position.data(),
                                                  std::size_t(state.position.size()));
    const auto angles =
        rotary_angles(*x.tape, x.dim(0), x.dim(1), n.K(), positions, config.rotary_base);
    const auto q = rotary(split_heads(qkv.q_proj(x), n.heads), angles);
    const auto k = rotary(n.shared(qkv.k_proj(x)), angles);
    const auto o = retention(q, k, n.shared(qkv.v_proj(x)), log_decay, state.memory);
    for (Index i = 0; i < state.position.size(); ++i) {
      const Span tokens = sequence(x.tape->cu_seqlens(), x.dim(1), i);
      state.position(i) += tokens.end - tokens.begin;
    }
    return o_proj(output(o, x));
  }

 private:
  static constexpr auto where = "Retention";

  Retention(const Config& c, const detail::Heads& n, Rng& rng)
      : config(c),
        log_decay(n.heads),
        qkv(n, rng, linear(c)),
        o_proj(n.value_width, n.width, rng, linear(c)),
        output(n, rng,
               {.gate = c.use_output_gate,
                .fuse_norm = c.fuse_norm,
                .eps = c.norm_eps,
                .linear = linear(c)}) {
    require(c.rotary_base > 0, where, "rotary_base", "above 0", c.rotary_base);
    for (Index h = 0; h < n.heads; ++h) log_decay(h) = S(std::log1p(-std::exp2(-5 - double(h))));
  }

  detail::Heads heads() const { return {where, config, 2}; }

  static LinearOptions linear(const Config& c) { return {.bias = false, .deviation = c.deviation}; }
};

}  // namespace sluice
