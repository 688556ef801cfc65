// SPDX-License-Identifier: MIT
/// \file
/// The selective scan of state-space models and the elementwise gated recurrence as operations on
/// variables: one kernel.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/ssm/backward.hpp>
#include <sluice/kernels/ssm/forward.hpp>

#include <algorithm>
#include <limits>
#include <span>

namespace sluice {

/// What `selective_scan` can be given besides its streams. Tensors are parameters, found by their
/// addresses where gradients are recorded.
template <class Scalar>
struct SelectiveScanOptions {
  const Tensor<Scalar, 1>* skip = nullptr;     ///< D [channels]
  const Tensor<Scalar, 1>* dt_bias = nullptr;  ///< [channels]
  Variable<Scalar, 3> z = {};                  ///< gate [batch, T, channels]
  bool softplus = false;                       ///< of dt, behind the bias
  bool complex = false;                        ///< real parts, then imaginary parts; ssm/types.hpp
  Scalar dt_min = -std::numeric_limits<Scalar>::infinity();  ///< limits of dt, behind softplus
  Scalar dt_max = std::numeric_limits<Scalar>::infinity();
  std::span<const Index> cu_seqlens = {};  ///< packed sequences; must outlive the pass
};

namespace detail {

/// The operation for operands and gradients of any kind. While recording, the gradient that has
/// come together at the final state is turned, in place, into that at the initial state.
template <class Scalar, class... Sources>
Variable<Scalar, 3> scan(Tape<Scalar>& tape, const ssm::Inputs<Scalar>& in,
                         ssm::Gradients<Scalar> grads, const View<Scalar, 3>& state, Scalar* dstate,
                         const Sources&... sources) {
  const auto y = tape.result(in.x.shape(), dstate, sources...);
  if (!y.gradient) {
    ssm::forward(in, state, y.out, tape.workspace());
    return y;
  }
  ssm::require_shapes("selective_scan", in, state, y.out);
  const Shape<3> shape{ssm::saved_states(in), in.states(), in.channels()};
  const View<Scalar, 3> saved(tape.allocate(shape), shape);
  ssm::forward(in, state, y.out, tape.workspace(), saved);
  grads.accumulate = true;
  tape.on_backward([in, grads, saved, y, dstate, size = state.shape()] {
    Scratch scratch(y.tape->workspace());
    View<Scalar, 3> gradient(dstate, size);
    if (!dstate) {
      gradient = {scratch.allocate<Scalar>(gradient.size()), size};
      std::fill_n(gradient.data(), gradient.size(), Scalar{0});
    }
    ssm::backward(in, View<const Scalar, 3>(saved), View<const Scalar, 3>(y.gradient), gradient,
                  grads, y.tape->workspace());
  });
  return y;
}

}  // namespace detail

/// The selective scan.
///
///     dt   <- clamp(softplus(dt + dt_bias))                       each part optional
///     h_tn  = exp(dt_t A_n) h_(t-1)n + dt_t B_tn x_t              for every channel
///     y_t   = (sum_n C_tn h_tn + D x_t) silu(z_t)
///
/// \param x, dt  [batch, T, channels].
/// \param A      [states, channels], negative.
/// \param B, C   [batch, T, groups, states] or [batch, T, states], by token; or [states, channels],
///               constant in time.
/// \param state  [batch or packed sequences, states, channels]; advanced by T tokens.
/// \returns      y [batch, T, channels].
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Gu and Dao, Mamba, 2023, algorithm 2 (arXiv:2312.00752).
template <class Scalar, int RankB, int RankC>
Variable<Scalar, 3> selective_scan(const Variable<Scalar, 3>& x, const Variable<Scalar, 3>& dt,
                                   const Variable<Scalar, 2>& A, const Variable<Scalar, RankB>& B,
                                   const Variable<Scalar, RankC>& C, Tensor<Scalar, 3>& state,
                                   const SelectiveScanOptions<Scalar>& options = {}) {
  Tape<Scalar>& tape = *x.tape;
  ssm::Inputs<Scalar> in{.x = x.value, .dt = dt.value, .A = A.value, .B = B.value, .C = C.value};
  ssm::Gradients<Scalar> grads{.dx = x.gradient, .ddt = dt.gradient, .dA = A.gradient};
  grads.dB = B.gradient, grads.dC = C.gradient;
  in.z = options.z.value, grads.dz = options.z.gradient;
  const auto parameter = [&](const Tensor<Scalar, 1>* tensor, View<const Scalar, 1>& value,
                             View<Scalar, 1>& gradient) {
    if (!tensor) return;
    value = *tensor;
    gradient = {tape.gradient_of(*tensor), value.shape()};
  };
  parameter(options.skip, in.D, grads.dD);
  parameter(options.dt_bias, in.dt_bias, grads.ddt_bias);
  in.softplus = options.softplus, in.complex = options.complex;
  in.dt_min = options.dt_min, in.dt_max = options.dt_max;
  in.cu_seqlens = options.cu_seqlens;
  return detail::scan<Scalar>(tape, in, grads, state, tape.gradient_of(state), x, dt, A, B, C,
                              options.z, grads.dD.data(), grads.ddt_bias.data());
}

/// The elementwise gated recurrence of HGRN.
///
///     h_t = exp(g_t) h_(t-1) + x_t,   y_t = h_t
///
/// \param x, g   [batch, T, channels]; g is a natural logarithm, at most 0.
/// \param state  [batch or packed sequences, channels]; advanced by T tokens.
/// \returns      y [batch, T, channels].
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Qin et al., NeurIPS 2023 (arXiv:2311.04823).
template <class Scalar>
Variable<Scalar, 3> gated_recurrence(const Variable<Scalar, 3>& x, const Variable<Scalar, 3>& g,
                                     Tensor<Scalar, 2>& state,
                                     std::span<const Index> cu_seqlens = {}) {
  auto in = ssm::gated_recurrence(x.value, g.value);
  in.cu_seqlens = cu_seqlens;
  const View<Scalar, 3> memory(state.data(), {state.dimension(0), 1, state.dimension(1)});
  return detail::scan<Scalar>(*x.tape, in, {.dx = x.gradient, .ddt = g.gradient}, memory,
                              x.tape->gradient_of(state), x, g);
}

}  // namespace sluice
