// SPDX-License-Identifier: MIT
/// \file
/// Linear attention as a layer: attention whose memory has a fixed size and forgets nothing.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/mixers/heads.hpp>
#include <sluice/layers/norms/rms_norm.hpp>
#include <sluice/ops/activation.hpp>
#include <sluice/ops/heads.hpp>
#include <sluice/ops/normalised_linear_attention.hpp>

#include <optional>
#include <tuple>

namespace sluice {

/// The defaults are those of the paper.
struct LinearAttentionConfig {
  Index width = 0;         ///< D, of input and output
  Index num_heads = 8;     ///< heads of q
  Index num_kv_heads = 0;  ///< heads of k and v, shared by groups; 0: num_heads
  double expand_k = 1;     ///< total width of q over D
  double expand_v = 1;     ///< total width of v over D
  /// What queries and keys go through before their product; the default is that of the paper.
  Activation feature_map = Activation::elu_plus_one;
  bool normalise = true;     ///< whether the weights of a query add up to 1
  bool output_norm = false;  ///< whether RMSNorm works on every head of the output
  double norm_eps = 1e-5;
  double deviation = 0.02;  ///< of the initial weights
};

/// y = W_o linear_attention(phi(q), phi(k), v).
///
/// Source: Katharopoulos et al., Transformers are RNNs, ICML 2020 (arXiv:2006.16236).
template <class S>
struct LinearAttention {
  using Scalar = S;
  using Config = LinearAttentionConfig;

  struct State {
    Tensor<S, 4> memory;                  ///< [B, heads, K, V]
    std::optional<Tensor<S, 4>> key_sum;  ///< [B, 1, heads, K], to normalise with
    static constexpr auto fields() {
      return std::tuple{field("memory", &State::memory), field("key_sum", &State::key_sum)};
    }
  };

  Config config;
  HeadProjections<S> qkv;
  std::optional<RMSNorm<S>> norm;
  Linear<S> o_proj;

  /// \throws ArgumentError  if the widths do not divide into heads, or if weights that may be
  ///                        negative are to be normalised.
  LinearAttention(const Config& c, Rng& rng) : LinearAttention(c, detail::Heads(where, c), rng) {}

  static constexpr auto fields() {
    using L = LinearAttention;
    return std::tuple{field("", &L::qkv), field("norm", &L::norm), field("o_proj", &L::o_proj)};
  }

  State initial_state(Index batch) const {
    const auto n = heads();
    State state{zeros<S>(Shape<4>{batch, n.heads, n.K(), n.V()}), {}};
    if (config.normalise) state.key_sum = zeros<S>(Shape<4>{batch, 1, n.heads, n.K()});
    return state;
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const auto n = heads();
    const auto q = split_heads(activate(config.feature_map, qkv.q_proj(x)), n.heads);
    const auto k = n.shared(activate(config.feature_map, qkv.k_proj(x)));
    const auto v = n.shared(qkv.v_proj(x));
    const auto o = config.normalise
                       ? normalised_linear_attention(q, k, v, state.memory, state.key_sum.value())
                       : linear_attention(q, k, v, state.memory);
    return o_proj(merge_heads(norm ? (*norm)(o) : o));
  }

 private:
  static constexpr auto where = "LinearAttention";

  LinearAttention(const Config& c, const detail::Heads& n, Rng& rng)
      : config(c),
        qkv(n, rng, {.bias = false, .deviation = c.deviation}),
        o_proj(n.value_width, n.width, rng, {.bias = false, .deviation = c.deviation}) {
    require(!c.normalise || c.feature_map != Activation::identity, where, "feature_map",
            "one without negative values where weights are normalised", "identity");
    if (c.output_norm) norm.emplace(n.V(), c.norm_eps);
  }

  detail::Heads heads() const { return {where, config}; }
};

}  // namespace sluice
