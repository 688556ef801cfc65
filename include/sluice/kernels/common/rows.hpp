// SPDX-License-Identifier: MIT
/// \file
/// Operands whose rank has been forgotten: rows of numbers and how far apart they lie, so that a
/// kernel is compiled once for all ranks.
///
/// A view of rank R, at most 5, is rows [.., D] under R - 1 leading axes. Axes that all operands
/// walk with one stride are folded into one; an axis may have stride 0, which repeats its rows, or
/// in a result adds them up in order.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/executor.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sluice::common {

/// Leading axes of the highest rank.
inline constexpr int most_axes = 4;

/// How the rows of N operands of one leading shape are walked.
template <int N>
struct Rows {
  Index width = 1;                               ///< of a row of the first operand
  Index shape[most_axes] = {1, 1, 1, 1};         ///< leading axes, folded; the last is innermost
  Index stride[std::size_t(N)][most_axes] = {};  ///< of every operand; 0 where it is absent

  Index count() const noexcept { return shape[0] * shape[1] * shape[2] * shape[3]; }
  /// Whether no two rows of an operand are the same memory by a stride of 0.
  bool distinct(int operand) const noexcept {
    for (int a = 0; a < most_axes; ++a)
      if (shape[a] > 1 && stride[operand][a] == 0) return false;
    return true;
  }
};

namespace detail {

template <int N, class First, int Rank, class... Rest>
SLUICE_INLINE void fold(Rows<N>& rows, const View<First, Rank>& first,
                        const View<Rest, Rank>&... rest) noexcept {
  static_assert(Rank <= most_axes + 1, "views of rank 5 at most");
  rows.width = row_length(first);
  int to = most_axes;  // the axis that is being folded into
  for (int axis = Rank - 1; axis-- > 0;) {
    const Index size = first.dim(axis);
    if (size == 1) continue;
    const Index next[] = {first.stride(axis), (rest ? rest.stride(axis) : 0)...};
    bool folds = to < most_axes;
    for (int n = 0; n < N && folds; ++n) folds = next[n] == rows.stride[n][to] * rows.shape[to];
    if (folds) {
      rows.shape[to] *= size;
      continue;
    }
    rows.shape[--to] = size;
    for (int n = 0; n < N; ++n) rows.stride[n][to] = next[n];
  }
}

}  // namespace detail

/// The rows of some views, all of the leading shape of the first; absent ones stay at null.
template <class First, int Rank, class... Rest>
SLUICE_INLINE Rows<1 + int(sizeof...(Rest))> rows_of(const View<First, Rank>& first,
                                                     const View<Rest, Rank>&... rest) noexcept {
  Rows<1 + int(sizeof...(Rest))> rows;
  detail::fold(rows, first, rest...);
  return rows;
}

/// The same for elementwise kernels: one long row where all operands lie in one piece.
template <class First, int Rank, class... Rest>
SLUICE_INLINE Rows<1 + int(sizeof...(Rest))> spans_of(const View<First, Rank>& first,
                                                      const View<Rest, Rank>&... rest) noexcept {
  Rows<1 + int(sizeof...(Rest))> rows;
  if (first.contiguous() && (... && (!rest || rest.contiguous())))
    rows.width = first.size();
  else
    detail::fold(rows, first, rest...);
  return rows;
}

/// Calls f(row...) with the addresses of rows [from, to), in order.
template <int N, class F, class... T>
SLUICE_NOINLINE void for_each_row(const Rows<N>& rows, Index from, Index to, const F& f,
                                  T*... data) {
  static_assert(N == int(sizeof...(T)));
  if (from >= to) return;
  const auto& shape = rows.shape;
  Index at[most_axes] = {}, offset[std::size_t(N)] = {};  // of the row that comes next
  const auto find = [&] {
    [&]<std::size_t... n>(std::index_sequence<n...>) SLUICE_INLINE_LAMBDA {
      ((offset[n] = at[0] * rows.stride[n][0] + at[1] * rows.stride[n][1] +
                    at[2] * rows.stride[n][2] + at[3] * rows.stride[n][3]),
       ...);
    }
    (std::index_sequence_for<T...>{});
  };
  if (from != 0) {
    for (Index axis = most_axes, rest = from; axis-- > 0; rest /= shape[axis])
      at[axis] = rest % shape[axis];
    find();
  }
  for (;;) {
    const Index run = std::min(shape[3] - at[3], to - from);
    [&]<std::size_t... n>(std::index_sequence<n...>) SLUICE_INLINE_LAMBDA {
      for (Index i = 0; i < run; ++i) f((data + (offset[n] + i * rows.stride[n][3]))...);
    }
    (std::index_sequence_for<T...>{});
    from += run;
    if (from == to) return;
    at[3] = 0;
    for (Index axis = 2; axis > 0 && ++at[axis] == shape[axis]; --axis) at[axis] = 0;
    if (at[2] == 0 && at[1] == 0) ++at[0];
    find();
  }
}

namespace detail {
template <class F, class... T>
SLUICE_NOINLINE void call(const F& f, Index n, T*... data) {
  f(n, data...);
}
}  // namespace detail

/// Numbers that make it worth while to call another thread.
inline constexpr Index much_work = Index{1} << 15;

/// Calls f(from, to) for ranges that together are [0, count), of `work` numbers each.
template <class F>
void share_rows(const Executor& executor, Index count, Index work, const F& f) {
  if (count * work < 2 * much_work) return f(Index{0}, count);
  const Index tasks = std::min({count * work / much_work, count, executor.concurrency()});
  if (tasks < 2) return f(Index{0}, count);
  executor.for_each(tasks, [&](Index i) { f(count * i / tasks, count * (i + 1) / tasks); });
}

/// Calls f(row...) for all rows, each once, on the threads of `executor`.
template <int N, class F, class... T>
void share_each_row(const Executor& executor, const Rows<N>& rows, const F& f, T*... data) {
  share_rows(executor, rows.count(), rows.width,
             [&](Index from, Index to) { for_each_row(rows, from, to, f, data...); });
}

/// Calls f(n, span...) for spans of n numbers that together are all of `spans_of`. `result` is the
/// operand that is written: where its rows repeat, one thread adds them up in order.
template <int N, class F, class... T>
void share_each_span(const Executor& executor, const Rows<N>& rows, int result, const F& f,
                     T*... data) {
  constexpr Index unit = 64;  // a multiple of every vector, so that all parts but one have no tail
  const Index width = rows.width, count = rows.count();
  if (count == 1 && width < 2 * much_work) return detail::call(f, width, data...);
  if (count != 1) {
    const auto row = [&](T*... p) { detail::call(f, width, p...); };
    if (!rows.distinct(result)) return for_each_row(rows, 0, count, row, data...);
    return share_each_row(executor, rows, row, data...);
  }
  share_rows(executor, (width + unit - 1) / unit, unit, [&](Index from, Index to) {
    const Index begin = from * unit, end = std::min(width, to * unit);
    detail::call(f, end - begin, (data ? data + begin : data)...);
  });
}

}  // namespace sluice::common
