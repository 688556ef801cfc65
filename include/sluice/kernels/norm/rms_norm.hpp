// SPDX-License-Identifier: MIT
/// \file
/// Root-mean-square normalisation of rows: two passes over a row that stays in the first cache.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/sums.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>

namespace sluice::kernels {

namespace detail {

template <class Arch, std::floating_point Scalar>
void rms_norm_rows(const common::Rows<2>& rows, const Scalar* x, const Scalar* w, Scalar eps,
                   Scalar* y, const Executor& executor) {
  const Index D = rows.width;
  common::share_each_row(
      executor, rows,
      [=](const Scalar* in, Scalar* out) {
        const auto [squares] =
            simd::sums<Arch, Scalar, 1>(D, [=]<class B>(std::type_identity<B>, Index i, B* acc) {
              const B value = simd::load<B>(in + i);
              acc[0] = simd::madd(value, value, acc[0]);
            });
        const Scalar r = 1 / std::sqrt(squares / Scalar(D) + eps);
        simd::for_each_lane<Arch, Scalar>(D, [=]<class B>(std::type_identity<B>, Index i) {
          const B normal = simd::load<B>(in + i) * B(r);
          simd::store(out + i, w ? B(normal * simd::load<B>(w + i)) : normal);
        });
      },
      x, y);
}
SLUICE_COMPILED_KERNEL(rms_norm_rows);

/// One thread where dw is wanted: it is summed in the order of the rows.
template <class Arch, std::floating_point Scalar>
void rms_norm_rows_backward(const common::Rows<3>& rows, const Scalar* x, const Scalar* w,
                            Scalar eps, const Scalar* dy, Scalar* dx, Scalar* dw,
                            const Executor& executor) {
  const Index D = rows.width;
  common::share_each_row(
      dw ? Executor{} : executor, rows,
      [=](const Scalar* in, const Scalar* grad, Scalar* out) {
        const auto weighted = [=]<class B>(std::type_identity<B>, Index i) {
          return w ? B(simd::load<B>(w + i) * simd::load<B>(grad + i)) : simd::load<B>(grad + i);
        };
        const auto [squares, product] =
            simd::sums<Arch, Scalar, 2>(D, [=]<class B>(std::type_identity<B> b, Index i, B* acc) {
              const B value = simd::load<B>(in + i);
              acc[0] = simd::madd(value, value, acc[0]);
              acc[1] = simd::madd(value, weighted(b, i), acc[1]);
            });
        const Scalar r = 1 / std::sqrt(squares / Scalar(D) + eps);
        const Scalar along = -r * r * r * (product / Scalar(D));
        simd::for_each_lane<Arch, Scalar>(D, [=]<class B>(std::type_identity<B> b, Index i) {
          const B value = simd::load<B>(in + i);
          if (out) {
            const B sum = simd::madd(B(along), value, simd::load<B>(out + i));
            simd::store(out + i, simd::madd(B(r), weighted(b, i), sum));
          }
          if (dw)
            simd::store(dw + i, simd::madd(simd::load<B>(grad + i), B(value * B(r)),
                                           simd::load<B>(dw + i)));
        });
      },
      x, dy, dx);
}
SLUICE_COMPILED_KERNEL(rms_norm_rows_backward);

}  // namespace detail

/// Root-mean-square normalisation of the last axis.
///
///     y = w (.) x / sqrt(mean(x^2) + eps)
///
/// \param x       [.., D], of rank 5 at most.
/// \param weight  [D]; without data, 1.
/// \param eps     at least 0; keeps a row of zeros finite.
/// \param y       as x; overwritten. May be x itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Zhang and Sennrich, Root Mean Square Layer Normalization, NeurIPS 2019, eq. 4
/// (arXiv:1910.07467).
template <class Arch = simd::DefaultArch, Operand Y>
void rms_norm(const ConstViewOf<Y>& x, const ConstViewOf<Y, 1>& weight, double eps, Y&& y,
              const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  if (weight) require_shape("rms_norm", "weight", weight.shape(), {row_length(x)}, "to match x");
  require_shape("rms_norm", "y", out.shape(), x.shape(), "to match x");
  detail::rms_norm_rows<Arch, ElementOf<Y>>(common::rows_of(x, out), x.data(), weight.data(),
                                            ElementOf<Y>(eps), out.data(), workspace.executor);
}

/// Adjoint of `rms_norm`; every gradient is added to, and skipped when it has no data.
///
///     h = w (.) dy,  r = (mean(x^2) + eps)^(-1/2)
///     dx += r h - x r^3 mean(h (.) x)
///     dw += sum over rows of dy (.) x r
///
/// \param dy       [.., D], gradient by y.
/// \param dx       as x.
/// \param dweight  [D]; rows are added in order, so the sum is the same however x was made.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void rms_norm_backward(const ConstViewOf<Y>& x, const ConstViewOf<Y, 1>& weight, double eps,
                       const Y& dy, const ViewOf<Y>& dx, const ViewOf<Y, 1>& dweight,
                       const Workspace& workspace = {}) {
  const auto where = "rms_norm_backward";
  const ConstViewOf<Y> grad(dy);
  const Index D = row_length(x);
  if (weight) require_shape(where, "weight", weight.shape(), {D}, "to match x");
  require_shape(where, "dy", grad.shape(), x.shape(), "to match x");
  if (dx) require_shape(where, "dx", dx.shape(), x.shape(), "to match x");
  if (dweight) require_shape(where, "dweight", dweight.shape(), {D}, "to match x");
  detail::rms_norm_rows_backward<Arch, ElementOf<Y>>(common::rows_of(x, grad, dx), x.data(),
                                                     weight.data(), ElementOf<Y>(eps), grad.data(),
                                                     dx.data(), dweight.data(), workspace.executor);
}

}  // namespace sluice::kernels
