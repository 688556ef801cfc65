// SPDX-License-Identifier: MIT
/// \file
/// Every variate forecast from its own past, by one linear map that all variates share.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/linear/linear.hpp>
#include <sluice/simd/sums.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace sluice {

/// A linear map of what came before, relative to the newest value:
///
///     y[b, t, h C + c] = bias[h] + sum_i weight[h, i] (x[b, t - past + i, c] - x[b, t, c])
///
/// x [B, T, C], y [B, T, horizon C], i = 0 .. past - 1, the oldest first; tokens before the first
/// are 0. A shift of a variate changes nothing once its past is read, and no variate sees another.
/// The windows are never laid out: a row of the matrix that is multiplied begins one value after
/// the row above it. Begins at 0, for a closed-form start or the rest of a model to fill.
///
/// Source: NLinear of Zeng et al., Are Transformers Effective for Time Series Forecasting?, AAAI
/// 2023, section 4 (arXiv:2205.13504), at every token of a stream.
template <class S>
struct OwnPast {
  using Scalar = S;

  Tensor<S, 2> weight;  ///< [horizon, past]
  Tensor<S, 1> bias;    ///< [horizon]

  struct State {
    Tensor<S, 3> series;  ///< [B, C, past], the oldest first
    static constexpr auto fields() { return std::tuple{field("series", &State::series)}; }
  };

  /// \throws ArgumentError  if a size is below 1.
  OwnPast(Index variates, Index past, Index horizon) : variates_(variates) {
    const auto at_least_1 = [](std::string_view what, Index n) {
      require(n >= 1, "OwnPast", what, "at least 1", std::to_string(n));
    };
    at_least_1("variates", variates), at_least_1("past", past), at_least_1("horizon", horizon);
    weight = zeros<S>(Shape<2>{horizon, past});
    bias = zeros<S>(Shape<1>{horizon});
  }

  static constexpr auto fields() {
    return std::tuple{field("weight", &OwnPast::weight), field("bias", &OwnPast::bias)};
  }

  Index variates() const noexcept { return variates_; }
  Index horizon() const noexcept { return weight.dimension(0); }
  Index past() const noexcept { return weight.dimension(1); }

  State initial_state(Index batch) const { return {zeros<S>(Shape<3>{batch, variates_, past()})}; }

  /// \throws ShapeError  unless x is [B, T, variates] and the state is of that batch.
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const Index B = x.dim(0), T = x.dim(1), C = variates_, H = horizon(), P = past();
    require_shape("OwnPast", "x", x.shape(), {B, T, C}, "to have the variates of the layer");
    require_shape("OwnPast", "state", shape_of(state.series), {B, C, P}, "to match x");
    Tape<S>& tape = *x.tape;
    S* const dstate = tape.gradient_of(state.series);
    S* const dweight = tape.gradient_of(weight);
    S* const dbias = tape.gradient_of(bias);
    const auto y = tape.result(Shape<3>{B, T, H * C}, x, dweight, dbias, dstate);

    // The same map of the P earlier values and the newest as they are.
    const View<S, 2> map(tape.allocate(Shape<2>{H, P + 1}), {H, P + 1});
    for (Index h = 0; h < H; ++h) {
      const S* const w = weight.data() + h * P;
      *std::copy_n(w, P, map.row(h)) = -sum(w, P);
    }
    // Past and present of a variate in one run, whose values t .. P + t are the window of token t.
    const View<S, 3> runs(tape.allocate(Shape<3>{B, C, P + T}), {B, C, P + T});
    const View<S, 2> part(tape.allocate(Shape<2>{T, H}), {T, H});  // of y, for one variate
    for (Index b = 0; b < B; ++b)
      for (Index c = 0; c < C; ++c) {
        S* const run = runs.row(b, c);
        S* const past = state.series.data() + (b * C + c) * P;
        std::copy_n(past, P, run);
        for (Index t = 0; t < T; ++t) run[P + t] = x.value.row(b, t)[c];
        kernels::linear(windows(run, T), map, View<const S, 1>(bias), part, tape.workspace());
        for (Index t = 0; t < T; ++t)
          for (Index h = 0; h < H; ++h) y.out.row(b, t)[h * C + c] = part.row(t)[h];
        std::copy_n(run + T, P, past);
      }
    if (y.gradient)
      tape.on_backward([this, x, y, map, runs, part, dweight, dbias, dstate] {
        backward(x, y.gradient, map, runs, part, dweight, dbias, dstate);
      });
    return y;
  }

 private:
  Index variates_;

  static S sum(const S* x, Index n) {
    return simd::sums<simd::DefaultArch, S, 1>(
        n, [&]<class L>(std::type_identity<L>, Index i, L* acc) {
          acc[0] = acc[0] + simd::load<L>(x + i);
        })[0];
  }

  /// [T, P + 1]: every window of a run, which overlap in memory.
  View<const S, 2> windows(const S* run, Index T) const { return {run, {T, past() + 1}, {1, 1}}; }

  /// `runs` is reused for the gradients of its values, `part` for parts of dy.
  void backward(const Variable<S, 3>& x, const View<S, 3>& dy, const View<S, 2>& map,
                const View<S, 3>& runs, const View<S, 2>& part, S* dweight, S* dbias,
                S* dstate) const {
    const Index B = x.dim(0), T = x.dim(1), C = variates_, H = horizon(), P = past();
    Scratch scratch(x.tape->workspace());
    const auto cleared = [&](bool wanted, Index n) {
      return wanted ? std::fill_n(scratch.allocate<S>(n), n, S(0)) - n : nullptr;
    };
    const View<S, 2> dmap(cleared(dweight, H * (P + 1)), {H, P + 1});
    const bool back = x.gradient || dstate;
    const View<S, 2> dwindows(back ? scratch.allocate<S>(T * (P + 1)) : nullptr, {T, P + 1});
    for (Index b = 0; b < B; ++b)
      for (Index c = 0; c < C; ++c) {
        S* const run = runs.row(b, c);
        for (Index t = 0; t < T; ++t)
          for (Index h = 0; h < H; ++h) part.row(t)[h] = dy.row(b, t)[h * C + c];
        if (back) std::fill_n(dwindows.data(), dwindows.size(), S(0));
        kernels::linear_backward(windows(run, T), map, part, dwindows, dmap, View<S, 1>(dbias, {H}),
                                 x.tape->workspace());
        if (!back) continue;
        std::fill_n(run, P + T, S(0));
        if (dstate) std::copy_n(dstate + (b * C + c) * P, P, run + T);
        for (Index t = 0; t < T; ++t)
          for (Index i = 0; i <= P; ++i) run[t + i] += dwindows.row(t)[i];
        if (dstate) std::copy_n(run, P, dstate + (b * C + c) * P);
        if (x.gradient)
          for (Index t = 0; t < T; ++t) x.gradient.row(b, t)[c] += run[P + t];
      }
    if (dweight)
      for (Index h = 0; h < H; ++h)
        for (Index i = 0; i < P; ++i) dweight[h * P + i] += dmap.row(h)[i] - dmap.row(h)[P];
  }
};

}  // namespace sluice
