// SPDX-License-Identifier: MIT
/// \file
/// Axes in another order.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/kernels/permute/permute.hpp>
#include <sluice/ops/copy.hpp>

#include <array>
#include <cstddef>

namespace sluice {

namespace detail {

template <class T, int R>
View<T, R> permuted(const View<T, R>& x, const std::array<int, std::size_t(R)>& axes) noexcept {
  Shape<R> shape, stride;
  for (std::size_t i = 0; i < axes.size(); ++i)
    shape[i] = x.dim(axes[i]), stride[i] = x.stride(axes[i]);
  return {x.data(), shape, stride};
}

}  // namespace detail

/// Axis i of the result is axis axes[i] of x: permute(x, {0, 2, 1, 3}) turns [B, T, H, K] into
/// [B, H, T, K]. A view where the last axis stays last and one stride still walks the rows, value
/// and gradient both; else a copy.
///
/// \throws ArgumentError  unless `axes` names every axis once.
template <class S, int R>
requires(R > 0) Variable<S, R> permute(const Variable<S, R>& x,
                                       const std::array<int, std::size_t(R)>& axes) {
  std::array<bool, std::size_t(R)> seen{};
  Shape<R> shape;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const int axis = axes[i];
    require(axis >= 0 && axis < R && !seen[std::size_t(axis)], "permute", "axes",
            text("every number from 0 to ", R - 1, " once"), text(axis, " at ", i));
    seen[std::size_t(axis)] = true;
    shape[i] = x.dim(axis);
  }
  if (axes[R - 1] == R - 1) {
    const Variable<S, R> y{x.tape, detail::permuted(x.value, axes),
                           detail::permuted(x.gradient, axes)};
    if (has_rows(y.value) && (!y.gradient || has_rows(y.gradient))) return y;
  }
  return operation(
      shape, [&](const View<S, R>& y) { kernels::permute(x.value, axes, y); },
      [=](auto, const View<const S, R>& dy) { kernels::permute_backward(axes, dy, x.gradient); },
      x);
}

/// The last two axes exchanged: [.., M, N] -> [.., N, M], as `permute`.
template <class S, int R>
requires(R > 1) Variable<S, R> transpose(const Variable<S, R>& x) {
  std::array<int, std::size_t(R)> axes;
  for (int i = 0; i < R; ++i) axes[std::size_t(i)] = i < R - 2 ? i : 2 * R - 3 - i;
  return permute(x, axes);
}

}  // namespace sluice
