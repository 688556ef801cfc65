// SPDX-License-Identifier: MIT
/// \file
/// Elements in another order of axes.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/simd/batch.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>

namespace sluice::kernels {

namespace detail {

/// A walk over two tensors of one shape and of any strides. The fast axes are those along which
/// they lie in one piece.
struct StridedWalk {
  static constexpr std::size_t most_axes = 8;
  std::size_t axes = 0, fast_from = 0, fast_to = 0;
  std::array<Index, most_axes> shape{}, from{}, to{};
};

/// to = from, or to += from. Two fast axes are walked in squares, so that whole lines of both are
/// used while they are near.
template <class Arch, std::floating_point Scalar>
void copy_strided(const StridedWalk& w, bool add, const Scalar* x, Scalar* y) {
  constexpr Index side = 16;
  for (std::size_t a = 0; a < w.axes; ++a)
    if (w.shape[a] == 0) return;
  const bool alike = w.fast_from == w.fast_to;
  const Index rows = alike ? 1 : w.shape[w.fast_from], row = alike ? 0 : w.to[w.fast_from];
  const Index n = w.shape[w.fast_to], column = w.from[w.fast_to];
  const auto square = [&](Index from_i, Index to_i, Index from_j, Index to_j) {
    for (Index i = from_i; i < to_i; ++i) {
      const Scalar* const in = x + i;
      Scalar* const out = y + i * row;
      if (add)
        for (Index j = from_j; j < to_j; ++j) out[j] += in[j * column];
      else
        for (Index j = from_j; j < to_j; ++j) out[j] = in[j * column];
    }
  };
  std::array<Index, StridedWalk::most_axes> at{};
  while (true) {
    if (alike && add)
      for (Index j = 0; j < n; ++j) y[j] += x[j];
    else if (alike)
      std::copy_n(x, n, y);
    else
      for (Index i = 0; i < rows; i += side)
        for (Index j = 0; j < n; j += side)
          square(i, std::min(rows, i + side), j, std::min(n, j + side));
    std::size_t axis = w.axes;  // the next place on the slow axes, the last of them first
    while (axis-- > 0) {
      if (axis == w.fast_from || axis == w.fast_to) continue;
      x += w.from[axis], y += w.to[axis];
      if (++at[axis] < w.shape[axis]) break;
      x -= w.from[axis] * at[axis], y -= w.to[axis] * at[axis];
      at[axis] = 0;
    }
    if (axis == std::size_t(-1)) return;
  }
}
SLUICE_COMPILED_KERNEL(copy_strided);

/// The walk of x and of y, whose axis i is axis order[i] of x, in the order of y.
template <class T, class U, int Rank>
StridedWalk walk_of(const View<T, Rank>& x, const std::array<int, std::size_t(Rank)>& order,
                    const View<U, Rank>& y) noexcept {
  static_assert(Rank > 0 && std::size_t(Rank) <= StridedWalk::most_axes);
  StridedWalk w;
  w.axes = w.fast_from = w.fast_to = std::size_t(Rank);
  for (std::size_t i = 0; i < w.axes; ++i) {
    w.shape[i] = y.shape()[i], w.from[i] = x.stride(order[i]), w.to[i] = y.strides()[i];
    if (order[i] == Rank - 1) w.fast_from = i;
  }
  w.fast_to = w.axes - 1;
  return w;
}

}  // namespace detail

/// y[i_0, i_1, ..] = x with i_k at axis axes[k].
///
/// \param axes  every axis of x once.
/// \param y     of x's shape in that order; overwritten. Must not overlap x.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void permute(const ConstViewOf<Y>& x, const std::array<int, std::size_t(rank_of<Y>)>& axes, Y&& y) {
  const ViewOf<Y> out(y);
  auto shape = x.shape();
  for (std::size_t i = 0; i < axes.size(); ++i) shape[i] = x.dim(axes[i]);
  require_shape("permute", "y", out.shape(), shape, "to match x and the axes");
  detail::copy_strided<Arch, ElementOf<Y>>(detail::walk_of(x, axes, out), false, x.data(),
                                           out.data());
}

/// Adjoint of `permute`, added to what is there; nothing when dx has no data.
template <class Arch = simd::DefaultArch, Operand Y>
void permute_backward(const std::array<int, std::size_t(rank_of<Y>)>& axes, const Y& dy,
                      const ViewOf<Y>& dx) {
  if (!dx) return;
  const ConstViewOf<Y> grad(dy);
  std::array<int, std::size_t(rank_of<Y>)> back{};
  for (std::size_t i = 0; i < axes.size(); ++i) back[std::size_t(axes[i])] = int(i);
  auto shape = grad.shape();
  for (std::size_t i = 0; i < axes.size(); ++i) shape[i] = grad.dim(back[i]);
  require_shape("permute_backward", "dx", dx.shape(), shape, "to match dy and the axes");
  detail::copy_strided<Arch, ElementOf<Y>>(detail::walk_of(grad, back, dx), true, grad.data(),
                                           dx.data());
}

}  // namespace sluice::kernels
