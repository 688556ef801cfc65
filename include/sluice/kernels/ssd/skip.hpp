// SPDX-License-Identifier: MIT
/// \file
/// The way around the state: y + D x, with a number a head or a number a channel.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/sums.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::ssd {

/// out = y + D (.) x.
///
/// \param y, x  [B, T, H, P].
/// \param D     [H, P], or [H, 1] for one number a head.
/// \param out   as y; overwritten. May be y itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Output>
void add_skip(ConstViewOf<Output> y, ConstViewOf<Output> x, ConstViewOf<Output, 2> D,
              Output&& output, const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 4> out(output);
  const auto [B, T, H, P] = x.shape();
  const bool one = D.dim(1) == 1;
  require_shape("ssd::add_skip", "D", D.shape(), {H, one ? 1 : P}, "to match x");
  require_shape("ssd::add_skip", "y", y.shape(), x.shape(), "to match x");
  require_shape("ssd::add_skip", "out", out.shape(), x.shape(), "to match x");
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < H; ++h) {
        const Scalar *const from = x.row(b, t, h), *const d = D.row(h), *const old = y.row(b, t, h);
        Scalar* const to = out.row(b, t, h);
        simd::for_each_lane<Arch, Scalar>(P, [=]<class L>(std::type_identity<L>,
                                                          Index i) SLUICE_INLINE_LAMBDA {
          const L factor = one ? L(*d) : simd::load<L>(d + i);
          simd::store(to + i, simd::madd(factor, simd::load<L>(from + i), simd::load<L>(old + i)));
        });
      }
}

/// Adjoint of `add_skip` by x and D: dx += D (.) dy and dD += sum over tokens of dy (.) x.
///
/// \param dy  as x, gradient by y.
/// \param dx  as x, \param dD as D; added to, skipped when they have no data.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Output>
void add_skip_backward(ConstViewOf<Output> x, ConstViewOf<Output, 2> D, const Output& doutput,
                       ViewOf<Output> dx, ViewOf<Output, 2> dD, const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<const Scalar, 4> dy(doutput);
  const auto where = "ssd::add_skip_backward";
  require_shape(where, "dy", dy.shape(), x.shape(), "to match x");
  if (dx) require_shape(where, "dx", dx.shape(), x.shape(), "to match x");
  if (dD) require_shape(where, "dD", dD.shape(), D.shape(), "to match D");
  if (dx) add_skip<Arch>(View<const Scalar, 4>(dx), dy, D, dx);
  if (!dD) return;
  const auto [B, T, H, P] = x.shape();
  const bool one = D.dim(1) == 1;
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < H; ++h) {
        const Scalar *const value = x.row(b, t, h), *const grad = dy.row(b, t, h);
        Scalar* const to = dD.row(h);
        if (one) {
          to[0] +=
              simd::sums<Arch, Scalar, 1>(P, [=]<class L>(std::type_identity<L>, Index i, L* sum) {
                sum[0] = simd::madd(simd::load<L>(value + i), simd::load<L>(grad + i), sum[0]);
              })[0];
          continue;
        }
        simd::for_each_lane<Arch, Scalar>(
            P, [=]<class L>(std::type_identity<L>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(to + i, simd::madd(simd::load<L>(value + i), simd::load<L>(grad + i),
                                             simd::load<L>(to + i)));
            });
      }
}

}  // namespace sluice::ssd
