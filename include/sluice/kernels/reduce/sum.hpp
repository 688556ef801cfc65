// SPDX-License-Identifier: MIT
/// \file
/// Sums over an axis. The order of summation is given by the shape alone, and long sums are summed
/// in parts, so that the rounding error does not grow with their length.
#pragma once

#include <sluice/core/assert.hpp>
#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/sums.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace sluice::kernels {

namespace detail {

/// sum over [0, n) of what `term(std::type_identity<B>{}, i)` gives for the lanes from i. Blocks
/// are summed in vectors, and their sums in double.
template <class Arch, class Scalar, class Term>
Scalar sum_in_blocks(Index n, const Term& term) noexcept {
  constexpr Index block = 1024;
  double total = 0;
  for (Index from = 0; from < n; from += block) {
    const auto [sum] = simd::sums<Arch, Scalar, 1>(
        std::min(block, n - from),
        [&]<class B>(std::type_identity<B> b, Index i, B* acc)
            SLUICE_INLINE_LAMBDA { acc[0] = acc[0] + B(term(b, from + i)); });
    total += double(sum);
  }
  return static_cast<Scalar>(total);
}

template <class Arch, std::floating_point Scalar>
Scalar sum_span(Index n, const Scalar* x) {
  return sum_in_blocks<Arch, Scalar>(n, [=]<class B>(std::type_identity<B>, Index i)
                                            SLUICE_INLINE_LAMBDA { return simd::load<B>(x + i); });
}
SLUICE_COMPILED_KERNEL(sum_span);

/// Parts of an axis that are summed by themselves.
inline constexpr Index sum_part = 64;

/// y [A, J, D] = factor sum_i x [A, n, J, D]; y is contiguous, `part` has room for one [J, D].
template <class Arch, std::floating_point Scalar>
void sum_middle(const View<const Scalar, 4>& x, Scalar factor, Scalar* y, Scalar* part) {
  const Index n = x.dim(1), J = x.dim(2), D = x.dim(3);
  const auto add = [](Index count, const Scalar* from, Scalar* to) {
    simd::for_each_lane<Arch, Scalar>(
        count, [=]<class B>(std::type_identity<B>, Index k) SLUICE_INLINE_LAMBDA {
          simd::store(to + k, B(simd::load<B>(to + k) + simd::load<B>(from + k)));
        });
  };
  for (Index a = 0; a < x.dim(0); ++a, y += J * D) {
    std::fill_n(y, J * D, Scalar{0});
    for (Index begin = 0; begin < n; begin += sum_part) {
      Scalar* const to = n <= sum_part ? y : std::fill_n(part, J * D, Scalar{0}) - J * D;
      for (Index i = begin; i < std::min(n, begin + sum_part); ++i)
        for (Index j = 0; j < J; ++j) add(D, x.row(a, i, j), to + j * D);
      if (to != y) add(J * D, to, y);
    }
    if (factor != 1)
      for (Index k = 0; k < J * D; ++k) y[k] *= factor;
  }
}
SLUICE_COMPILED_KERNEL(sum_middle);

}  // namespace detail

/// y = factor sum of every row. x [N, D], y [N].
///
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void sum_rows(const ConstViewOf<Y, 2>& x, ElementOf<Y> factor, Y&& y) {
  const ViewOf<Y, 1> out(y);
  require_shape("sum_rows", "y", out.shape(), {x.dim(0)}, "to match x");
  for (Index i = 0; i < x.dim(0); ++i)
    out.data()[i] = factor * detail::sum_span<Arch, ElementOf<Y>>(x.dim(1), x.row(i));
}

/// y = factor sum over axis 1 of x [A, n, J, D]; y [A, J, D], contiguous.
///
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void sum_axis(const ConstViewOf<Y, 4>& x, ElementOf<Y> factor, Y&& y,
              const Workspace& workspace = {}) {
  using Scalar = ElementOf<Y>;
  const ViewOf<Y, 3> out(y);
  const Index row = x.dim(2) * x.dim(3);
  require_shape("sum_axis", "y", out.shape(), {x.dim(0), x.dim(2), x.dim(3)}, "to match x");
  SLUICE_ASSERT(out.contiguous());
  Scratch scratch(workspace);
  Scalar* const part =
      x.dim(1) <= detail::sum_part ? nullptr : scratch.template allocate<Scalar>(row);
  detail::sum_middle<Arch, Scalar>(x, factor, out.data(), part);
}

}  // namespace sluice::kernels
