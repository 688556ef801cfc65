// SPDX-License-Identifier: MIT
/// \file
/// Sums and products of variables, with numbers, and with parameters that are one row.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/elementwise/rows.hpp>

#include <type_traits>

namespace sluice {

/// a + b, of one shape.
template <class Scalar, int Rank>
Variable<Scalar, Rank> operator+(const Variable<Scalar, Rank>& a, const Variable<Scalar, Rank>& b) {
  require_shape("operator+", "b", b.shape(), a.shape(), "to match a");
  const auto y = a.tape->result(a.shape(), a, b);
  kernels::add(a.value, b.value, y.out);
  if (y.gradient)
    a.tape->on_backward([a, b, y] {
      const View<const Scalar, Rank> dy = y.gradient;
      kernels::add_scaled(dy, 1, a.gradient);
      kernels::add_scaled(dy, 1, b.gradient);
    });
  return y;
}

/// a - b, of one shape.
template <class Scalar, int Rank>
Variable<Scalar, Rank> operator-(const Variable<Scalar, Rank>& a, const Variable<Scalar, Rank>& b) {
  require_shape("operator-", "b", b.shape(), a.shape(), "to match a");
  const auto y = a.tape->result(a.shape(), a, b);
  kernels::subtract(a.value, b.value, y.out);
  if (y.gradient)
    a.tape->on_backward([a, b, y] {
      const View<const Scalar, Rank> dy = y.gradient;
      kernels::add_scaled(dy, 1, a.gradient);
      kernels::add_scaled(dy, -1, b.gradient);
    });
  return y;
}

/// a (.) b, element by element, of one shape.
template <class Scalar, int Rank>
Variable<Scalar, Rank> operator*(const Variable<Scalar, Rank>& a, const Variable<Scalar, Rank>& b) {
  require_shape("operator*", "b", b.shape(), a.shape(), "to match a");
  const auto y = a.tape->result(a.shape(), a, b);
  kernels::multiply(a.value, b.value, y.out);
  if (y.gradient)
    a.tape->on_backward([a, b, y] {
      const View<const Scalar, Rank> dy = y.gradient;
      kernels::add_product(dy, b.value, a.gradient);
      kernels::add_product(dy, a.value, b.gradient);
    });
  return y;
}

/// factor x + offset.
template <class Scalar, int Rank>
Variable<Scalar, Rank> affine(const Variable<Scalar, Rank>& x, std::type_identity_t<Scalar> factor,
                              std::type_identity_t<Scalar> offset) {
  const auto y = x.tape->result(x.shape(), x);
  kernels::affine(x.value, factor, offset, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, factor] {
      kernels::add_scaled(View<const Scalar, Rank>(y.gradient), factor, x.gradient);
    });
  return y;
}

/// factor x.
template <class Scalar, int Rank>
Variable<Scalar, Rank> scale(const Variable<Scalar, Rank>& x, std::type_identity_t<Scalar> factor) {
  return affine(x, factor, 0);
}

/// x + offset.
template <class Scalar, int Rank>
Variable<Scalar, Rank> add_scalar(const Variable<Scalar, Rank>& x,
                                  std::type_identity_t<Scalar> offset) {
  return affine(x, 1, offset);
}

/// Every row of x plus a parameter. x [.., D], bias [D].
template <class Scalar, int Rank>
Variable<Scalar, Rank> operator+(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 1>& bias) {
  const View<const Scalar, 1> b(bias);
  require_shape("operator+", "bias", b.shape(), {row_length(x.value)}, "to match x");
  Scalar* db = x.tape->gradient_of(bias);
  const auto y = x.tape->result(x.shape(), x, db);
  kernels::add_row(x.value, b, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, b, db] {
      const View<const Scalar, Rank> dy = y.gradient;
      kernels::add_scaled(dy, 1, x.gradient);
      kernels::add_rows(dy, View<Scalar, 1>(db, b.shape()));
    });
  return y;
}

/// Every row of x times a parameter, element by element. x [.., D], weight [D].
template <class Scalar, int Rank>
Variable<Scalar, Rank> operator*(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 1>& weight) {
  const View<const Scalar, 1> w(weight);
  require_shape("operator*", "weight", w.shape(), {row_length(x.value)}, "to match x");
  Scalar* dw = x.tape->gradient_of(weight);
  const auto y = x.tape->result(x.shape(), x, dw);
  kernels::multiply_row(x.value, w, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, w, dw] {
      const View<const Scalar, Rank> dy = y.gradient;
      kernels::add_product_row(dy, w, x.gradient);
      kernels::add_row_products(dy, x.value, View<Scalar, 1>(dw, w.shape()));
    });
  return y;
}

}  // namespace sluice
