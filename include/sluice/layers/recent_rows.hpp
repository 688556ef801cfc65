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

/// How `RecentRows` lays out what it has gathered.
struct RecentRowsOptions {
  Index beside = 0;  ///< trailing features of a token that are handed on as they are
  bool by_variate =
      false;  ///< all tokens of a variate together, rather than all variates of a token
};

/// The newest `count` tokens as one, the older ones relative to the newest:
///
///     y_t = [x_t, x_{t-1} - x_t, ..., x_{t-count+1} - x_t, beside_t]
///
/// x [B, T, C + beside], y [B, T, count C + beside]. A linear map of y is a vector autoregression
/// of that order; a shift of the whole series changes only the C features x_t. Nothing is learnt.
/// Tokens before the first are 0.
template <class S>
struct RecentRows {
  using Scalar = S;

  Index width;  ///< C
  Index count;  ///< tokens side by side, the newest included
  RecentRowsOptions options;

  struct State {
    Tensor<S, 3> rows;  ///< [B, count - 1, C], the oldest first
    static constexpr auto fields() { return std::tuple{field("rows", &State::rows)}; }
  };

  /// \throws ArgumentError  if the width or the count is below 1.
  RecentRows(Index width_, Index count_, const RecentRowsOptions& options_ = {})
      : width(width_), count(count_), options(options_) {
    require(width >= 1, "RecentRows", "width", "at least 1", std::to_string(width));
    require(count >= 1, "RecentRows", "count", "at least 1", std::to_string(count));
    require(options.beside >= 0, "RecentRows", "beside", "at least 0",
            std::to_string(options.beside));
  }

  static constexpr auto fields() { return std::tuple{}; }

  State initial_state(Index batch) const { return {zeros<S>(Shape<3>{batch, count - 1, width})}; }

  Index in() const noexcept { return width + options.beside; }
  Index out() const noexcept { return count * width + options.beside; }

  /// \throws ShapeError  unless x is [B, T, in] and the state is of that batch.
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const Index B = x.dim(0), T = x.dim(1), C = width, n = count, past = count - 1;
    const Index beside = options.beside;
    require_shape("RecentRows", "x", x.shape(), {B, T, in()}, "to have the width of the layer");
    require_shape("RecentRows", "state", shape_of(state.rows), {B, past, C}, "to match x");
    Tape<S>& tape = *x.tape;
    S* const dstate = tape.gradient_of(state.rows);
    const auto y = tape.result(Shape<3>{B, T, out()}, x, dstate);
    // Feature k of variate c is y[k by_k + c by_c].
    const Index by_k = options.by_variate ? 1 : C, by_c = options.by_variate ? n : 1;

    // Past and present in one run: token t of x is row past + t.
    const View<S, 3> all(tape.allocate(Shape<3>{B, past + T, C}), {B, past + T, C});
    for (Index b = 0; b < B; ++b) {
      std::copy_n(state.rows.data() + b * past * C, past * C, all.row(b, 0));
      for (Index t = 0; t < T; ++t) std::copy_n(x.value.row(b, t), C, all.row(b, past + t));
      for (Index t = 0; t < T; ++t) {
        const S* newest = all.row(b, past + t);
        S* to = y.out.row(b, t);
        for (Index c = 0; c < C; ++c) to[c * by_c] = newest[c];
        for (Index k = 1; k < n; ++k)
          for (Index c = 0; c < C; ++c) to[k * by_k + c * by_c] = newest[c - k * C] - newest[c];
        std::copy_n(x.value.row(b, t) + C, beside, to + n * C);
      }
      std::copy_n(all.row(b, T), past * C, state.rows.data() + b * past * C);
    }

    if (y.gradient)  // `all` is reused for the gradients of its rows
      tape.on_backward([x, y, all, dstate, B, T, C, n, past, beside, by_k, by_c] {
        for (Index b = 0; b < B; ++b) {
          std::fill_n(all.row(b, 0), (past + T) * C, S(0));
          if (dstate) std::copy_n(dstate + b * past * C, past * C, all.row(b, T));
          for (Index t = 0; t < T; ++t) {
            S* newest = all.row(b, past + t);
            const S* dy = y.gradient.row(b, t);
            for (Index c = 0; c < C; ++c) newest[c] += dy[c * by_c];
            for (Index k = 1; k < n; ++k)
              for (Index c = 0; c < C; ++c) {
                newest[c - k * C] += dy[k * by_k + c * by_c];
                newest[c] -= dy[k * by_k + c * by_c];
              }
          }
          if (dstate) std::copy_n(all.row(b, 0), past * C, dstate + b * past * C);
          if (!x.gradient) continue;
          for (Index t = 0; t < T; ++t) {
            S* dx = x.gradient.row(b, t);
            for (Index c = 0; c < C; ++c) dx[c] += all.row(b, past + t)[c];
            for (Index i = 0; i < beside; ++i) dx[C + i] += y.gradient.row(b, t)[n * C + i];
          }
        }
      });
    return y;
  }
};

}  // namespace sluice
