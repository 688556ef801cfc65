// SPDX-License-Identifier: MIT
/// \file
/// Several variables as one: behind each other on an axis, or on an axis of their own.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/ops/slice.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <span>
#include <string_view>
#include <type_traits>

namespace sluice {

namespace detail {

/// to += from.
template <class S, int R>
void add_to(const View<const S, R>& from, const View<S, R>& to) {
  const Index n = row_length(from);
  for_each_row(
      [n](const S* p, S* q) {
        for (Index i = 0; i < n; ++i) q[i] += p[i];
      },
      from, to);
}

/// x with an axis of length 1 before `axis`.
template <class T, int R>
View<T, R + 1> with_axis(const View<T, R>& x, int axis) noexcept {
  Shape<R + 1> shape, stride;
  for (int i = 0, from = 0; i <= R; ++i) {
    const auto at = std::size_t(i);
    if (i == axis)
      shape[at] = stride[at] = 1;
    else
      shape[at] = x.dim(from), stride[at] = x.stride(from), ++from;
  }
  return {x.data(), shape, stride};
}

/// The gradient of some of the sources; null if none has one.
template <class S, int R>
const S* any_gradient(std::span<const Variable<S, R>> x) noexcept {
  for (const auto& part : x)
    if (part.gradient) return part.gradient.data();
  return nullptr;
}

template <class S, int R>
Variable<S, R> concat(std::string_view where, int axis, std::span<const Variable<S, R>> x) {
  require(!x.empty(), where, "the number of variables", "at least 1", 0);
  require(axis >= 0 && axis < R, where, "axis", text("from 0 to ", R - 1), axis);
  auto shape = x[0].shape();
  shape[std::size_t(axis)] = 0;
  for (const auto& part : x) {
    auto expected = x[0].shape();
    expected[std::size_t(axis)] = part.dim(axis);
    require_shape(where, "every variable", part.shape(), expected,
                  "to match the first but for the axis");
    shape[std::size_t(axis)] += part.dim(axis);
  }
  Tape<S>& tape = *x[0].tape;
  const auto y = tape.result(shape, any_gradient(x));
  Index from = 0;
  for (const auto& part : x) {
    const Index count = part.dim(axis), n = row_length(part.value);
    for_each_row([n](const S* in, S* out) { std::copy_n(in, n, out); }, part.value,
                 sluice::slice(y.out, axis, from, count));
    if (part.gradient)
      tape.on_backward([to = part.gradient, dy = sluice::slice(View<const S, R>(y.gradient), axis,
                                                               from, count)] { add_to(dy, to); });
    from += count;
  }
  return y;
}

}  // namespace detail

/// The variables behind each other on one axis: concat(1, memory, x) of [B, M, D] and [B, T, D] is
/// [B, M + T, D]. A copy.
///
/// \throws ArgumentError, ShapeError  if there is no such axis, or the others differ.
template <class S, int R, std::convertible_to<Variable<S, R>>... More>
Variable<S, R> concat(int axis, const Variable<S, R>& first, const More&... more) {
  const Variable<S, R> all[] = {first, more...};
  return detail::concat<S, R>("concat", axis, all);
}

/// The same for a run-time number of them, an array, a vector or a span.
template <class Variables>
requires requires(const Variables& x) { std::span(x)[0].tape; }
auto concat(int axis, const Variables& x) {
  using V = std::remove_const_t<typename decltype(std::span(x))::element_type>;
  return detail::concat("concat", axis, std::span<const V>(x));
}

/// The variables, all of one shape, on a new axis: stack(0, a, b) of [T, D] is [2, T, D]. A copy.
///
/// \param axis  of the result, from 0 to the rank of the variables.
/// \throws ArgumentError, ShapeError  if there is no such axis, or the shapes differ.
template <class S, int R, std::convertible_to<Variable<S, R>>... More>
Variable<S, R + 1> stack(int axis, const Variable<S, R>& first, const More&... more) {
  const Variable<S, R> all[] = {first, more...};
  require(axis >= 0 && axis <= R, "stack", "axis", text("from 0 to ", R), axis);
  Variable<S, R + 1> thin[1 + sizeof...(More)];
  for (std::size_t i = 0; i < std::size(all); ++i)
    thin[i] = {all[i].tape, detail::with_axis(all[i].value, axis),
               detail::with_axis(all[i].gradient, axis)};
  return detail::concat<S, R + 1>("stack", axis, thin);
}

/// The elements of one axis moved on by `shift` places, those that leave at one end coming back at
/// the other: element i of the result is element i - shift of x.
///
/// \throws ArgumentError  if there is no such axis.
template <class S, int R>
Variable<S, R> roll(const Variable<S, R>& x, int axis, Index shift) {
  require(axis >= 0 && axis < R, "roll", "axis", text("from 0 to ", R - 1), axis);
  const Index n = x.dim(axis);
  if (n == 0 || shift % n == 0) return x;
  const Index back = (shift % n + n) % n;
  return concat(axis, slice(x, axis, n - back, back), slice(x, axis, 0, n - back));
}

}  // namespace sluice
