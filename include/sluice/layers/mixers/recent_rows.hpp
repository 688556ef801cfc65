// SPDX-License-Identifier: MIT
/// \file
/// Every token with its recent past beside it, for a layer that sees one token at a time.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/layers/layer.hpp>

#include <algorithm>
#include <tuple>

namespace sluice {

/// The newest `count` tokens as one, the older ones relative to the newest:
///
///     y_t = [x_t, x_{t-1} - x_t, ..., x_{t-count+1} - x_t]
///
/// x [B, T, C], y [B, T, count C]. A linear map of y is a vector autoregression of that order; a
/// shift of the whole series changes only the first C features. Nothing is learnt. Tokens before
/// the first are 0.
template <class S>
struct RecentRows {
  using Scalar = S;

  Index width;  ///< C
  Index count;  ///< tokens side by side, the newest included

  struct State {
    Tensor<S, 3> rows;  ///< [B, count - 1, C], the oldest first
    static constexpr auto fields() { return std::tuple{field("rows", &State::rows)}; }
  };

  /// \throws ArgumentError  if the width or the count is below 1.
  RecentRows(Index width_, Index count_) : width(width_), count(count_) {
    require(width >= 1, "RecentRows", "width", "at least 1", width);
    require(count >= 1, "RecentRows", "count", "at least 1", count);
  }

  static constexpr auto fields() { return std::tuple{}; }

  State initial_state(Index batch) const { return {zeros<S>(Shape<3>{batch, count - 1, width})}; }

  /// \throws ShapeError  unless x is [B, T, width] and the state is of that batch.
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const Index B = x.dim(0), T = x.dim(1), C = width, n = count, past = count - 1;
    const auto packed = x.tape->cu_seqlens();
    const Index sequences = count_sequences(packed, B);
    require_shape("RecentRows", "x", x.shape(), {B, T, C}, "to have the width of the layer");
    require_cu_seqlens("RecentRows", packed, B, T);
    require_shape("RecentRows", "state", shape_of(state.rows), {sequences, past, C}, "to match x");
    // Past and present of a sequence in one run: its token t is row past + t.
    return recurrent_operation(
        Shape<3>{B, T, n * C}, state.rows,
        [&](const View<S, 3>& y, const View<S, 3>& memory, bool) {
          Scratch scratch(x.tape->workspace());
          S* const run = scratch.template allocate<S>((past + T) * C);
          for (Index i = 0; i < sequences; ++i) {
            const Span part = sequence(packed, T, i);
            S* newest = std::copy_n(memory.row(i, 0), past * C, run);
            for (Index t = part.begin; t < part.end; ++t, newest += C) {
              std::copy_n(x.value.row(part.row, t), C, newest);
              S* out = std::copy_n(newest, C, y.row(part.row, t));
              for (Index k = 1; k < n; ++k)
                for (Index c = 0; c < C; ++c) *out++ = newest[c - k * C] - newest[c];
            }
            std::copy_n(newest - past * C, past * C, memory.row(i, 0));
          }
          return NoState{};
        },
        [=](NoState, const View<const S, 3>& dy, const View<S, 3>& dmemory) {
          Scratch scratch(x.tape->workspace());
          S* const run = scratch.template allocate<S>((past + T) * C);
          for (Index i = 0; i < sequences; ++i) {
            const Span part = sequence(packed, T, i);
            const Index length = part.end - part.begin;
            std::fill_n(run, length * C, S(0));
            std::copy_n(dmemory.row(i, 0), past * C, run + length * C);
            S* newest = run + past * C;
            for (Index t = part.begin; t < part.end; ++t, newest += C) {
              const S* d = dy.row(part.row, t);
              for (Index c = 0; c < C; ++c) newest[c] += *d++;
              for (Index k = 1; k < n; ++k)
                for (Index c = 0; c < C; ++c, ++d) newest[c - k * C] += *d, newest[c] -= *d;
            }
            std::copy_n(run, past * C, dmemory.row(i, 0));
            if (!x.gradient) continue;
            const S* from = run + past * C;
            for (Index t = part.begin; t < part.end; ++t)
              for (Index c = 0; c < C; ++c) x.gradient.row(part.row, t)[c] += *from++;
          }
        },
        x);
  }
};

}  // namespace sluice
