// SPDX-License-Identifier: MIT
/// \file
/// Parts of a sequence or of a fused projection, without a copy where strides can say it.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/tape.hpp>

#include <array>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>

namespace sluice {

namespace detail {

/// "[2, 5)".
inline std::string interval(Index from, Index to) {
  std::string text = "[";
  text += std::to_string(from);
  text += ", ";
  text += std::to_string(to);
  text += ')';
  return text;
}

/// The same elements in a block of their own.
template <class Scalar, int Rank>
Variable<Scalar, Rank> copied(const Variable<Scalar, Rank>& x) {
  const auto y = x.tape->result(x.shape(), x);
  const Index D = row_length(x.value);
  for_each_row(
      [=](const Scalar* from, Scalar* to) {
        for (Index i = 0; i < D; ++i) to[i] = from[i];
      },
      x.value, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, D] {
      for_each_row(
          [=](const Scalar* from, Scalar* to) {
            for (Index i = 0; i < D; ++i) to[i] += from[i];
          },
          y.gradient, x.gradient);
    });
  return y;
}

}  // namespace detail

/// The part [from, from + count) of one axis: features of a fused projection (the last axis) or
/// tokens (axis 1 of [B, T, D]). A view, value and gradient both, unless its rows could not be
/// walked with one stride, as with some tokens of several sequences; then a copy.
///
/// \throws ArgumentError  if the part does not lie within the axis.
template <class Scalar, int Rank>
Variable<Scalar, Rank> slice(const Variable<Scalar, Rank>& x, int axis, Index from, Index count) {
  if (axis < 0 || axis >= Rank)  // texts are made only when needed: a warm step must not allocate
    require(false, "slice", "axis", "from 0 to " + std::to_string(Rank - 1), std::to_string(axis));
  if (from < 0 || count < 0 || from > x.dim(axis) - count)
    require(false, "slice", "the part", "within " + detail::interval(0, x.dim(axis)),
            detail::interval(from, from + count));
  Variable<Scalar, Rank> part{x.tape, slice(x.value, axis, from, count), {}};
  part.gradient = x.gradient ? slice(x.gradient, axis, from, count)
                             : View<Scalar, Rank>(nullptr, part.value.shape());
  if (has_rows(part.value) && has_rows(part.gradient)) return part;
  return detail::copied(part);
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
  if (total != x.dim(Rank - 1))
    require(false, "split", "the widths", "of sum " + std::to_string(x.dim(Rank - 1)),
            std::to_string(total));
  std::array<Variable<Scalar, Rank>, N> parts;
  Index from = 0;
  for (std::size_t n = 0; n < N; from += widths[n], ++n)
    parts[n] = slice(x, Rank - 1, from, widths[n]);
  return parts;
}

}  // namespace sluice
