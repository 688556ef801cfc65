// SPDX-License-Identifier: MIT
/// \file
/// Sums, differences, products, quotients and maxima of variables, with each other, with parameters
/// and with numbers.
///
/// Shapes need not be equal: axes are matched from the last, and one that is missing or of length 1
/// is repeated, as `broadcast` does. All throw ShapeError if they do not fit.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/elementwise/maximum.hpp>
#include <sluice/kernels/elementwise/quotient.hpp>
#include <sluice/ops/broadcast.hpp>

#include <algorithm>
#include <string_view>
#include <type_traits>

namespace sluice {

namespace detail {

/// a and b as the operands of one elementwise kernel: of one shape, repeated by strides.
template <class S, int R>
struct Pair {
  Variable<S, R> a, b;

  template <int A, int B>
  Pair(std::string_view where, const Variable<S, A>& a_, const Variable<S, B>& b_) {
    const auto shape = common_shape(where, a_.shape(), b_.shape());
    a = fit(a_, shape), b = fit(b_, shape);
  }

 private:
  template <int Q>
  static Variable<S, R> fit(const Variable<S, Q>& x, const Shape<R>& shape) {
    if constexpr (R > 0)
      if (row_length(x.value) != shape[R - 1]) return broadcast(x, shape);
    return {x.tape, spread<R>(x.value, shape), spread<R>(x.gradient, shape)};
  }
};
template <class S, int A, int B>
Pair(std::string_view, const Variable<S, A>&, const Variable<S, B>&) -> Pair<S, (A > B ? A : B)>;

}  // namespace detail

/// a + b.
template <class S, int A, int B>
auto operator+(const Variable<S, A>& a, const Variable<S, B>& b) {
  const detail::Pair p("operator+", a, b);
  return operation(
      p.a.shape(), [&](const auto& y) { kernels::add(p.a.value, p.b.value, y); },
      [=](auto, const auto& dy) {
        kernels::add_scaled(dy, 1, p.a.gradient);
        kernels::add_scaled(dy, 1, p.b.gradient);
      },
      p.a, p.b);
}

/// a - b.
template <class S, int A, int B>
auto operator-(const Variable<S, A>& a, const Variable<S, B>& b) {
  const detail::Pair p("operator-", a, b);
  return operation(
      p.a.shape(), [&](const auto& y) { kernels::subtract(p.a.value, p.b.value, y); },
      [=](auto, const auto& dy) {
        kernels::add_scaled(dy, 1, p.a.gradient);
        kernels::add_scaled(dy, -1, p.b.gradient);
      },
      p.a, p.b);
}

/// a (.) b, element by element.
template <class S, int A, int B>
auto operator*(const Variable<S, A>& a, const Variable<S, B>& b) {
  const detail::Pair p("operator*", a, b);
  return operation(
      p.a.shape(), [&](const auto& y) { kernels::multiply(p.a.value, p.b.value, y); },
      [=](auto, const auto& dy) {
        kernels::add_product(dy, p.b.value, p.a.gradient);
        kernels::add_product(dy, p.a.value, p.b.gradient);
      },
      p.a, p.b);
}

/// a / b, element by element.
template <class S, int A, int B>
auto operator/(const Variable<S, A>& a, const Variable<S, B>& b) {
  const detail::Pair p("operator/", a, b);
  return operation(
      p.a.shape(), [&](const auto& y) { kernels::divide(p.a.value, p.b.value, y); },
      [=](const auto& y, const auto& dy) {
        kernels::divide_backward(p.b.value, y, dy, p.a.gradient, p.b.gradient);
      },
      p.a, p.b);
}

/// The larger of a and b, element by element; NaN where either is. Where they are equal, the
/// gradient goes to a.
template <class S, int A, int B>
auto maximum(const Variable<S, A>& a, const Variable<S, B>& b) {
  const detail::Pair p("maximum", a, b);
  return operation(
      p.a.shape(), [&](const auto& y) { kernels::maximum(p.a.value, p.b.value, y); },
      [=](auto, const auto& dy) {
        kernels::maximum_backward(p.a.value, p.b.value, dy, p.a.gradient, p.b.gradient);
      },
      p.a, p.b);
}

/// x + bias, a parameter of the model.
template <class S, int R, int Q>
auto operator+(const Variable<S, R>& x, const Tensor<S, Q>& bias) {
  return x + use(*x.tape, bias);
}
template <class S, int R, int Q>
void operator+(const Variable<S, R>& x, const Tensor<S, Q>&& bias) = delete;  // would dangle

/// x (.) weight, a parameter of the model.
template <class S, int R, int Q>
auto operator*(const Variable<S, R>& x, const Tensor<S, Q>& weight) {
  return x * use(*x.tape, weight);
}
template <class S, int R, int Q>
void operator*(const Variable<S, R>& x, const Tensor<S, Q>&& weight) = delete;  // would dangle

/// factor x + offset.
template <class S, int R>
Variable<S, R> affine(const Variable<S, R>& x, std::type_identity_t<S> factor,
                      std::type_identity_t<S> offset) {
  return operation(
      x.shape(), [&](const View<S, R>& y) { kernels::affine(x.value, factor, offset, y); },
      [=](auto, const View<const S, R>& dy) { kernels::add_scaled(dy, factor, x.gradient); }, x);
}

/// factor x.
template <class S, int R>
Variable<S, R> scale(const Variable<S, R>& x, std::type_identity_t<S> factor) {
  return affine(x, factor, 0);
}

/// x + offset.
template <class S, int R>
Variable<S, R> add_scalar(const Variable<S, R>& x, std::type_identity_t<S> offset) {
  return affine(x, 1, offset);
}

/// Numbers on either side. A quotient by a number is the product with its reciprocal.
template <class S, int R>
Variable<S, R> operator-(const Variable<S, R>& x) {
  return affine(x, -1, 0);
}
template <class S, int R>
Variable<S, R> operator+(const Variable<S, R>& x, std::type_identity_t<S> number) {
  return affine(x, 1, number);
}
template <class S, int R>
Variable<S, R> operator+(std::type_identity_t<S> number, const Variable<S, R>& x) {
  return affine(x, 1, number);
}
template <class S, int R>
Variable<S, R> operator-(const Variable<S, R>& x, std::type_identity_t<S> number) {
  return affine(x, 1, -number);
}
template <class S, int R>
Variable<S, R> operator-(std::type_identity_t<S> number, const Variable<S, R>& x) {
  return affine(x, -1, number);
}
template <class S, int R>
Variable<S, R> operator*(const Variable<S, R>& x, std::type_identity_t<S> number) {
  return affine(x, number, 0);
}
template <class S, int R>
Variable<S, R> operator*(std::type_identity_t<S> number, const Variable<S, R>& x) {
  return affine(x, number, 0);
}
template <class S, int R>
Variable<S, R> operator/(const Variable<S, R>& x, std::type_identity_t<S> number) {
  return affine(x, 1 / number, 0);
}
template <class S, int R>
Variable<S, R> operator/(std::type_identity_t<S> number, const Variable<S, R>& x) {
  return operation(
      x.shape(),
      [&](const View<S, R>& y) {
        std::fill_n(y.data(), y.size(), number);
        kernels::divide(View<const S, R>(y), x.value, y);
      },
      [=](const View<const S, R>& y, const View<const S, R>& dy) {
        kernels::divide_backward(x.value, y, dy, View<S, R>(), x.gradient);
      },
      x);
}

}  // namespace sluice
