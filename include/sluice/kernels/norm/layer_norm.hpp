// SPDX-License-Identifier: MIT
/// \file
/// Layer normalisation of rows: mean, then spread about the mean, then the result. The square of a
/// mean is never subtracted from a mean of squares, which would lose all digits of a narrow row
/// far from zero.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
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

}  // namespace detail

/// Layer normalisation of the last axis.
///
///     y = w (.) (x - mean(x)) / sqrt(var(x) + eps) + b,  var biased: the mean of squares
///
/// A constant row gives y = b.
///
/// \param x       [.., D].
/// \param weight  [D]; without data, 1.
/// \param bias    [D]; without data, 0.
/// \param eps     at least 0; keeps a constant row finite.
/// \param y       as x; overwritten. May be x itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Ba, Kiros and Hinton, Layer Normalization, 2016, eq. 3 (arXiv:1607.06450).
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void layer_norm(const View<const Scalar, Rank>& x,
                const std::type_identity_t<View<const Scalar, 1>>& weight,
                const std::type_identity_t<View<const Scalar, 1>>& bias,
                std::type_identity_t<Scalar> eps,
                const std::type_identity_t<View<Scalar, Rank>>& y) {
  const Index D = row_length(x);
  if (weight) require_shape("layer_norm", "weight", weight.shape(), {D}, "to match x");
  if (bias) require_shape("layer_norm", "bias", bias.shape(), {D}, "to match x");
  require_shape("layer_norm", "y", y.shape(), x.shape(), "to match x");
  const Scalar *const w = weight.data(), *const b = bias.data();
  for_each_row(
      [=](const Scalar* in, Scalar* out) {
        const Scalar mean = detail::row_mean<Arch>(in, D);
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
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void layer_norm_backward(const View<const Scalar, Rank>& x,
                         const std::type_identity_t<View<const Scalar, 1>>& weight,
                         std::type_identity_t<Scalar> eps,
                         const std::type_identity_t<View<const Scalar, Rank>>& dy,
                         const std::type_identity_t<View<Scalar, Rank>>& dx,
                         const std::type_identity_t<View<Scalar, 1>>& dweight,
                         const std::type_identity_t<View<Scalar, 1>>& dbias) {
  const Index D = row_length(x);
  if (weight) require_shape("layer_norm_backward", "weight", weight.shape(), {D}, "to match x");
  require_shape("layer_norm_backward", "dy", dy.shape(), x.shape(), "to match x");
  if (dx) require_shape("layer_norm_backward", "dx", dx.shape(), x.shape(), "to match x");
  if (dweight) require_shape("layer_norm_backward", "dweight", dweight.shape(), {D}, "to match x");
  if (dbias) require_shape("layer_norm_backward", "dbias", dbias.shape(), {D}, "to match x");
  const Scalar* const w = weight.data();
  Scalar *const dw = dweight.data(), *const db = dbias.data();
  for_each_row(
      [=](const Scalar* in, const Scalar* grad, Scalar* out) {
        const auto weighted = [=]<class B>(std::type_identity<B>, Index i) {
          return w ? B(simd::load<B>(w + i) * simd::load<B>(grad + i)) : simd::load<B>(grad + i);
        };
        const Scalar mean = detail::row_mean<Arch>(in, D);
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

}  // namespace sluice::kernels
