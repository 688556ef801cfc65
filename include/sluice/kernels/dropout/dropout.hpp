// SPDX-License-Identifier: MIT
/// \file
/// Dropout whose mask is a function of a counter: the way back draws it again, nothing is stored.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>

#include <cstdint>
#include <string_view>

namespace sluice::kernels {

/// What is dropped or kept as one.
enum class DropoutUnit {
  element,
  sequence  ///< a part of the first axis: drop-path
};

namespace detail {

inline void require_probability(std::string_view where, double probability) {
  require(probability >= 0 && probability < 1, where, "probability", "in [0, 1)", probability);
}

/// Calls f(from, to, i, factor) for every element of x, in order: the factor is 0 with the given
/// probability, else 1 / (1 - probability). One draw of the mask a unit.
template <class Scalar, int Rank, class F>
void for_each_dropped(double probability, Rng mask, DropoutUnit unit,
                      const View<const Scalar, Rank>& x, const View<Scalar, Rank>& y, const F& f) {
  const auto threshold = static_cast<std::uint64_t>(probability * 0x1p32);
  const Scalar scale = static_cast<Scalar>(1 / (1 - probability));
  const auto draw = [&] { return mask() >= threshold ? scale : Scalar{0}; };
  const Index D = row_length(x);
  const auto rows = [&](const auto& factor, const auto& in, const auto& out) {
    for_each_row(
        [&](const Scalar* from, Scalar* to) {
          for (Index i = 0; i < D; ++i) f(from, to, i, factor());
        },
        in, out);
  };
  if (unit == DropoutUnit::element) return rows(draw, x, y);
  if constexpr (Rank > 1)
    for (Index b = 0; b < x.dim(0); ++b) {
      const Scalar one = draw();
      rows([one] { return one; }, slice(x, 0, b, 1), slice(y, 0, b, 1));
    }
}

}  // namespace detail

/// y = x / (1 - probability), or 0 with that probability, unit by unit.
///
/// \param probability  in [0, 1).
/// \param mask  where the draws begin, one a unit in the order of x; the way back is given the
/// same. \param x     any shape, \param y as x; overwritten. May be x itself. \throws ShapeError,
/// ArgumentError  if the shapes do not agree or the probability is out of range;
///                                    nothing has been written then.
///
/// Source: Srivastava et al., Dropout, JMLR 2014, section 10 (the form scaled in training).
template <Operand Y>
void dropout(const ConstViewOf<Y>& x, double probability, const Rng& mask, Y&& y,
             DropoutUnit unit = DropoutUnit::element, const Workspace& = {}) {
  using Scalar = ElementOf<Y>;
  const ViewOf<Y> out(y);
  detail::require_probability("dropout", probability);
  require_shape("dropout", "y", out.shape(), x.shape(), "to match x");
  detail::for_each_dropped(probability, mask, unit, x, out,
                           [](const Scalar* from, Scalar* to, Index i, Scalar factor) {
                             to[i] = factor == 0 ? Scalar{0} : from[i] * factor;
                           });
}

/// Adjoint of `dropout`: dx += dy where it was kept, over 1 - probability. Skipped when dx has no
/// data.
///
/// \throws ShapeError, ArgumentError  as `dropout`.
template <Operand Y>
void dropout_backward(const Y& dy, double probability, const Rng& mask, const ViewOf<Y>& dx,
                      DropoutUnit unit = DropoutUnit::element, const Workspace& = {}) {
  if (!dx) return;
  using Scalar = ElementOf<Y>;
  const ConstViewOf<Y> grad(dy);
  detail::require_probability("dropout_backward", probability);
  require_shape("dropout_backward", "dx", dx.shape(), grad.shape(), "to match dy");
  detail::for_each_dropped(probability, mask, unit, grad, dx,
                           [](const Scalar* from, Scalar* to, Index i, Scalar factor) {
                             if (factor != 0) to[i] += from[i] * factor;
                           });
}

}  // namespace sluice::kernels
