// SPDX-License-Identifier: MIT
/// \file
/// Shapes that fit each other by repetition, and the operation that lays the repetition out.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/kernels/reduce/sum.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

namespace detail {

/// x of at most R axes as R: missing leading axes, and axes of length 1 where `shape` is longer,
/// have stride 0. The last axis must be as long as in `shape`, or, missing, 1 there.
template <int R, class T, int Q>
View<T, R> spread(const View<T, Q>& x, const Shape<R>& shape) noexcept {
  Shape<R> stride{};
  for (std::size_t i = 0; i < Q; ++i) {
    const std::size_t axis = i + std::size_t(R - Q);
    stride[axis] = x.shape()[i] == shape[axis] ? x.strides()[i] : 0;
  }
  if constexpr (R > 0) stride[R - 1] = 1;
  return {x.data(), shape, stride};
}

/// The shape to which both can be repeated.
template <std::size_t A, std::size_t B>
auto common_shape(std::string_view where, const std::array<Index, A>& a,
                  const std::array<Index, B>& b) {
  constexpr std::size_t R = std::max(A, B);
  std::array<Index, R> shape;
  for (std::size_t i = 0; i < R; ++i) {
    const Index n = i + A < R ? 1 : a[i + A - R], m = i + B < R ? 1 : b[i + B - R];
    if (n != m && n != 1 && m != 1)
      throw ShapeError(std::string(where) + ": b must fit a of shape " + to_string(a) +
                       ", axis by axis from the last, got " + to_string(b));
    shape[i] = n == 1 ? m : n;
  }
  return shape;
}

/// Throws ShapeError unless every axis, from the last, is 1 or that of the shape.
template <std::size_t Q, std::size_t R>
void require_repeatable(std::string_view where, std::string_view what,
                        const std::array<Index, Q>& x, const std::array<Index, R>& shape) {
  static_assert(Q <= R, "x has more axes than the shape");
  for (std::size_t i = 0; i < Q; ++i)
    if (x[i] != 1 && x[i] != shape[i + R - Q])
      throw ShapeError(std::string(where) + ": " + std::string(what) + " must fit " +
                       to_string(shape) + ", axis by axis from the last, got " + to_string(x));
}

}  // namespace detail

/// x repeated to a larger shape: axes are matched from the last, and one that is missing or of
/// length 1 is repeated. The gradient is summed over the copies in order.
///
/// \throws ShapeError  if an axis of x is neither 1 nor that of the shape.
template <class S, int Q, std::size_t N>
Variable<S, int(N)> broadcast(const Variable<S, Q>& x, const std::array<Index, N>& shape) {
  constexpr int R = int(N);
  detail::require_repeatable("broadcast", "x", x.shape(), shape);
  const Index n = R == 0 ? 1 : shape[N - (R == 0 ? 0 : 1)];
  const bool one = row_length(x.value) != n;  // of the last axis, for the whole row
  const auto spread = [=](const auto& view) {
    auto inner = shape;
    if constexpr (R > 0) inner[R - 1] = row_length(x.value);
    return detail::spread<R>(view, inner);
  };
  const auto walk = [=](const auto& f, const auto& rows, const auto& small) {
    auto narrow = rows;  // its rows seen as of x's length, for one walk over both
    if constexpr (R > 0) {
      auto inner = rows.shape();
      inner[R - 1] = row_length(x.value);
      narrow = {rows.data(), inner, rows.strides()};
    }
    for_each_row(f, narrow, small);
  };
  return operation(
      shape,
      [&](const View<S, R>& y) {
        walk(
            [=](S* to, const S* from) {
              if (one)
                std::fill_n(to, n, *from);
              else
                std::copy_n(from, n, to);
            },
            y, spread(x.value));
      },
      [=](auto, const View<const S, R>& dy) {
        walk(
            [=](const S* from, S* to) {
              if (one)
                *to += kernels::detail::sum_span<simd::DefaultArch, S>(n, from);
              else
                for (Index i = 0; i < n; ++i) to[i] += from[i];
            },
            dy, spread(x.gradient));
      },
      x);
}

}  // namespace sluice
