// SPDX-License-Identifier: MIT
/// \file
/// Parts of a sequence or of a fused projection, without a copy where strides can say it.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/ops/copy.hpp>

#include <array>
#include <cstddef>
#include <numeric>

namespace sluice {

/// The part [from, from + count) of one axis: features of a fused projection (the last axis) or
/// tokens (axis 1 of [B, T, D]). A view, value and gradient both, unless its rows could not be
/// walked with one stride, as with some tokens of several sequences; then a copy.
///
/// \throws ArgumentError  if the part does not lie within the axis.
template <class Scalar, int Rank>
Variable<Scalar, Rank> slice(const Variable<Scalar, Rank>& x, int axis, Index from, Index count) {
  require(axis >= 0 && axis < Rank, "slice", "axis", text("from 0 to ", Rank - 1), axis);
  const Index end = x.dim(axis);
  require(from >= 0 && count >= 0 && from <= end - count, "slice", "the part",
          text("within [0, ", end, ")"), text("[", from, ", ", from + count, ")"));
  Variable<Scalar, Rank> part{x.tape, slice(x.value, axis, from, count), {}};
  part.gradient = x.gradient ? slice(x.gradient, axis, from, count)
                             : View<Scalar, Rank>(nullptr, part.value.shape());
  return with_rows(part);
}

/// The last axis in consecutive parts of the given widths, as `slice` would give them.
///
///     const auto [q, k, v] = split(qkv(x), {D, D, D});
///
/// \throws ArgumentError  unless the widths add up to the axis.
template <class Scalar, int Rank, std::size_t N>
std::array<Variable<Scalar, Rank>, N> split(const Variable<Scalar, Rank>& x,
                                            const Index (&widths)[N]) {
  const Index total = std::accumulate(std::begin(widths), std::end(widths), Index{0});
  require(total == x.dim(Rank - 1), "split", "the widths", text("of sum ", x.dim(Rank - 1)), total);
  std::array<Variable<Scalar, Rank>, N> parts;
  Index from = 0;
  for (std::size_t n = 0; n < N; from += widths[n], ++n)
    parts[n] = slice(x, Rank - 1, from, widths[n]);
  return parts;
}

}  // namespace sluice
