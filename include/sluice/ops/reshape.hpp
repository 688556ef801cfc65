// SPDX-License-Identifier: MIT
/// \file
/// The same elements under another shape.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/ops/copy.hpp>

#include <array>
#include <cstddef>

namespace sluice {

namespace detail {

/// x, contiguous or of rows as long as those of `shape`, under that shape.
template <class T, int R, std::size_t N>
View<T, int(N)> reshaped(const View<T, R>& x, const std::array<Index, N>& shape) {
  if (x.contiguous()) return {x.data(), shape};
  std::array<Index, N> stride{};
  Index next = rows(x).stride(0);
  for (std::size_t i = N; i-- > 0;) {
    stride[i] = i + 1 == N ? 1 : next;
    if (i + 1 != N) next *= shape[i];
  }
  return {x.data(), shape, stride};
}

}  // namespace detail

/// The elements of x in their order, under another shape of the same size. A view, value and
/// gradient both, where x is contiguous, or where its rows are walked with one stride and stay as
/// long as they are; else a copy.
///
///     reshape(x, {B, T, H, K})     reshape(x, y.shape())
///
/// \throws ShapeError  if the sizes differ.
template <class S, int R, std::size_t N>
Variable<S, int(N)> reshape(const Variable<S, R>& x, const std::array<Index, N>& shape) {
  const View<const S, int(N)> target(nullptr, shape);
  if (target.size() != x.value.size())
    throw ShapeError("reshape: the shape must have " + std::to_string(x.value.size()) +
                     " elements as x of shape " + to_string(x.shape()) + ", got " +
                     to_string(shape));
  const auto fits = [&](const auto& v) {
    return v.contiguous() || (N > 0 && R > 0 && row_length(v) == row_length(target) && has_rows(v));
  };
  const auto whole = fits(x.value) && (!x.gradient || fits(x.gradient)) ? x : copy(x);
  View<S, int(N)> gradient(nullptr, shape);
  if (whole.gradient) gradient = detail::reshaped(whole.gradient, shape);
  return {x.tape, detail::reshaped(whole.value, shape), gradient};
}
template <class S, int R, std::size_t N>
Variable<S, int(N)> reshape(const Variable<S, R>& x, const Index (&shape)[N]) {
  return reshape(x, std::to_array(shape));
}

}  // namespace sluice
