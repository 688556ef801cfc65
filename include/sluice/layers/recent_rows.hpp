// SPDX-License-Identifier: MIT
/// \file
/// Every token with its recent past beside it, for a layer that sees one token at a time.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>

#include <algorithm>
#include <string>
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
    require(width >= 1, "RecentRows", "width", "at least 1", std::to_string(width));
    require(count >= 1, "RecentRows", "count", "at least 1", std::to_string(count));
  }

  static constexpr auto fields() { return std::tuple{}; }

  State initial_state(Index batch) const { return {zeros<S>(Shape<3>{batch, count - 1, width})}; }

  /// \throws ShapeError  unless x is [B, T, width] and the state is of that batch.
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const Index B = x.dim(0), T = x.dim(1), C = width, n = count, past = count - 1;
    require_shape("RecentRows", "x", x.shape(), {B, T, C}, "to have the width of the layer");
    require_shape("RecentRows", "state", shape_of(state.rows), {B, past, C}, "to match x");
    Tape<S>& tape = *x.tape;
    S* const dstate = tape.gradient_of(state.rows);
    const auto y = tape.result(Shape<3>{B, T, n * C}, x, dstate);

    // Past and present in one run: token t of x is row past + t.
    const View<S, 3> all(tape.allocate(Shape<3>{B, past + T, C}), {B, past + T, C});
    for (Index b = 0; b < B; ++b) {
      std::copy_n(state.rows.data() + b * past * C, past * C, all.row(b, 0));
      for (Index t = 0; t < T; ++t) std::copy_n(x.value.row(b, t), C, all.row(b, past + t));
      for (Index t = 0; t < T; ++t) {
        const S* newest = all.row(b, past + t);
        S* out = std::copy_n(newest, C, y.out.row(b, t));
        for (Index k = 1; k < n; ++k, out += C)
          for (Index c = 0; c < C; ++c) out[c] = newest[c - k * C] - newest[c];
      }
      std::copy_n(all.row(b, T), past * C, state.rows.data() + b * past * C);
    }

    if (y.gradient)  // `all` is reused for the gradients of its rows
      tape.on_backward([x, y, all, dstate, B, T, C, n, past] {
        for (Index b = 0; b < B; ++b) {
          std::fill_n(all.row(b, 0), (past + T) * C, S(0));
          if (dstate) std::copy_n(dstate + b * past * C, past * C, all.row(b, T));
          for (Index t = 0; t < T; ++t) {
            S* newest = all.row(b, past + t);
            const S* dy = y.gradient.row(b, t);
            for (Index c = 0; c < C; ++c) newest[c] += dy[c];
            for (Index k = 1; k < n; ++k)
              for (Index c = 0; c < C; ++c) {
                newest[c - k * C] += dy[k * C + c];
                newest[c] -= dy[k * C + c];
              }
          }
          if (dstate) std::copy_n(all.row(b, 0), past * C, dstate + b * past * C);
          if (!x.gradient) continue;
          for (Index t = 0; t < T; ++t)
            for (Index c = 0; c < C; ++c) x.gradient.row(b, t)[c] += all.row(b, past + t)[c];
        }
      });
    return y;
  }
};

}  // namespace sluice
