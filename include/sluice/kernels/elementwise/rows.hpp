// SPDX-License-Identifier: MIT
/// \file
/// Every row of a tensor with one row: biases and scales, and their gradients.
///
/// The functions with y overwrite it, and y may be x itself; the others add to what is there, row
/// after row in order. All throw ShapeError if the shapes do not agree; nothing has been written
/// then.
#pragma once

#include <sluice/kernels/elementwise/arithmetic.hpp>

namespace sluice::kernels {

/// y = x + row. x [.., D], row [D], y as x.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void add_row(const View<const Scalar, Rank>& x,
             const std::type_identity_t<View<const Scalar, 1>>& row,
             const std::type_identity_t<View<Scalar, Rank>>& y) {
  detail::combine_row<Arch>(
      "add_row", [](const auto& p, const auto& q) { return p + q; }, x, row, y);
}

/// y = x (.) row. x [.., D], row [D], y as x.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void multiply_row(const View<const Scalar, Rank>& x,
                  const std::type_identity_t<View<const Scalar, 1>>& row,
                  const std::type_identity_t<View<Scalar, Rank>>& y) {
  detail::combine_row<Arch>(
      "multiply_row", [](const auto& p, const auto& q) { return p * q; }, x, row, y);
}

/// y += x (.) row; nothing when y has no data. x [.., D], row [D], y as x.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void add_product_row(const View<const Scalar, Rank>& x,
                     const std::type_identity_t<View<const Scalar, 1>>& row,
                     const std::type_identity_t<View<Scalar, Rank>>& y) {
  if (!y) return;
  const Index n = row_length(x);
  require_shape("add_product_row", "row", row.shape(), {n}, "to match x");
  require_shape("add_product_row", "y", y.shape(), x.shape(), "to match x");
  const Scalar* const q = row.data();
  for_each_row(
      [&](const Scalar* p, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, simd::madd(simd::load<B>(p + i), simd::load<B>(q + i),
                                              simd::load<B>(out + i)));
            });
      },
      x, y);
}

/// sum += all rows of x; nothing when sum has no data. x [.., D], sum [D].
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void add_rows(const View<const Scalar, Rank>& x, const std::type_identity_t<View<Scalar, 1>>& sum) {
  if (!sum) return;
  const Index n = row_length(x);
  require_shape("add_rows", "sum", sum.shape(), {n}, "to match x");
  Scalar* const out = sum.data();
  for_each_row(
      [&](const Scalar* p) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, B(simd::load<B>(out + i) + simd::load<B>(p + i)));
            });
      },
      x);
}

/// sum += all rows of a (.) b; nothing when sum has no data. a, b [.., D], sum [D].
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void add_row_products(const View<const Scalar, Rank>& a,
                      const std::type_identity_t<View<const Scalar, Rank>>& b,
                      const std::type_identity_t<View<Scalar, 1>>& sum) {
  if (!sum) return;
  const Index n = row_length(a);
  require_shape("add_row_products", "b", b.shape(), a.shape(), "to match a");
  require_shape("add_row_products", "sum", sum.shape(), {n}, "to match a");
  Scalar* const out = sum.data();
  for_each_row(
      [&](const Scalar* p, const Scalar* q) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, simd::madd(simd::load<B>(p + i), simd::load<B>(q + i),
                                              simd::load<B>(out + i)));
            });
      },
      a, b);
}

}  // namespace sluice::kernels
