// SPDX-License-Identifier: MIT
/// \file
/// The linear layer as an operation on variables.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/linear/linear.hpp>
#include <sluice/ops/copy.hpp>

namespace sluice {

/// y = x weight^T + bias. x [..., in], weight [out, in], bias [out] or nothing, y [..., out].
///
/// \throws ShapeError  if the shapes do not agree.
template <class S, int R>
Variable<S, R> linear(const Variable<S, R>& x, const Parameter<S, 2>& weight,
                      const Parameter<S, 1>& bias = {}) {
  Tape<S>& tape = *x.tape;
  const auto in = with_rows(x);
  const auto w = weight.on(tape);
  const auto b = bias.on(tape);
  auto shape = x.shape();
  shape[R - 1] = w.dim(0);
  return operation(
      shape,
      [&](const View<S, R>& y) {
        kernels::linear(rows(in.value), w.value, b.value, rows(y), tape.workspace());
      },
      [=](auto, const View<const S, R>& dy) {
        const View<S, 2> dx = in.gradient ? rows(in.gradient) : View<S, 2>();
        kernels::linear_backward<simd::DefaultArch, S>(
            rows(in.value), w.value, rows(dy), dx, w.gradient, b.gradient, in.tape->workspace());
      },
      in, w, b);
}

}  // namespace sluice
