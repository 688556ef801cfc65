// SPDX-License-Identifier: MIT
/// \file
/// The linear layer as an operation on variables.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/linear/linear.hpp>

namespace sluice {

namespace detail {

template <class Scalar, int Rank>
Variable<Scalar, Rank> linear(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 2>& weight,
                              const Tensor<Scalar, 1>* bias) {
  auto shape = x.shape();
  shape[Rank - 1] = weight.dimension(0);
  Tape<Scalar>& tape = *x.tape;
  Scalar* dw = tape.gradient_of(weight);
  Scalar* db = bias ? tape.gradient_of(*bias) : nullptr;
  const auto y = tape.result(shape, x, dw, db);
  const View<const Scalar, 2> w(weight);
  const View<const Scalar, 1> b = bias ? View<const Scalar, 1>(*bias) : View<const Scalar, 1>();
  kernels::linear(rows(x.value), w, b, rows(y.out), tape.workspace());
  if (y.gradient)
    tape.on_backward([x, y, w, dw, db] {
      using sluice::rows;
      const View<Scalar, 2> dx = x.gradient ? rows(x.gradient) : View<Scalar, 2>();
      kernels::linear_backward<simd::DefaultArch, Scalar>(
          rows(x.value), w, rows(y.gradient), dx, View<Scalar, 2>(dw, w.shape()),
          View<Scalar, 1>(db, {w.dim(0)}), x.tape->workspace());
    });
  return y;
}

}  // namespace detail

/// y = x weight^T. x [..., in], weight [out, in], y [..., out].
template <class Scalar, int Rank>
Variable<Scalar, Rank> linear(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 2>& weight) {
  return detail::linear<Scalar, Rank>(x, weight, nullptr);
}

/// y = x weight^T + bias. x [..., in], weight [out, in], bias [out], y [..., out].
template <class Scalar, int Rank>
Variable<Scalar, Rank> linear(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 2>& weight,
                              const Tensor<Scalar, 1>& bias) {
  return detail::linear(x, weight, &bias);
}

}  // namespace sluice
