// SPDX-License-Identifier: MIT
/// \file
/// Layer normalisation of rows: mean, then spread about the mean, then the result. The square of a
/// mean is never subtracted from a mean of squares, which would lose all digits of a narrow row
/// far from zero.
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

template <class Arch, class Scalar>
SLUICE_INLINE Scalar row_mean(const Scalar* x, Index n) noexcept {
  const auto [total] =
      simd::sums<Arch, Scalar, 1>(n, [=]<class B>(std::type_identity<B>, Index i, B* acc) {
        acc[0] = acc[0] + simd::load<B>(x + i);
      });
  return total / Scalar(n);
}

template <class Arch, std::floating_point Scalar>
void layer_norm_rows(const common::Rows<2>& rows, const Scalar* x, const Scalar* w, const Scalar* b,
                     Scalar eps, Scalar* y, const Executor& executor) {
  const Index D = rows.width;
  common::share_each_row(
      executor, rows,
      [=](const Scalar* in, Scalar* out) {
        const Scalar mean = row_mean<Arch>(in, D);
        const auto [squares] =
            simd::sums<Arch, Scalar, 1>(D, [=]<class B>(std::type_identity<B>, Index i, B* acc) {
              const B d = simd::load<B>(in + i) - B(mean);
              acc[0] = simd::madd(d, d, acc[0]);
            });
        const Scalar r = 1 / std::sqrt(squares / Scalar(D) + eps);
        simd::for_each_lane<Arch, Scalar>(D, [=]<class B>(std::type_identity<B>, Index i) {
          B normal = (simd::load<B>(in + i) - B(mean)) * B(r);
          if (w) normal = normal * simd::load<B>(w + i);
          if (b) normal = normal + simd::load<B>(b + i);
          simd::store(out + i, normal);
        });
      },
      x, y);
}
SLUICE_COMPILED_KERNEL(layer_norm_rows);

/// One thread where dw or db is wanted: they are summed in the order of the rows.
template <class Arch, std::floating_point Scalar>
void layer_norm_rows_backward(const common::Rows<3>& rows, const Scalar* x, const Scalar* w,
                              Scalar eps, const Scalar* dy, Scalar* dx, Scalar* dw, Scalar* db,
                              const Executor& executor) {
  const Index D = rows.width;
  common::share_each_row(
      dw || db ? Executor{} : executor, rows,
      [=](const Scalar* in, const Scalar* grad, Scalar* out) {
        const auto weighted = [=]<class B>(std::type_identity<B>, Index i) {
          return w ? B(simd::load<B>(w + i) * simd::load<B>(grad + i)) : simd::load<B>(grad + i);
        };
        const Scalar mean = row_mean<Arch>(in, D);
        const auto [squares, total, product] =
            simd::sums<Arch, Scalar, 3>(D, [=]<class B>(std::type_identity<B> b, Index i, B* acc) {
              const B d = simd::load<B>(in + i) - B(mean);
              const B h = weighted(b, i);
              acc[0] = simd::madd(d, d, acc[0]);
              acc[1] = acc[1] + h;
              acc[2] = simd::madd(h, d, acc[2]);
            });
        const Scalar r = 1 / std::sqrt(squares / Scalar(D) + eps);
        const Scalar level = -r * (total / Scalar(D));
        const Scalar along = -r * r * r * (product / Scalar(D));
        simd::for_each_lane<Arch, Scalar>(D, [=]<class B>(std::type_identity<B> b, Index i) {
          const B d = simd::load<B>(in + i) - B(mean);
          const B dy_i = simd::load<B>(grad + i);
          if (out) {
            const B sum = simd::madd(B(along), d, B(simd::load<B>(out + i) + B(level)));
            simd::store(out + i, simd::madd(B(r), weighted(b, i), sum));
          }
          if (dw) simd::store(dw + i, simd::madd(dy_i, B(d * B(r)), simd::load<B>(dw + i)));
          if (db) simd::store(db + i, B(simd::load<B>(db + i) + dy_i));
        });
      },
      x, dy, dx);
}
SLUICE_COMPILED_KERNEL(layer_norm_rows_backward);

}  // namespace detail

/// Layer normalisation of the last axis.
///
///     y = w (.) (x - mean(x)) / sqrt(var(x) + eps) + b,  var biased: the mean of squares
///
/// A constant row gives y = b.
///
/// \param x       [.., D], of rank 5 at most.
/// \param weight  [D]; without data, 1.
/// \param bias    [D]; without data, 0.
/// \param eps     at least 0; keeps a constant row finite.
/// \param y       as x; overwritten. May be x itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Ba, Kiros and Hinton, Layer Normalization, 2016, eq. 3 (arXiv:1607.06450).
template <class Arch = simd::DefaultArch, Operand Y>
void layer_norm(const ConstViewOf<Y>& x, const ConstViewOf<Y, 1>& weight,
                const ConstViewOf<Y, 1>& bias, double eps, Y&& y, const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  const Index D = row_length(x);
  if (weight) require_shape("layer_norm", "weight", weight.shape(), {D}, "to match x");
  if (bias) require_shape("layer_norm", "bias", bias.shape(), {D}, "to match x");
  require_shape("layer_norm", "y", out.shape(), x.shape(), "to match x");
  detail::layer_norm_rows<Arch, ElementOf<Y>>(common::rows_of(x, out), x.data(), weight.data(),
                                              bias.data(), ElementOf<Y>(eps), out.data(),
                                              workspace.executor);
}

/// Adjoint of `layer_norm`; every gradient is added to, and skipped when it has no data.
///
///     h = w (.) dy,  d = x - mean(x),  r = (mean(d^2) + eps)^(-1/2)
///     dx += r (h - mean(h)) - d r^3 mean(h (.) d)
///     dw += sum over rows of dy (.) d r
///     db += sum over rows of dy
///
/// \param dy       [.., D], gradient by y.
/// \param dx       as x.
/// \param dweight  [D]; rows are added in order, so the sum is the same however x was made.
/// \param dbias    [D], likewise.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void layer_norm_backward(const ConstViewOf<Y>& x, const ConstViewOf<Y, 1>& weight, double eps,
                         const Y& dy, const ViewOf<Y>& dx, const ViewOf<Y, 1>& dweight,
                         const ViewOf<Y, 1>& dbias, const Workspace& workspace = {}) {
  const auto where = "layer_norm_backward";
  const ConstViewOf<Y> grad(dy);
  const Index D = row_length(x);
  if (weight) require_shape(where, "weight", weight.shape(), {D}, "to match x");
  require_shape(where, "dy", grad.shape(), x.shape(), "to match x");
  if (dx) require_shape(where, "dx", dx.shape(), x.shape(), "to match x");
  if (dweight) require_shape(where, "dweight", dweight.shape(), {D}, "to match x");
  if (dbias) require_shape(where, "dbias", dbias.shape(), {D}, "to match x");
  detail::layer_norm_rows_backward<Arch, ElementOf<Y>>(
      common::rows_of(x, grad, dx), x.data(), weight.data(), ElementOf<Y>(eps), grad.data(),
      dx.data(), dweight.data(), dbias.data(), workspace.executor);
}

}  // namespace sluice::kernels
