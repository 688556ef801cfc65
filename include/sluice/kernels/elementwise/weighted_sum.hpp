// SPDX-License-Identifier: MIT
/// \file
/// A weighted sum of several matrices in one pass: a step of a multi-stage solver reads every stage
/// once and writes once.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace sluice::kernels {

/// Most terms of a weighted sum: the stages of the largest solvers in use, and a few.
inline constexpr std::size_t most_terms = 16;

namespace detail {

/// y = sum_i w_i x_i over a span of n numbers.
template <class Arch, std::floating_point Scalar>
void weighted_sum_span(std::size_t terms, const Scalar* w, const Scalar* const* x, Index n,
                       Scalar* y) {
  if (terms == 0) return void(std::fill_n(y, n, Scalar{0}));
  simd::for_each_lane<Arch, Scalar>(
      n, [=]<class B>(std::type_identity<B>, Index j) SLUICE_INLINE_LAMBDA {
        B sum = B(w[0]) * simd::load<B>(x[0] + j);
        for (std::size_t i = 1; i < terms; ++i)
          sum = simd::madd(B(w[i]), simd::load<B>(x[i] + j), sum);
        simd::store(y + j, sum);
      });
}
SLUICE_COMPILED_KERNEL(weighted_sum_span);

}  // namespace detail

/// y = sum_i weights[i] x[i], in this order; a term of weight 0 is not read.
///
/// \param x  at most `most_terms` of y's shape, as many as weights.
/// \param y  [N, D]; overwritten. May be one of x.
/// \throws ShapeError, ArgumentError  if a shape or a number does not agree; nothing has been
///                                    written then.
template <class Arch = simd::DefaultArch, std::floating_point Scalar>
void weighted_sum(std::span<const std::type_identity_t<Scalar>> weights,
                  std::span<const std::type_identity_t<View<const Scalar, 2>>> x,
                  const View<Scalar, 2>& y) {
  require(x.size() <= most_terms, "weighted_sum", "the number of terms",
          text("at most ", most_terms), x.size());
  require(weights.size() == x.size(), "weighted_sum", "the number of weights", x.size(),
          weights.size());
  std::array<Scalar, most_terms> w;
  std::array<View<const Scalar, 2>, most_terms> used;
  std::size_t terms = 0;
  bool whole = y.contiguous();
  for (std::size_t i = 0; i < x.size(); ++i) {
    require_shape("weighted_sum", "x", x[i].shape(), y.shape(), "to match y");
    if (weights[i] == 0) continue;
    w[terms] = weights[i], used[terms++] = x[i];
    whole = whole && x[i].contiguous();
  }
  const Index rows = whole ? 1 : y.dim(0), n = whole ? y.size() : y.dim(1);
  std::array<const Scalar*, most_terms> row;
  for (Index r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < terms; ++i) row[i] = used[i].row(r);
    detail::weighted_sum_span<Arch, Scalar>(terms, w.data(), row.data(), n, y.row(r));
  }
}

}  // namespace sluice::kernels
