// SPDX-License-Identifier: MIT
/// \file
/// Heads and model dimension: the same numbers under another shape.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/kernels/heads/repeat.hpp>
#include <sluice/ops/copy.hpp>

namespace sluice {

namespace detail {

template <class T>
View<T, 4> split_heads(const View<T, 3>& x, Index heads) noexcept {
  const Index width = x.dim(2) / heads;
  return {x.data(), {x.dim(0), x.dim(1), heads, width}, {x.stride(0), x.stride(1), width, 1}};
}

template <class T>
View<T, 3> merge_heads(const View<T, 4>& x) noexcept {
  return {x.data(), {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}, {x.stride(0), x.stride(1), 1}};
}

/// Whether the heads of a token lie one behind the other.
template <class T>
bool heads_adjoin(const View<T, 4>& x) noexcept {
  return x.dim(2) == 1 || x.stride(2) == x.dim(3);
}

}  // namespace detail

/// x [B, T, H K] seen as [B, T, H, K]. A view; the gradient is a view of x's.
///
/// \throws ArgumentError  unless `heads` divides the last axis.
template <class Scalar>
Variable<Scalar, 4> split_heads(const Variable<Scalar, 3>& x, Index heads) {
  require(heads > 0 && x.dim(2) % heads == 0, "split_heads", "heads",
          text("a divisor of ", x.dim(2)), heads);
  return {x.tape, detail::split_heads(x.value, heads), detail::split_heads(x.gradient, heads)};
}

/// x [B, T, H, V] seen as [B, T, H V]. A view, unless x is a part of wider heads; then a copy.
template <class Scalar>
Variable<Scalar, 3> merge_heads(const Variable<Scalar, 4>& x) {
  const bool adjoin =
      detail::heads_adjoin(x.value) && (!x.gradient || detail::heads_adjoin(x.gradient));
  const Variable<Scalar, 4> y = adjoin ? x : copy(x);
  return {y.tape, detail::merge_heads(y.value), detail::merge_heads(y.gradient)};
}

/// Every head `times` times in a row, [B, T, H, K] -> [B, T, H times, K]: head h of the result is
/// head h / times of x. The gradient is summed over the copies.
///
/// \throws ArgumentError  if `times` is below 1.
template <class Scalar>
Variable<Scalar, 4> repeat_heads(const Variable<Scalar, 4>& x, Index times) {
  require(times >= 1, "repeat_heads", "times", "at least 1", times);
  if (times == 1) return x;
  return operation(
      Shape<4>{x.dim(0), x.dim(1), x.dim(2) * times, x.dim(3)},
      [&](const View<Scalar, 4>& y) { kernels::repeat_heads(x.value, y); },
      [=](auto, const View<const Scalar, 4>& dy) {
        kernels::repeat_heads_backward(dy, x.gradient);
      },
      x);
}

}  // namespace sluice
