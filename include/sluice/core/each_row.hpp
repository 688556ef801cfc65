// SPDX-License-Identifier: MIT
/// \file
/// Walking the innermost rows of several views of one leading shape, whatever their strides.
///
/// `rows` folds the leading axes into one where a single stride allows it; one head of a fused
/// projection, [B, T, H, K] cut from wider rows, needs more, and a loop over its rows this.
#pragma once

#include <sluice/core/view.hpp>

#include <cstddef>
#include <utility>

namespace sluice {

namespace detail {

/// A pointer into a view, stepping along its leading axes; an absent view stays at null.
template <class T, int Rank>
struct RowCursor {
  T* row;
  const View<T, Rank>* view;

  explicit RowCursor(const View<T, Rank>& v) noexcept : row(v.data()), view(&v) {}

  RowCursor at(int axis, Index i) const noexcept {
    RowCursor next = *this;
    if (row != nullptr) next.row += i * view->stride(axis);
    return next;
  }
};

template <int Axis, int Axes, class F, class... Cursors>
void walk_rows(const F& f, const Index* shape, const Cursors&... cursors) {
  if constexpr (Axis == Axes) {
    f(cursors.row...);
  } else {
    for (Index i = 0; i < shape[Axis]; ++i)
      walk_rows<Axis + 1, Axes>(f, shape, cursors.at(Axis, i)...);
  }
}

}  // namespace detail

/// Calls `f(first_row, rest_row...)` with the address of every innermost row, in order. All views
/// have the leading axes of the first; one without data gives null pointers. A view of rank 0 has
/// one row, of one element.
template <class F, class First, int Rank, class... Rest>
void for_each_row(const F& f, const View<First, Rank>& first, const View<Rest, Rank>&... rest) {
  detail::walk_rows<0, (Rank > 0 ? Rank - 1 : 0)>(f, first.shape().data(), detail::RowCursor(first),
                                                  detail::RowCursor(rest)...);
}

/// Length of the innermost rows; 1 at rank 0.
template <class T, int Rank>
Index row_length(const View<T, Rank>& x) noexcept {
  if constexpr (Rank == 0)
    return 1;
  else
    return x.dim(Rank - 1);
}

}  // namespace sluice
