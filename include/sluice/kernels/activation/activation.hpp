// SPDX-License-Identifier: MIT
/// \file
/// An activation function, or a gate made of one, over whole tensors.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/activation/functions.hpp>
#include <sluice/kernels/elementwise/spans.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::kernels {

/// y = f(x), element by element.
///
/// \param f  one of the functions of functions.hpp.
/// \param x  any shape.
/// \param y  as x; overwritten. May be x itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, class F, std::floating_point Scalar, int Rank>
void activation(const F& f, const View<const Scalar, Rank>& x,
                const std::type_identity_t<View<Scalar, Rank>>& y) {
  require_shape("activation", "y", y.shape(), x.shape(), "to match x");
  detail::for_each_span(
      [&](Index n, const Scalar* in, Scalar* out) {
        const F g = f;
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i)
                   SLUICE_INLINE_LAMBDA { simd::store(out + i, g.value(simd::load<B>(in + i))); });
      },
      x, y);
}

/// Adjoint of `activation`: dx += dy f'(x).
///
/// \param dy  as x, gradient by y.
/// \param dx  as x; added to, skipped when it has no data.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, class F, std::floating_point Scalar, int Rank>
void activation_backward(const F& f, const View<const Scalar, Rank>& x,
                         const std::type_identity_t<View<const Scalar, Rank>>& dy,
                         const std::type_identity_t<View<Scalar, Rank>>& dx) {
  require_shape("activation_backward", "dy", dy.shape(), x.shape(), "to match x");
  if (!dx) return;
  require_shape("activation_backward", "dx", dx.shape(), x.shape(), "to match x");
  detail::for_each_span(
      [&](Index n, const Scalar* in, const Scalar* grad, Scalar* out) {
        const F g = f;
        simd::for_each_lane<Arch, Scalar>(n, [=]<class B>(std::type_identity<B>,
                                                          Index i) SLUICE_INLINE_LAMBDA {
          const B slope = g.jet(simd::load<B>(in + i)).slope;
          simd::store(out + i, simd::madd(simd::load<B>(grad + i), slope, simd::load<B>(out + i)));
        });
      },
      x, dy, dx);
}

/// y = f(a) (.) b in one pass: SwiGLU with Silu, GEGLU with Gelu, GLU with Sigmoid.
///
/// \param a, b  any shape, the same.
/// \param y     as a; overwritten. May be a or b itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Shazeer, GLU Variants Improve Transformer, 2020, eq. 5 (arXiv:2002.05202).
template <class Arch = simd::DefaultArch, class F, std::floating_point Scalar, int Rank>
void gated(const F& f, const View<const Scalar, Rank>& a,
           const std::type_identity_t<View<const Scalar, Rank>>& b,
           const std::type_identity_t<View<Scalar, Rank>>& y) {
  require_shape("gated", "b", b.shape(), a.shape(), "to match a");
  require_shape("gated", "y", y.shape(), a.shape(), "to match a");
  detail::for_each_span(
      [&](Index n, const Scalar* gate, const Scalar* value, Scalar* out) {
        const F g = f;
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, B(g.value(simd::load<B>(gate + i)) * simd::load<B>(value + i)));
            });
      },
      a, b, y);
}

/// Adjoint of `gated`: da += dy (.) b (.) f'(a) and db += dy (.) f(a).
///
/// \param dy      as a, gradient by y.
/// \param da, db  as a; added to, skipped when they have no data. May be the same memory.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, class F, std::floating_point Scalar, int Rank>
void gated_backward(const F& f, const View<const Scalar, Rank>& a,
                    const std::type_identity_t<View<const Scalar, Rank>>& b,
                    const std::type_identity_t<View<const Scalar, Rank>>& dy,
                    const std::type_identity_t<View<Scalar, Rank>>& da,
                    const std::type_identity_t<View<Scalar, Rank>>& db) {
  require_shape("gated_backward", "b", b.shape(), a.shape(), "to match a");
  require_shape("gated_backward", "dy", dy.shape(), a.shape(), "to match a");
  if (da) require_shape("gated_backward", "da", da.shape(), a.shape(), "to match a");
  if (db) require_shape("gated_backward", "db", db.shape(), a.shape(), "to match a");
  detail::for_each_span(
      [&](Index n, const Scalar* gate, const Scalar* value, const Scalar* grad, Scalar* dgate,
          Scalar* dvalue) {
        const F g = f;
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              const auto jet = g.jet(simd::load<B>(gate + i));
              const B dy_i = simd::load<B>(grad + i);
              const B through = dy_i * jet.slope;
              if (dgate)
                simd::store(dgate + i, simd::madd(through, simd::load<B>(value + i),
                                                  simd::load<B>(dgate + i)));
              if (dvalue)
                simd::store(dvalue + i, simd::madd(dy_i, jet.value, simd::load<B>(dvalue + i)));
            });
      },
      a, b, dy, da, db);
}

}  // namespace sluice::kernels
