// SPDX-License-Identifier: MIT
/// \file
/// Sums and means over one axis or over all. The order of summation is given by the shape alone.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/reduce/sum.hpp>
#include <sluice/ops/copy.hpp>

#include <algorithm>
#include <cstddef>

namespace sluice {

namespace detail {

/// factor times the sum over one axis.
template <class S, int R>
Variable<S, R - 1> scaled_sum(const Variable<S, R>& source, int axis, S factor) {
  const auto x = with_rows(source);
  const auto at = std::size_t(axis);
  const Index n = x.dim(axis);
  Index outer = 1, inner = 1;  // rows before and behind the axis
  Shape<R - 1> shape;
  for (std::size_t i = 0; i < std::size_t(R); ++i) {
    if (i != at) shape[i < at ? i : i - 1] = x.shape()[i];
    if (i < at) outer *= x.shape()[i];
    if (i > at && i + 1 < std::size_t(R)) inner *= x.shape()[i];
  }
  const bool last = axis == R - 1;
  return operation(
      shape,
      [&](const View<S, R - 1>& y) {
        const View<const S, 2> matrix = rows(x.value);
        if (last) return kernels::sum_rows(matrix, factor, View<S, 1>(y.data(), {outer}));
        Index J = inner, D = matrix.dim(1), stride = matrix.stride(0);
        if (stride == D) D *= J, J = 1, stride = D;
        kernels::sum_axis(View<const S, 4>(matrix.data(), {outer, n, J, D},
                                           {n * J * stride, J * stride, stride, 1}),
                          factor, View<S, 3>(y.data(), {outer, J, D}), x.tape->workspace());
      },
      [=](auto, const View<const S, R - 1>& dy) {
        if (last) {
          const S* from = dy.data();
          for_each_row(
              [&](S* to) {
                for (Index i = 0; i < n; ++i) to[i] += factor * *from;
                ++from;
              },
              x.gradient);
        } else {
          Shape<R> stride{};  // 0 along the axis: every element takes the same
          for (std::size_t i = 0; i < std::size_t(R); ++i)
            if (i != at) stride[i] = dy.strides()[i < at ? i : i - 1];
          kernels::add_scaled(View<const S, R>(dy.data(), x.shape(), stride), factor, x.gradient);
        }
      },
      x);
}

/// factor times the sum over all.
template <class S, int R>
Variable<S, 0> scaled_sum(const Variable<S, R>& x, S factor) {
  const Index n = row_length(x.value);
  return operation(
      Shape<0>{},
      [&](const View<S, 0>& y) {
        double total = 0;
        for_each_row(
            [&](const S* row) {
              total += double(kernels::detail::sum_span<simd::DefaultArch, S>(n, row));
            },
            x.value);
        y() = static_cast<S>(total * double(factor));
      },
      [=](auto, const View<const S, 0>& dy) {
        const S part = dy() * factor;
        for_each_row(
            [=](S* to) {
              for (Index i = 0; i < n; ++i) to[i] += part;
            },
            x.gradient);
      },
      x);
}

}  // namespace detail

/// The sum over one axis, which is gone then: [B, T, D] with axis 1 gives [B, D].
///
/// \throws ArgumentError  if there is no such axis.
template <class S, int R>
requires(R > 0) Variable<S, R - 1> sum(const Variable<S, R>& x, int axis) {
  require(axis >= 0 && axis < R, "sum", "axis", text("from 0 to ", R - 1), axis);
  return detail::scaled_sum(x, axis, S(1));
}

/// The mean over one axis, which is gone then; NaN if it has no elements.
///
/// \throws ArgumentError  if there is no such axis.
template <class S, int R>
requires(R > 0) Variable<S, R - 1> mean(const Variable<S, R>& x, int axis) {
  require(axis >= 0 && axis < R, "mean", "axis", text("from 0 to ", R - 1), axis);
  return detail::scaled_sum(x, axis, 1 / S(x.dim(axis)));
}

/// The sum of all elements.
template <class S, int R>
Variable<S, 0> sum(const Variable<S, R>& x) {
  return detail::scaled_sum(x, S(1));
}

/// The mean of all elements; NaN if there are none.
template <class S, int R>
Variable<S, 0> mean(const Variable<S, R>& x) {
  return detail::scaled_sum(x, 1 / S(x.value.size()));
}

}  // namespace sluice
