// SPDX-License-Identifier: MIT
/// \file
/// The larger of two tensors, element by element, and its gradient.
///
/// Strides are free: an operand whose leading strides are 0 repeats its rows, and a gradient of
/// that kind sums them in order. All throw ShapeError if the shapes do not agree; nothing has been
/// written then.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/elementwise/detail/each_span.hpp>
#include <sluice/simd/batch.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::kernels {

namespace detail {

template <class Arch, std::floating_point Scalar>
void maximum_span(Index n, const Scalar* a, const Scalar* b, Scalar* y) {
  simd::for_each_lane<Arch, Scalar>(
      n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        const B p = simd::load<B>(a + i), q = simd::load<B>(b + i);
        // Comparisons fail where either is NaN; of p itself, because not all have an unordered `!=`.
    simd::store(y + i, simd::select(p == p, simd::select(p >= q, p, q), p));
  });
}
SLUICE_COMPILED_KERNEL(maximum_span);

/// dx += dy where `of_b` is whether b was taken.
template <class Arch, std::floating_point Scalar>
void add_maximum_span(bool of_b, Index n, const Scalar* a, const Scalar* b, const Scalar* dy,
                      Scalar* dx) {
  simd::for_each_lane<Arch, Scalar>(
      n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        const B grad = simd::load<B>(dy + i), none(Scalar{0});
        const auto larger = simd::load<B>(b + i) > simd::load<B>(a + i);
        const B part = of_b ? simd::select(larger, grad, none) : simd::select(larger, none, grad);
        simd::store(dx + i, B(simd::load<B>(dx + i) + part));
      });
}
SLUICE_COMPILED_KERNEL(add_maximum_span);

}  // namespace detail

/// y = max(a, b); NaN where either is. All of one shape; y may be an input itself.
template <class Arch = simd::DefaultArch, Operand Y>
void maximum(const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, Y&& y) {
  const ViewOf<Y> out(y);
  require_shape("maximum", "b", b.shape(), a.shape(), "to match a");
  require_shape("maximum", "y", out.shape(), a.shape(), "to match a");
  detail::each_span(detail::maximum_span<Arch, ElementOf<Y>>, a, b, out);
}

/// Adjoint of `maximum`, added to what is there: db += dy where b > a, and da += dy elsewhere. A
/// gradient without data is skipped.
template <class Arch = simd::DefaultArch, Operand Y>
void maximum_backward(const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, const Y& dy,
                      const ViewOf<Y>& da, const ViewOf<Y>& db) {
  const ConstViewOf<Y> grad(dy);
  const auto where = "maximum_backward";
  require_shape(where, "b", b.shape(), a.shape(), "to match a");
  require_shape(where, "dy", grad.shape(), a.shape(), "to match a");
  if (da) require_shape(where, "da", da.shape(), a.shape(), "to match a");
  if (db) require_shape(where, "db", db.shape(), a.shape(), "to match a");
  const auto add = [&](bool of_b, const ViewOf<Y>& dx) {
    detail::each_span(
        [of_b](Index n, const auto* p, const auto* q, const auto* g, auto* out) {
          detail::add_maximum_span<Arch, ElementOf<Y>>(of_b, n, p, q, g, out);
        },
        a, b, grad, dx);
  };
  if (da) add(false, da);
  if (db) add(true, db);
}

}  // namespace sluice::kernels
