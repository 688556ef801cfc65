// SPDX-License-Identifier: MIT
/// \file
/// Sums and products of tensors, of a tensor and a number, and of every row and one row.
///
/// All overwrite y, which may be an input itself. All throw ShapeError if the shapes do not agree;
/// nothing has been written then. Gradients are made of the same: that of a sum is `add_scaled`,
/// that of a product `add_product`, that of a repeated row `add_rows` or `add_row_products`.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/elementwise/spans.hpp>
#include <sluice/simd/batch.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::kernels {

namespace detail {

/// y = f(a, b) for f on vectors and scalars.
template <class Arch, class F, class Scalar, int Rank>
void combine(std::string_view where, const F& f, const View<const Scalar, Rank>& a,
             const View<const Scalar, Rank>& b, const View<Scalar, Rank>& y) {
  require_shape(where, "b", b.shape(), a.shape(), "to match a");
  require_shape(where, "y", y.shape(), a.shape(), "to match a");
  for_each_span(
      [&](Index n, const Scalar* p, const Scalar* q, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, B(f(simd::load<B>(p + i), simd::load<B>(q + i))));
            });
      },
      a, b, y);
}

/// y = f(x, row), the row [D] being the same for all.
template <class Arch, class F, class Scalar, int Rank>
void combine_row(std::string_view where, const F& f, const View<const Scalar, Rank>& x,
                 const View<const Scalar, 1>& row, const View<Scalar, Rank>& y) {
  require_shape(where, "row", row.shape(), {row_length(x)}, "to match x");
  require_shape(where, "y", y.shape(), x.shape(), "to match x");
  const Index n = row_length(x);
  const Scalar* const q = row.data();
  for_each_row(
      [&](const Scalar* p, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, B(f(simd::load<B>(p + i), simd::load<B>(q + i))));
            });
      },
      x, y);
}

}  // namespace detail

/// y = a + b. All of one shape.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void add(const View<const Scalar, Rank>& a, const std::type_identity_t<View<const Scalar, Rank>>& b,
         const std::type_identity_t<View<Scalar, Rank>>& y) {
  detail::combine<Arch>(
      "add", [](const auto& p, const auto& q) { return p + q; }, a, b, y);
}

/// y = a - b. All of one shape.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void subtract(const View<const Scalar, Rank>& a,
              const std::type_identity_t<View<const Scalar, Rank>>& b,
              const std::type_identity_t<View<Scalar, Rank>>& y) {
  detail::combine<Arch>(
      "subtract", [](const auto& p, const auto& q) { return p - q; }, a, b, y);
}

/// y = a (.) b. All of one shape.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void multiply(const View<const Scalar, Rank>& a,
              const std::type_identity_t<View<const Scalar, Rank>>& b,
              const std::type_identity_t<View<Scalar, Rank>>& y) {
  detail::combine<Arch>(
      "multiply", [](const auto& p, const auto& q) { return p * q; }, a, b, y);
}

/// y = factor x + offset.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void affine(const View<const Scalar, Rank>& x, std::type_identity_t<Scalar> factor,
            std::type_identity_t<Scalar> offset,
            const std::type_identity_t<View<Scalar, Rank>>& y) {
  require_shape("affine", "y", y.shape(), x.shape(), "to match x");
  detail::for_each_span(
      [&](Index n, const Scalar* in, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, simd::madd(B(factor), simd::load<B>(in + i), B(offset)));
            });
      },
      x, y);
}

/// y += factor x, of one shape; nothing when y has no data.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void add_scaled(const View<const Scalar, Rank>& x, std::type_identity_t<Scalar> factor,
                const std::type_identity_t<View<Scalar, Rank>>& y) {
  if (!y) return;
  require_shape("add_scaled", "y", y.shape(), x.shape(), "to match x");
  detail::for_each_span(
      [&](Index n, const Scalar* in, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i,
                          simd::madd(B(factor), simd::load<B>(in + i), simd::load<B>(out + i)));
            });
      },
      x, y);
}

/// y += a (.) b, all of one shape; nothing when y has no data.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void add_product(const View<const Scalar, Rank>& a,
                 const std::type_identity_t<View<const Scalar, Rank>>& b,
                 const std::type_identity_t<View<Scalar, Rank>>& y) {
  if (!y) return;
  require_shape("add_product", "b", b.shape(), a.shape(), "to match a");
  require_shape("add_product", "y", y.shape(), a.shape(), "to match a");
  detail::for_each_span(
      [&](Index n, const Scalar* p, const Scalar* q, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, simd::madd(simd::load<B>(p + i), simd::load<B>(q + i),
                                              simd::load<B>(out + i)));
            });
      },
      a, b, y);
}

}  // namespace sluice::kernels
