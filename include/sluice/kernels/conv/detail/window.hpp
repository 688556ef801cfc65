// SPDX-License-Identifier: MIT
/// \file
/// What the forward and the backward pass of the short convolution are made of: a tile of channels,
/// its taps, and their sum with a window of rows.
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/look_ahead.hpp>
#include <sluice/kernels/conv/types.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/gemm.hpp>

#include <algorithm>

namespace sluice::conv::detail {

using common::look_ahead;

/// Channels a task works on: its taps lie on the stack, its rows fill some cache lines.
inline constexpr Index tile = 128;
/// Tokens a task works on, and whose gradients by the weights are one sum.
inline constexpr Index piece = 128;
/// Taps whose sum is made in registers.
inline constexpr Index some_taps = 4;
/// Tokens between asking for a row and reading it.
inline constexpr Index rows_ahead = 4;
/// Elements below which threads cost more than they save.
inline constexpr Index little_work = 1 << 14;

/// Channels [first, first + count) of sequence `part`: rows before its beginning are those of the
/// state.
template <class Scalar>
struct Rows {
  const Inputs<Scalar>& in;
  View<const Scalar, 3> state;
  Part part;
  Index first;

  const Scalar* operator()(Index t) const noexcept {
    return first + (t < part.sequence.begin
                        ? state.row(part.number, in.width() - 1 + t - part.sequence.begin)
                        : in.x.row(part.tokens.row, t));
  }
};

/// Rows of results, `stride` apart; at `data` that of token `from`.
template <class Scalar>
struct Target {
  Scalar* data;
  Index from, stride;

  Scalar* operator()(Index t) const noexcept { return data + (t - from) * stride; }
};

/// to[c] = begin[c] + sum_i taps[i][c] rows_i[c] for N taps; `begin` null is 0, `to` itself adds.
template <class Arch, int N, class Scalar>
SLUICE_INLINE void sum_taps(Index count, const Scalar* taps, const Scalar* const* rows,
                            const Scalar* begin, Scalar* to) noexcept {
  simd::for_each_lane<Arch, Scalar>(
      count, [=]<class B>(std::type_identity<B>, Index c) SLUICE_INLINE_LAMBDA {
        B sum = begin ? simd::load<B>(begin + c) : B(Scalar{0});
        simd::unroll<N>([&](auto i) SLUICE_INLINE_LAMBDA {
          sum = simd::madd(simd::load<B>(taps + i * tile + c), simd::load<B>(rows[i] + c), sum);
        });
        simd::store(to + c, sum);
      });
}

/// The taps of a tile, rows of `tile`, a few at a time so that any width fits on the stack. Calls
/// f(first, how many, taps), counting from the newest tap if `reversed`.
template <class Scalar, class F>
void for_each_taps(const Inputs<Scalar>& in, Index first, Index count, bool reversed, F&& f) {
  const Index W = in.width();
  Scalar taps[some_taps * tile];
  for (Index i = 0; i < W; i += some_taps) {
    const Index n = std::min(some_taps, W - i);
    for (Index c = 0; c < count; ++c)
      for (Index j = 0; j < n; ++j)
        taps[j * tile + c] = in.weight.row(first + c)[reversed ? W - 1 - i - j : i + j];
    f(i, n, static_cast<const Scalar*>(taps));
  }
}

/// `sum_taps` for 1 to 4 taps, with `row(i)` the row of tap i.
template <class Arch, class Scalar, class Row>
SLUICE_INLINE void sum_some_taps(Index n, Index count, const Scalar* taps, const Row& row,
                                 const Scalar* begin, Scalar* to) noexcept {
  const Scalar* rows[some_taps] = {};
  for (Index i = 0; i < n; ++i) rows[i] = row(i);
  switch (n) {
    case 1:
      return sum_taps<Arch, 1>(count, taps, rows, begin, to);
    case 2:
      return sum_taps<Arch, 2>(count, taps, rows, begin, to);
    case 3:
      return sum_taps<Arch, 3>(count, taps, rows, begin, to);
    default:
      return sum_taps<Arch, 4>(count, taps, rows, begin, to);
  }
}

/// Calls f(batch row, piece, first channel, channels, worker) for all tiles of all pieces of x.
template <class Scalar, class F>
void for_each_tile(const Inputs<Scalar>& in, const Executor& executor, F&& f) {
  const Index D = in.x.dim(2), tiles = (D + tile - 1) / tile;
  const Index pieces = (in.x.dim(1) + piece - 1) / piece;
  const Index workers = in.x.size() < little_work ? 1 : executor.concurrency();
  share(executor, in.x.dim(0) * pieces * tiles, workers, [&](Index task, Index worker) {
    const Index first = task % tiles * tile;
    f(task / tiles / pieces, task / tiles % pieces, first, std::min(tile, D - first), worker);
  });
}

}  // namespace sluice::conv::detail
