// SPDX-License-Identifier: MIT
/// \file
/// The short causal convolution as an operation on variables.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/conv/backward.hpp>
#include <sluice/kernels/conv/forward.hpp>

#include <algorithm>
#include <span>

namespace sluice {

/// How `short_convolution` works.
template <class Scalar>
struct ShortConvolutionOptions {
  const Tensor<Scalar, 1>* bias = nullptr;  ///< [D]
  bool silu = false;                        ///< whether silu follows
  std::span<const Index> cu_seqlens = {};   ///< packed sequences; must outlive the pass
};

/// Every channel convolved with its own weights over the last W tokens.
///
///     y_t = act(bias + sum_i weight_i (.) x_{t - W + 1 + i})
///
/// While recording, the gradient that has come together at the final state is turned, in place,
/// into that at the initial state.
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
Variable<Scalar, 3> short_convolution(const Variable<Scalar, 3>& x, const Tensor<Scalar, 3>& weight,
                                      Tensor<Scalar, 3>& state,
                                      const ShortConvolutionOptions<Scalar>& options = {}) {
  Tape<Scalar>& tape = *x.tape;
  const Index D = weight.dimension(0), W = weight.dimension(2);
  require_shape("short_convolution", "weight", shape_of(weight), {D, 1, W}, "one row a channel");
  conv::Inputs<Scalar> in{.x = x.value, .weight = {weight.data(), {D, W}}};
  conv::Gradients<Scalar> grads{.dx = x.gradient, .dweight = {tape.gradient_of(weight), {D, W}}};
  grads.accumulate = true;
  in.activation = options.silu ? Activation::silu : Activation::identity;
  in.cu_seqlens = options.cu_seqlens;
  if (options.bias) {
    in.bias = *options.bias;
    grads.dbias = {tape.gradient_of(*options.bias), in.bias.shape()};
  }
  const View<Scalar, 3> memory(state), dmemory(tape.gradient_of(state), memory.shape());
  const auto y = tape.result(x.shape(), x, grads.dweight.data(), grads.dbias.data(),
                             static_cast<const Scalar*>(dmemory.data()));
  if (y.gradient) {
    conv::require_shapes("short_convolution", in, memory, y.out);
    const View<Scalar, 3> initial(tape.allocate(memory.shape()), memory.shape());
    std::copy_n(state.data(), state.size(), initial.data());
    tape.on_backward([in, grads, initial, dmemory, y] {
      conv::backward(in, View<const Scalar, 3>(initial), View<const Scalar, 3>(y.gradient), dmemory,
                     grads, y.tape->workspace());
    });
  }
  conv::forward(in, memory, y.out, tape.workspace());
  return y;
}

}  // namespace sluice
