// SPDX-License-Identifier: MIT
/// \file
/// Rotary position embedding: a head is turned by angles that grow with its position, so that the
/// product of a query and a key depends on how far apart they are.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>

#include <cmath>
#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice::kernels {

/// Cosine and sine of the angles of T tokens from `position` on.
///
///     angle of token t and pair i = (position + t) base^(-i / P)
///
/// Computed in double, for a position of a million times its rounding in float is a turn of 3
/// degrees.
///
/// \param cosine, sine  [T, P]; overwritten. P is half the width of a head.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <std::floating_point Scalar>
void rotary_angles(Index position, double base, const View<Scalar, 2>& cosine,
                   const std::type_identity_t<View<Scalar, 2>>& sine) {
  require_shape("rotary_angles", "sine", sine.shape(), cosine.shape(), "to match cosine");
  const Index T = cosine.dim(0), P = cosine.dim(1);
  for (Index i = 0; i < P; ++i) {
    const double frequency = std::pow(base, -double(i) / double(P));
    for (Index t = 0; t < T; ++t) {
      const double angle = double(position + t) * frequency;
      cosine.row(t)[i] = Scalar(std::cos(angle));
      sine.row(t)[i] = Scalar(std::sin(angle));
    }
  }
}

namespace detail {

/// Calls f(x, y, cosine, sine) for every head; x and y may be of other constness.
template <class From, class Scalar, class F>
void for_each_rotated(std::string_view where, const View<From, 4>& x,
                      const View<const Scalar, 2>& cosine, const View<const Scalar, 2>& sine,
                      const View<Scalar, 4>& y, const F& f) {
  const Index B = x.dim(0), T = x.dim(1), H = x.dim(2), K = x.dim(3);
  if (K % 2 != 0) require(false, where, "the width of a head", "even", std::to_string(K));
  require_shape(where, "cosine", cosine.shape(), {T, K / 2}, "to match x");
  require_shape(where, "sine", sine.shape(), {T, K / 2}, "to match x");
  require_shape(where, "y", y.shape(), x.shape(), "to match x");
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < H; ++h) f(x.row(b, t, h), y.row(b, t, h), cosine.row(t), sine.row(t));
}

}  // namespace detail

/// Turns channels i and i + K / 2 of every head together, the form of published checkpoints.
///
///     y_i = x_i cos - x_{i + K/2} sin,   y_{i + K/2} = x_{i + K/2} cos + x_i sin
///
/// \param x             [B, T, H, K], K even.
/// \param cosine, sine  [T, K / 2], of `rotary_angles`.
/// \param y             as x; overwritten. May be x itself.
/// \throws ShapeError, ArgumentError  if the shapes do not agree or K is odd; nothing has been
///                                    written then.
///
/// Source: Su et al., RoFormer, 2021, eq. 34 (arXiv:2104.09864).
template <class Arch = simd::DefaultArch, std::floating_point Scalar>
void rotary(const View<const Scalar, 4>& x,
            const std::type_identity_t<View<const Scalar, 2>>& cosine,
            const std::type_identity_t<View<const Scalar, 2>>& sine,
            const std::type_identity_t<View<Scalar, 4>>& y) {
  const Index P = x.dim(3) / 2;
  detail::for_each_rotated("rotary", x, cosine, sine, y,
                           [P](const Scalar* in, Scalar* out, const Scalar* c, const Scalar* s) {
                             simd::for_each_lane<Arch, Scalar>(
                                 P, [=]<class L>(std::type_identity<L>, Index i) {
                                   const L a = simd::load<L>(in + i), b = simd::load<L>(in + P + i);
                                   const L cos = simd::load<L>(c + i), sin = simd::load<L>(s + i);
                                   simd::store(out + i, simd::nmadd(b, sin, L(a * cos)));
                                   simd::store(out + P + i, simd::madd(a, sin, L(b * cos)));
                                 });
                           });
}

/// Adjoint of `rotary`: turned back, and added to dx. Skipped when dx has no data.
///
/// \param dy  [B, T, H, K], gradient by y.
template <class Arch = simd::DefaultArch, std::floating_point Scalar>
void rotary_backward(const View<const Scalar, 4>& dy,
                     const std::type_identity_t<View<const Scalar, 2>>& cosine,
                     const std::type_identity_t<View<const Scalar, 2>>& sine,
                     const std::type_identity_t<View<Scalar, 4>>& dx) {
  if (!dx) return;
  const Index P = dy.dim(3) / 2;
  detail::for_each_rotated("rotary_backward", dy, cosine, sine, dx,
                           [P](const Scalar* in, Scalar* out, const Scalar* c, const Scalar* s) {
                             simd::for_each_lane<Arch, Scalar>(
                                 P, [=]<class L>(std::type_identity<L>, Index i) {
                                   const L a = simd::load<L>(in + i), b = simd::load<L>(in + P + i);
                                   const L cos = simd::load<L>(c + i), sin = simd::load<L>(s + i);
                                   const L da = simd::madd(a, cos, simd::load<L>(out + i));
                                   const L db = simd::madd(b, cos, simd::load<L>(out + P + i));
                                   simd::store(out + i, simd::madd(b, sin, da));
                                   simd::store(out + P + i, simd::nmadd(a, sin, db));
                                 });
                           });
}

}  // namespace sluice::kernels
