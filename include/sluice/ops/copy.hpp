// SPDX-License-Identifier: MIT
/// \file
/// The same elements in a block of their own.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/operation.hpp>

#include <algorithm>

namespace sluice {

/// The same elements one behind the other, whatever strides x has. x, y any shape.
template <class S, int R>
Variable<S, R> copy(const Variable<S, R>& x) {
  const Index n = row_length(x.value);
  return operation(
      x.shape(),
      [&](const View<S, R>& y) {
        for_each_row([n](const S* from, S* to) { std::copy_n(from, n, to); }, x.value, y);
      },
      [=](auto, const View<const S, R>& dy) {
        for_each_row(
            [n](const S* from, S* to) {
              for (Index i = 0; i < n; ++i) to[i] += from[i];
            },
            dy, x.gradient);
      },
      x);
}

/// x itself if one stride walks its rows, and those of its gradient; else a copy. For kernels that
/// see their operands as matrices.
template <class S, int R>
Variable<S, R> with_rows(const Variable<S, R>& x) {
  return has_rows(x.value) && (!x.gradient || has_rows(x.gradient)) ? x : copy(x);
}

}  // namespace sluice
