// SPDX-License-Identifier: MIT
/// \file
/// Heads that several others share, written out: every head some times in a row.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>

#include <algorithm>
#include <string_view>

namespace sluice::kernels {

namespace detail {

/// How often a head of x [B, T, H, K] stands in y [B, T, H times, K].
template <class Scalar>
Index require_repeated(std::string_view where, std::string_view few, const View<const Scalar, 4>& x,
                       std::string_view many, const View<const Scalar, 4>& y) {
  const Index H = x.dim(2), HY = y.dim(2);
  require(H == 0 ? HY == 0 : HY % H == 0, where, text("the heads of ", many),
          text("a multiple of the ", H, " of ", few), HY);
  require_shape(where, many, y.shape(), {x.dim(0), x.dim(1), HY, x.dim(3)}, "to match the rest");
  return H == 0 ? 0 : HY / H;
}

}  // namespace detail

/// Every head of x some times in a row: head h of y is head h / times of x.
///
/// \param x  [B, T, H, K].
/// \param y  [B, T, H times, K]; overwritten. Must not overlap x.
/// \throws ShapeError, ArgumentError  if the shapes do not agree; nothing has been written then.
template <Operand Y>
void repeat_heads(const ConstViewOf<Y>& x, Y&& y, const Workspace& = {}) {
  const ViewOf<Y> out(y);
  const Index times = detail::require_repeated<ElementOf<Y>>("repeat_heads", "x", x, "y", out);
  for (Index b = 0; b < out.dim(0); ++b)
    for (Index t = 0; t < out.dim(1); ++t)
      for (Index h = 0; h < out.dim(2); ++h)
        std::copy_n(x.row(b, t, h / times), x.dim(3), out.row(b, t, h));
}

/// Adjoint of `repeat_heads`: dx += the sum of a head's copies, in order. Skipped when dx has no
/// data.
///
/// \throws ShapeError, ArgumentError  if the shapes do not agree; nothing has been written then.
template <Operand Y>
void repeat_heads_backward(const Y& dy, const ViewOf<Y>& dx, const Workspace& = {}) {
  if (!dx) return;
  const ConstViewOf<Y> grad(dy);
  const Index times =
      detail::require_repeated<ElementOf<Y>>("repeat_heads_backward", "dx", dx, "dy", grad);
  for (Index b = 0; b < grad.dim(0); ++b)
    for (Index t = 0; t < grad.dim(1); ++t)
      for (Index h = 0; h < grad.dim(2); ++h) {
        const ElementOf<Y>* const from = grad.row(b, t, h);
        ElementOf<Y>* const to = dx.row(b, t, h / times);
        for (Index i = 0; i < dx.dim(3); ++i) to[i] += from[i];
      }
}

}  // namespace sluice::kernels
