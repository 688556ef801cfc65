// SPDX-License-Identifier: MIT
/// \file
/// Every variate forecast from its own past, by one linear map that all variates share.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/linear/linear.hpp>
#include <sluice/simd/sums.hpp>

#include <algorithm>
#include <span>
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
      require(n >= 1, "OwnPast", what, "at least 1", n);
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
    const Sizes n{x.dim(0), x.dim(1), variates_, horizon(), past(), x.tape->cu_seqlens()};
    require_shape("OwnPast", "x", x.shape(), {n.B, n.T, n.C}, "to have the variates of the layer");
    require_cu_seqlens("OwnPast", n.packed, n.B, n.T);
    require_shape("OwnPast", "state", shape_of(state.series), {n.sequences(), n.C, n.P},
                  "to match x");
    const auto w = use(*x.tape, weight);
    const auto b = use(*x.tape, bias);
    return recurrent_operation(
        Shape<3>{n.B, n.T, n.H * n.C}, state.series,
        [&](const View<S, 3>& y, const View<S, 3>& series, bool) {
          return forward(n, x, w, b, series, y);
        },
        [=](const Kept& kept, const View<const S, 3>& dy, const View<S, 3>& dseries) {
          backward(n, kept, x, w, b, dy, dseries);
        },
        x, w, b);
  }

 private:
  Index variates_;

  struct Sizes {
    Index B, T, C, H, P;
    std::span<const Index> packed;

    Index sequences() const noexcept { return count_sequences(packed, B); }

    /// Calls f(run, part, i, c) for every variate c of every sequence i, with its past and present
    /// in one run, whose values t .. P + t are the window of its token t.
    template <class Run, class F>
    void for_each_run(Run* run, const F& f) const {
      for (Index i = 0; i < sequences(); ++i) {
        const Span part = sequence(packed, T, i);
        for (Index c = 0; c < C; ++c, run += P + part.end - part.begin) f(run, part, i, c);
      }
    }
    Index all_runs() const noexcept { return (sequences() * P + B * T) * C; }

    /// [length, P + 1]: every window of a run, which overlap in memory.
    View<const S, 2> windows(const S* run, Index length) const {
      return {run, {length, P + 1}, {1, 1}};
    }
  };

  struct Kept {
    View<const S, 2> map;  ///< [H, P + 1]
    const S* runs;
  };

  static Kept forward(const Sizes& n, const Variable<S, 3>& x, const Variable<S, 2>& w,
                      const Variable<S, 1>& b, const View<S, 3>& series, const View<S, 3>& y) {
    Tape<S>& tape = *x.tape;
    // The same map of the P earlier values and the newest as they are.
    const auto map = room(tape, Shape<2>{n.H, n.P + 1});
    for (Index h = 0; h < n.H; ++h)
      *std::copy_n(w.value.row(h), n.P, map.row(h)) = -sum(w.value.row(h), n.P);
    S* const runs = tape.allocate(Shape<1>{n.all_runs()});
    Scratch scratch(tape.workspace());
    S* const rows = scratch.template allocate<S>(n.T * n.H);  // of y, for one variate
    n.for_each_run(runs, [&](S* run, const Span& part, Index i, Index c) {
      const Index length = part.end - part.begin;
      S* now = std::copy_n(series.row(i, c), n.P, run);
      for (Index t = part.begin; t < part.end; ++t) *now++ = x.value.row(part.row, t)[c];
      const View<S, 2> out(rows, {length, n.H});
      kernels::linear(n.windows(run, length), View<const S, 2>(map), b.value, out,
                      tape.workspace());
      for (Index t = 0; t < length; ++t)
        for (Index h = 0; h < n.H; ++h)
          y.row(part.row, part.begin + t)[h * n.C + c] = out.row(t)[h];
      std::copy_n(run + length, n.P, series.row(i, c));
    });
    return {map, runs};
  }

  static void backward(const Sizes& n, const Kept& kept, const Variable<S, 3>& x,
                       const Variable<S, 2>& w, const Variable<S, 1>& b, const View<const S, 3>& dy,
                       const View<S, 3>& dseries) {
    Scratch scratch(x.tape->workspace());
    S* const rows = scratch.template allocate<S>(n.T * n.H);
    S* const spread = scratch.template allocate<S>(n.T * (n.P + 1));
    S* const drun = scratch.template allocate<S>(n.P + n.T);
    View<S, 2> dmap;
    if (w.gradient) {
      dmap = {scratch.template allocate<S>(n.H * (n.P + 1)), {n.H, n.P + 1}};
      std::fill_n(dmap.data(), dmap.size(), S(0));
    }
    n.for_each_run(kept.runs, [&](const S* run, const Span& part, Index i, Index c) {
      const Index length = part.end - part.begin;
      const View<S, 2> dout(rows, {length, n.H}), dwindows(spread, {length, n.P + 1});
      for (Index t = 0; t < length; ++t)
        for (Index h = 0; h < n.H; ++h)
          dout.row(t)[h] = dy.row(part.row, part.begin + t)[h * n.C + c];
      std::fill_n(spread, dwindows.size(), S(0));
      kernels::linear_backward(n.windows(run, length), kept.map, View<const S, 2>(dout), dwindows,
                               dmap, b.gradient, x.tape->workspace());
      std::fill_n(drun, length, S(0));
      std::copy_n(dseries.row(i, c), n.P, drun + length);
      for (Index t = 0; t < length; ++t)
        for (Index j = 0; j <= n.P; ++j) drun[t + j] += dwindows.row(t)[j];
      std::copy_n(drun, n.P, dseries.row(i, c));
      if (x.gradient)
        for (Index t = 0; t < length; ++t)
          x.gradient.row(part.row, part.begin + t)[c] += drun[n.P + t];
    });
    if (dmap)
      for (Index h = 0; h < n.H; ++h)
        for (Index j = 0; j < n.P; ++j) w.gradient.row(h)[j] += dmap.row(h)[j] - dmap.row(h)[n.P];
  }

  static S sum(const S* x, Index n) {
    return simd::sums<simd::DefaultArch, S, 1>(
        n, [&]<class L>(std::type_identity<L>, Index i, L* acc) {
          acc[0] = acc[0] + simd::load<L>(x + i);
        })[0];
  }
};

}  // namespace sluice
