// SPDX-License-Identifier: MIT
/// \file
/// What the layers of the attention family share: how they divide their widths into heads, and what
/// stands before and behind the recurrence.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/norms/rms_norm.hpp>
#include <sluice/ops/activation.hpp>
#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/heads.hpp>

#include <optional>
#include <string_view>
#include <tuple>

namespace sluice {

namespace detail {

/// Widths of one layer, counted out and checked, from a configuration with the members
///
///     width           of input and output
///     num_heads       heads of q
///     num_kv_heads    heads of k and v, shared by groups; 0: num_heads
///     expand_k        total width of q over that of the layer
///     expand_v        total width of v over that of the layer
struct Heads {
  Index width, heads, kv_heads;
  Index key_width, value_width;  ///< of all heads of q, of the output

  /// \param unit  a head of q has a multiple of so many channels.
  /// \throws ArgumentError  in the name of `where` unless everything divides.
  template <class Config>
  Heads(std::string_view where, const Config& c, Index unit = 1)
      : width(c.width),
        heads(c.num_heads),
        kv_heads(c.num_kv_heads == 0 ? c.num_heads : c.num_kv_heads),
        key_width(Index(double(c.width) * c.expand_k)),
        value_width(Index(double(c.width) * c.expand_v)) {
    require(heads > 0, where, "num_heads", "at least 1", heads);
    require(kv_heads > 0 && heads % kv_heads == 0, where, "num_kv_heads",
            text("a divisor of num_heads = ", heads), kv_heads);
    const auto multiple = [&](std::string_view what, Index total, Index of) {
      const bool holds = total > 0 && total % (of * heads) == 0;
      if (of == 1)
        require(holds, where, what, text("a multiple of num_heads = ", heads), total);
      else
        require(holds, where, what, text("a multiple of ", of, " * num_heads = ", of * heads),
                total);
    };
    multiple("width * expand_k", key_width, unit);
    multiple("width * expand_v", value_width, 1);
  }

  Index K() const noexcept { return key_width / heads; }    ///< channels of a head of q and k
  Index V() const noexcept { return value_width / heads; }  ///< channels of a head of v

  /// x [B, T, kv_heads X], a projection to k or v, as [B, T, heads, X].
  template <class S>
  Variable<S, 4> shared(const Variable<S, 3>& x) const {
    return repeat_heads(split_heads(x, kv_heads), heads / kv_heads);
  }
};

}  // namespace detail

/// The maps from the model's width to the heads of queries, keys and values.
template <class S>
struct HeadProjections {
  using Scalar = S;
  Linear<S> q_proj, k_proj, v_proj;

  HeadProjections(const detail::Heads& n, Rng& rng, const LinearOptions& options)
      : q_proj(n.width, n.key_width, rng, options),
        k_proj(n.width, n.kv_heads * n.K(), rng, options),
        v_proj(n.width, n.kv_heads * n.V(), rng, options) {}

  static constexpr auto fields() {
    using L = HeadProjections;
    return std::tuple{field("q_proj", &L::q_proj), field("k_proj", &L::k_proj),
                      field("v_proj", &L::v_proj)};
  }
};

/// How a `GatedHeadOutput` normalises and gates.
struct HeadOutputOptions {
  bool gate = true;       ///< whether silu(x W_g) multiplies the normalised heads
  bool fuse_norm = true;  ///< names the norm of gated heads g_norm_swish_gate
  bool affine = true;     ///< whether the norm has a weight
  double eps = 1e-5;
  LinearOptions linear = {};
};

/// RMSNorm(o) (.) silu(W_g x), every head normalised by itself, then side by side. Members are
/// called as in published checkpoints of flash-linear-attention.
template <class S>
struct GatedHeadOutput {
  using Scalar = S;
  std::optional<Linear<S>> g_proj;
  std::optional<GatedRMSNorm<S>> g_norm_swish_gate;
  std::optional<RMSNorm<S>> g_norm;
  S eps;

  GatedHeadOutput(const detail::Heads& n, Rng& rng, const HeadOutputOptions& options)
      : eps(S(options.eps)) {
    if (options.gate) g_proj.emplace(n.width, n.value_width, rng, options.linear);
    if (!options.affine) return;
    if (options.gate && options.fuse_norm) {
      GatedRMSNormOptions norm;
      norm.eps = options.eps;
      g_norm_swish_gate.emplace(n.V(), norm);
    } else {
      g_norm.emplace(n.V(), options.eps);
    }
  }

  static constexpr auto fields() {
    using L = GatedHeadOutput;
    return std::tuple{field("g_proj", &L::g_proj),
                      field("g_norm_swish_gate", &L::g_norm_swish_gate),
                      field("g_norm", &L::g_norm)};
  }

  /// Heads o [B, T, H, V] and the input x [B, T, D] of the layer -> [B, T, H V].
  Variable<S, 3> operator()(const Variable<S, 4>& o, const Variable<S, 3>& x) const {
    const auto normal = [&] { return g_norm ? (*g_norm)(o) : rms_norm(o, {}, eps); };
    if (!g_proj) return merge_heads(normal());
    const auto gate = split_heads((*g_proj)(x), o.dim(2));
    return merge_heads(g_norm_swish_gate ? (*g_norm_swish_gate)(o, gate) : normal() * silu(gate));
  }
};

}  // namespace sluice
