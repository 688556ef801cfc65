// SPDX-License-Identifier: MIT
/// \file
/// More elements at the ends of an axis.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/operation.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>

namespace sluice {

/// x with `before` and `after` elements more at the ends of one axis, all of the same value.
///
/// \throws ArgumentError  if there is no such axis, or a number is below 0.
template <class S, int R>
requires(R > 0) Variable<S, R> pad(const Variable<S, R>& x, int axis, Index before, Index after,
                                   std::type_identity_t<S> value = 0) {
  require(axis >= 0 && axis < R, "pad", "axis", text("from 0 to ", R - 1), axis);
  require(before >= 0, "pad", "before", "at least 0", before);
  require(after >= 0, "pad", "after", "at least 0", after);
  const Index n = x.dim(axis);
  auto shape = x.shape();
  shape[std::size_t(axis)] += before + after;
  return operation(
      shape,
      [&](const View<S, R>& y) {
        const auto fill = [&](Index from, Index count) {
          const auto end = slice(y, axis, from, count);
          const Index width = row_length(end);
          for_each_row([=](S* to) { std::fill_n(to, width, value); }, end);
        };
        fill(0, before), fill(before + n, after);
        const Index width = row_length(x.value);
        for_each_row([=](const S* from, S* to) { std::copy_n(from, width, to); }, x.value,
                     slice(y, axis, before, n));
      },
      [=](auto, const View<const S, R>& dy) {
        const Index width = row_length(x.value);
        for_each_row(
            [=](const S* from, S* to) {
              for (Index i = 0; i < width; ++i) to[i] += from[i];
            },
            slice(dy, axis, before, n), x.gradient);
      },
      x);
}

}  // namespace sluice
