// SPDX-License-Identifier: MIT
/// \file
/// A weighted sum of several variables in one pass, as solvers of differential equations make it.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/elementwise/weighted_sum.hpp>
#include <sluice/ops/concat.hpp>
#include <sluice/ops/copy.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

namespace sluice {

namespace detail {

template <class S, int R>
Variable<S, R> weighted_sum(std::span<const double> weights, std::span<const Variable<S, R>> x) {
  const auto where = "weighted_sum";
  require(x.size() >= 1 && x.size() <= kernels::most_terms, where, "the number of variables",
          text("from 1 to ", kernels::most_terms), x.size());
  require(weights.size() == x.size(), where, "the number of weights", x.size(), weights.size());
  for (const auto& term : x)
    require_shape(where, "every variable", term.shape(), x[0].shape(), "to match the first");

  std::array<Variable<S, R>, kernels::most_terms> terms;
  std::array<View<const S, 2>, kernels::most_terms> matrices;
  std::array<S, kernels::most_terms> w;
  std::size_t n = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const S weight = static_cast<S>(weights[i]);
    if (weight == 0) continue;
    terms[n] = with_rows(x[i]);
    matrices[n] = rows(terms[n].value);
    w[n++] = weight;
  }
  Tape<S>& tape = *x[0].tape;
  const auto y = tape.result(
      x[0].shape(), detail::any_gradient(std::span<const Variable<S, R>>(terms.data(), n)));
  kernels::weighted_sum<simd::DefaultArch, S>({w.data(), n}, {matrices.data(), n}, rows(y.out));
  for (std::size_t i = 0; i < n; ++i)
    if (terms[i].gradient)
      tape.on_backward([factor = w[i], to = terms[i].gradient, dy = y.gradient] {
        kernels::add_scaled(View<const S, R>(dy), factor, to);
      });
  return y;
}

}  // namespace detail

/// sum_i weights[i] x[i], in this order. A term of weight 0 is not read, and gets no gradient.
///
/// \param weights  numbers, as many as variables.
/// \param x        an array, a vector or a span of at least 1 variable, all of one shape; at most
///                 `kernels::most_terms`.
/// \throws ArgumentError, ShapeError  if the numbers or the shapes do not agree.
template <class Variables>
requires requires(const Variables& x) { std::span(x)[0].tape; }
auto weighted_sum(std::span<const double> weights, const Variables& x) {
  using V = std::remove_const_t<typename decltype(std::span(x))::element_type>;
  return detail::weighted_sum(weights, std::span<const V>(x));
}

/// The same for a number of them that is written out: weighted_sum({0.5, 0.5}, {a, b}).
template <class S, int R, std::size_t N>
Variable<S, R> weighted_sum(const double (&weights)[N], const Variable<S, R> (&x)[N]) {
  return detail::weighted_sum(std::span<const double>(weights), std::span<const Variable<S, R>>(x));
}

}  // namespace sluice
