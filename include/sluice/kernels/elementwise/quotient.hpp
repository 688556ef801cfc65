// SPDX-License-Identifier: MIT
/// \file
/// Quotients of tensors, and their gradients.
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
void divide_span(Index n, const Scalar* a, const Scalar* b, Scalar* y) {
  simd::for_each_lane<Arch, Scalar>(
      n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        simd::store(y + i, B(simd::divide(simd::load<B>(a + i), simd::load<B>(b + i))));
      });
}
SLUICE_COMPILED_KERNEL(divide_span);

/// da += dy / b.
template <class Arch, std::floating_point Scalar>
void add_quotient_span(Index n, const Scalar* dy, const Scalar* b, Scalar* da) {
  simd::for_each_lane<Arch, Scalar>(
      n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        const B quotient = simd::divide(simd::load<B>(dy + i), simd::load<B>(b + i));
        simd::store(da + i, B(simd::load<B>(da + i) + quotient));
      });
}
SLUICE_COMPILED_KERNEL(add_quotient_span);

/// db -= dy y / b.
template <class Arch, std::floating_point Scalar>
void add_divisor_span(Index n, const Scalar* dy, const Scalar* y, const Scalar* b, Scalar* db) {
  simd::for_each_lane<Arch, Scalar>(
      n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        const B product = simd::load<B>(dy + i) * simd::load<B>(y + i);
        simd::store(db + i, B(simd::load<B>(db + i) - simd::divide(product, simd::load<B>(b + i))));
      });
}
SLUICE_COMPILED_KERNEL(add_divisor_span);

}  // namespace detail

/// y = a / b, correctly rounded. All of one shape; y may be an input itself.
template <class Arch = simd::DefaultArch, Operand Y>
void divide(const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, Y&& y) {
  const ViewOf<Y> out(y);
  require_shape("divide", "b", b.shape(), a.shape(), "to match a");
  require_shape("divide", "y", out.shape(), a.shape(), "to match a");
  detail::each_span(detail::divide_span<Arch, ElementOf<Y>>, a, b, out);
}

/// Adjoint of `divide`, added to what is there; a gradient without data is skipped.
///
///     da += dy / b        db -= dy y / b
///
/// \param y  the quotient a / b.
template <class Arch = simd::DefaultArch, Operand Y>
void divide_backward(const ConstViewOf<Y>& b, const ConstViewOf<Y>& y, const Y& dy,
                     const ViewOf<Y>& da, const ViewOf<Y>& db) {
  const ConstViewOf<Y> grad(dy);
  const auto where = "divide_backward";
  require_shape(where, "y", y.shape(), b.shape(), "to match b");
  require_shape(where, "dy", grad.shape(), b.shape(), "to match b");
  if (da) require_shape(where, "da", da.shape(), b.shape(), "to match b");
  if (db) require_shape(where, "db", db.shape(), b.shape(), "to match b");
  if (da) detail::each_span(detail::add_quotient_span<Arch, ElementOf<Y>>, grad, b, da);
  if (db) detail::each_span(detail::add_divisor_span<Arch, ElementOf<Y>>, grad, y, b, db);
}

}  // namespace sluice::kernels
