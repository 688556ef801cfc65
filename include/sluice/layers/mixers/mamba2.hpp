// SPDX-License-Identifier: MIT
/// \file
/// The mixer of Mamba-2.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/mixers/mamba_family.hpp>
#include <sluice/layers/mixers/short_convolution.hpp>
#include <sluice/layers/norms/rms_norm.hpp>
#include <sluice/ops/heads.hpp>
#include <sluice/ops/slice.hpp>
#include <sluice/ops/state_space_duality.hpp>

#include <cmath>
#include <limits>
#include <tuple>

namespace sluice {

/// The options of the published implementations.
struct Mamba2Config {
  Index width = 0;         ///< D, of input and output
  Index num_heads = 0;     ///< H; 0: as many as make twice the width
  Index head_dim = 64;     ///< P, channels of a head
  Index state_size = 128;  ///< N
  Index n_groups = 1;      ///< G, groups of heads that share B and C
  Index conv_kernel = 4;   ///< tokens in the window of the convolution
  bool conv_bias = true;   ///< of the convolution
  bool bias = false;       ///< of both projections
  double dt_low = 0;       ///< the least step size
  double dt_high = std::numeric_limits<double>::infinity();  ///< the largest step size
  double norm_eps = 1e-5;
  bool norm_before_gate = false;  ///< whether silu(z) multiplies after the norm
  bool norm_by_group = true;      ///< whether each group of channels is normalised by itself

  double dt_min = 1e-3, dt_max = 0.1;  ///< initial step sizes for x = 0, uniform in the logarithm
  double dt_floor = 1e-4;              ///< and at least this
  double A_low = 1, A_high = 16;       ///< initial -A, uniform
  double out_scale = 1;                ///< the initial out_proj is multiplied by this

  /// The keys of a `config.json` that are this layer's.
  static constexpr auto options() {
    using C = Mamba2Config;
    return std::tuple_cat(mamba_family_options<C>(), std::tuple{field("num_heads", &C::num_heads),
                                                                field("head_dim", &C::head_dim),
                                                                field("n_groups", &C::n_groups)});
  }
};

/// y = W_o norm(ssd(x, dt, B, C) + D x, z),   [z, x | B | C, dt] = W_i u,   x | B | C convolved.
///
/// The norm is the root-mean-square one of y (.) silu(z), or of y before that product. At the start
/// a head forgets all but 1/e in between 0.6 and 1000 tokens.
///
/// Source: Dao and Gu, Transformers are SSMs, ICML 2024, section 7 (arXiv:2405.21060).
template <class S>
struct Mamba2 {
  using Scalar = S;
  using Config = Mamba2Config;

  struct State {
    typename ShortConvolution<S>::State conv1d;
    Tensor<S, 4> memory;  ///< [B, H, N, P]
    static constexpr auto fields() {
      return std::tuple{field("conv1d", &State::conv1d), field("memory", &State::memory)};
    }
  };

  Config config;  ///< with the heads counted
  Linear<S> in_proj;
  ShortConvolution<S> conv1d;
  Tensor<S, 1> dt_bias, A_log, D;  ///< [H]
  GatedRMSNorm<S> norm;
  Linear<S> out_proj;

  /// \throws ArgumentError  if the sizes do not divide.
  Mamba2(const Config& c, Rng& rng)
      : config(checked(c)),
        in_proj(c.width, 2 * inner() + 2 * shared() + heads(), rng, {.bias = c.bias}),
        conv1d({.channels = inner() + 2 * shared(), .width = c.conv_kernel, .bias = c.conv_bias},
               rng),
        dt_bias(heads()),
        A_log(heads()),
        D(heads()),
        norm(inner(), {.eps = c.norm_eps,
                       .group_size = c.norm_by_group ? inner() / c.n_groups : 0,
                       .norm_before_gate = c.norm_before_gate}),
        out_proj(inner(), c.width, rng, {.bias = c.bias}) {
    for (Index h = 0; h < heads(); ++h) {
      dt_bias(h) = S(detail::draw_time_step_bias(c, rng));
      A_log(h) = S(std::log(c.A_low + (c.A_high - c.A_low) * rng.uniform<double>()));
    }
    D.setConstant(S(1));
    for (Index i = 0; i < out_proj.weight.size(); ++i) out_proj.weight.data()[i] *= S(c.out_scale);
  }

  static constexpr auto fields() {
    using L = Mamba2;
    return std::tuple{field("in_proj", &L::in_proj),
                      field("conv1d", &L::conv1d),
                      field("dt_bias", &L::dt_bias),
                      field("A_log", &L::A_log, Role::rate),
                      field("D", &L::D),
                      field("norm", &L::norm),
                      field("out_proj", &L::out_proj)};
  }

  State initial_state(Index batch) const {
    return {conv1d.initial_state(batch),
            zeros<S>(Shape<4>{batch, heads(), config.state_size, config.head_dim})};
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const Index I = inner(), GN = shared(), G = config.n_groups;
    const auto [z, mixed, dt] = split(in_proj(x), {I, I + 2 * GN, heads()});
    const auto [value, B, C] = split(conv1d(mixed, state.conv1d), {I, GN, GN});
    const auto u = split_heads(value, heads());
    const auto y = state_space_duality(
        u, dt, A_log, split_heads(B, G), split_heads(C, G), state.memory,
        {.dt_bias = dt_bias, .dt_min = S(config.dt_low), .dt_max = S(config.dt_high)});
    return out_proj(norm(merge_heads(add_skip(y, u, D)), z));
  }

 private:
  Index heads() const noexcept { return config.num_heads; }
  Index inner() const noexcept { return heads() * config.head_dim; }             // channels of x
  Index shared() const noexcept { return config.n_groups * config.state_size; }  // of B, of C

  static Config checked(Config c) {
    const auto where = "Mamba2";
    require(c.width > 0, where, "width", "at least 1", c.width);
    require(c.head_dim > 0, where, "head_dim", "at least 1", c.head_dim);
    require(c.state_size > 0, where, "state_size", "at least 1", c.state_size);
    if (c.num_heads == 0) {
      require(2 * c.width % c.head_dim == 0, where, "head_dim",
              text("a divisor of 2 * width = ", 2 * c.width), c.head_dim);
      c.num_heads = 2 * c.width / c.head_dim;
    }
    require(c.num_heads > 0, where, "num_heads", "at least 0", c.num_heads);
    require(c.n_groups > 0 && c.num_heads % c.n_groups == 0, where, "n_groups",
            text("a divisor of num_heads = ", c.num_heads), c.n_groups);
    require(c.dt_low <= c.dt_high, where, "dt_low", text("at most dt_high = ", c.dt_high),
            c.dt_low);
    return c;
  }
};

}  // namespace sluice
