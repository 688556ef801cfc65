// SPDX-License-Identifier: MIT
/// \file
/// The short causal convolution as an operation on variables.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/conv/backward.hpp>
#include <sluice/kernels/conv/forward.hpp>

#include <algorithm>

namespace sluice {

/// How `short_convolution` works.
template <class Scalar>
struct ShortConvolutionOptions {
  Parameter<Scalar, 1> bias = {};                ///< [D]
  Activation activation = Activation::identity;  ///< identity or silu
};

/// Every channel convolved with its own weights over the last W tokens.
///
///     y_t = act(bias + sum_i weight_i (.) x_{t - W + 1 + i})
///
/// \param x       [B, T, D].
/// \param weight  [D, 1, W], as published checkpoints have it.
/// \param state   [B or packed sequences, W - 1, D], the last inputs, the oldest first; moved on by
///                T tokens.
/// \returns       y [B, T, D].
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Gu and Dao, Mamba, 2023, section 3.4 (arXiv:2312.00752).
template <class Scalar>
Variable<Scalar, 3> short_convolution(const Variable<Scalar, 3>& x,
                                      const Parameter<Scalar, 3>& weight, Tensor<Scalar, 3>& state,
                                      const ShortConvolutionOptions<Scalar>& options = {}) {
  Tape<Scalar>& tape = *x.tape;
  const auto w = weight.on(tape);
  const auto bias = options.bias.on(tape);
  const Index D = w.dim(0), W = w.dim(2);
  require_shape("short_convolution", "weight", w.shape(), {D, 1, W}, "one row a channel");
  conv::Inputs<Scalar> in{.x = x.value, .weight = rows(w.value), .bias = bias.value};
  in.activation = options.activation, in.cu_seqlens = tape.cu_seqlens();
  conv::require_shapes("short_convolution", in, View<Scalar, 3>(state), x.value);
  return recurrent_operation(
      x.shape(), state,
      [&](const View<Scalar, 3>& y, const View<Scalar, 3>& memory, bool keep) {
        View<const Scalar, 3> initial;
        if (keep) {
          const auto copy = room(tape, memory.shape());
          std::copy_n(memory.data(), memory.size(), copy.data());
          initial = copy;
        }
        conv::forward(in, memory, y, tape.workspace());
        return initial;
      },
      [=](const View<const Scalar, 3>& initial, const View<const Scalar, 3>& dy,
          const View<Scalar, 3>& dmemory) {
        conv::Gradients<Scalar> grads{.dx = x.gradient, .dbias = bias.gradient};
        if (w.gradient) grads.dweight = rows(w.gradient);
        grads.accumulate = true;
        conv::backward(in, initial, dy, dmemory, grads, x.tape->workspace());
      },
      x, w, bias);
}

}  // namespace sluice
