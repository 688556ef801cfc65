// SPDX-License-Identifier: MIT
/// \file
/// The mixer of Mamba.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/mixers/mamba_family.hpp>
#include <sluice/layers/mixers/short_convolution.hpp>
#include <sluice/ops/poles.hpp>
#include <sluice/ops/selective_scan.hpp>
#include <sluice/ops/slice.hpp>

#include <cmath>
#include <tuple>

namespace sluice {

/// The options of the published implementations.
struct MambaConfig {
  Index width = 0;        ///< D, of input and output
  Index inner = 0;        ///< I, channels of the scan; 0: twice the width
  Index state_size = 16;  ///< N
  Index dt_rank = 0;      ///< R, of the map to step sizes; 0: a sixteenth of the width, rounded up
  Index conv_kernel = 4;  ///< tokens in the window of the convolution
  bool conv_bias = true;  ///< of the convolution
  bool bias = false;      ///< of the projections at both ends

  double dt_min = 1e-3, dt_max = 0.1;  ///< initial step sizes for x = 0, uniform in the logarithm
  double dt_floor = 1e-4;              ///< and at least this
  double dt_scale = 1;                 ///< initial dt_proj is uniform within dt_scale / sqrt(R)
  double out_scale = 1;                ///< the initial out_proj is multiplied by this

  /// The keys of a `config.json` that are this layer's.
  static constexpr auto options() {
    using C = MambaConfig;
    return std::tuple_cat(
        mamba_family_options<C>(),
        std::tuple{field("time_step_rank", &C::dt_rank), field("time_step_scale", &C::dt_scale)});
  }
};

/// y = W_o (scan(x, dt, A, B, C) + D x) (.) silu(z),
///
///     [x, z] = W_i u, x convolved,   [r, B, C] = W_x x,   dt = softplus(W_dt r + b_dt)
///
/// At the start every channel has the poles -1, ..., -N.
///
/// Source: Gu and Dao, Mamba, 2023, section 3 (arXiv:2312.00752).
template <class S>
struct Mamba {
  using Scalar = S;
  using Config = MambaConfig;

  struct State {
    typename ShortConvolution<S>::State conv1d;
    Tensor<S, 3> memory;  ///< [B, N, I]
    static constexpr auto fields() {
      return std::tuple{field("conv1d", &State::conv1d), field("memory", &State::memory)};
    }
  };

  Config config;  ///< with no size left to a rule
  Linear<S> in_proj;
  ShortConvolution<S> conv1d;
  Linear<S> x_proj, dt_proj;
  Tensor<S, 2> A_log;  ///< [I, N]
  Tensor<S, 1> D;      ///< [I]
  Linear<S> out_proj;

  /// \throws ArgumentError  if a size is out of range.
  Mamba(const Config& c, Rng& rng)
      : config(checked(c)),
        in_proj(c.width, 2 * config.inner, rng, {.bias = c.bias}),
        conv1d({.channels = config.inner, .width = c.conv_kernel, .bias = c.conv_bias}, rng),
        x_proj(config.inner, config.dt_rank + 2 * c.state_size, rng),
        dt_proj(config.dt_rank, config.inner, rng, {.bias = true}),
        A_log(config.inner, c.state_size),
        D(config.inner),
        out_proj(config.inner, c.width, rng, {.bias = c.bias}) {
    for (Index d = 0; d < config.inner; ++d) {
      (*dt_proj.bias)(d) = S(detail::draw_time_step_bias(c, rng));
      for (Index n = 0; n < c.state_size; ++n) A_log(d, n) = S(std::log(double(n + 1)));
    }
    D.setConstant(S(1));
    for (Index i = 0; i < dt_proj.weight.size(); ++i) dt_proj.weight.data()[i] *= S(c.dt_scale);
    for (Index i = 0; i < out_proj.weight.size(); ++i) out_proj.weight.data()[i] *= S(c.out_scale);
  }

  static constexpr auto fields() {
    using L = Mamba;
    return std::tuple{field("in_proj", &L::in_proj),         field("conv1d", &L::conv1d),
                      field("x_proj", &L::x_proj),           field("dt_proj", &L::dt_proj),
                      field("A_log", &L::A_log, Role::rate), field("D", &L::D),
                      field("out_proj", &L::out_proj)};
  }

  State initial_state(Index batch) const {
    return {conv1d.initial_state(batch),
            zeros<S>(Shape<3>{batch, config.state_size, config.inner})};
  }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const Index I = config.inner, N = config.state_size;
    const auto [mixed, z] = split(in_proj(x), {I, I});
    const auto u = conv1d(mixed, state.conv1d);
    const auto [r, B, C] = split(x_proj(u), {config.dt_rank, N, N});
    SelectiveScanOptions<S> options;
    options.skip = D, options.dt_bias = dt_proj.bias, options.z = z, options.softplus = true;
    const auto dt = linear(r, dt_proj.weight);
    const auto A = negative_poles(*x.tape, A_log);
    return out_proj(selective_scan(u, dt, A, B, C, state.memory, options));
  }

 private:
  static Config checked(Config c) {
    const auto positive = [](const char* name, Index value) {
      require(value > 0, "Mamba", name, "at least 1", value);
    };
    positive("width", c.width);
    if (c.inner == 0) c.inner = 2 * c.width;
    if (c.dt_rank == 0) c.dt_rank = (c.width + 15) / 16;
    positive("inner", c.inner);
    positive("state_size", c.state_size);
    positive("dt_rank", c.dt_rank);
    return c;
  }
};

}  // namespace sluice
