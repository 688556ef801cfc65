// SPDX-License-Identifier: MIT
/// \file
/// The selective scan of state-space models and the elementwise gated recurrence as operations on
/// variables: one kernel.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/ssm/backward.hpp>
#include <sluice/kernels/ssm/forward.hpp>

#include <limits>

namespace sluice {

/// What `selective_scan` can be given besides its streams.
template <class Scalar>
struct SelectiveScanOptions {
  Parameter<Scalar, 1> skip = {};     ///< D [channels]
  Parameter<Scalar, 1> dt_bias = {};  ///< [channels]
  Variable<Scalar, 3> z = {};         ///< gate [batch, T, channels]
  bool softplus = false;              ///< of dt, behind the bias
  bool complex = false;               ///< real parts, then imaginary parts; ssm/types.hpp
  Scalar dt_min = -std::numeric_limits<Scalar>::infinity();  ///< limits of dt, behind softplus
  Scalar dt_max = std::numeric_limits<Scalar>::infinity();
};

namespace detail {

/// The operation for operands of any kind; `gradients()` tells where those by them go.
template <class Scalar, int StateRank, class Gradients, class... Sources>
Variable<Scalar, 3> scan(const ssm::Inputs<Scalar>& in, Tensor<Scalar, StateRank>& state,
                         const Gradients& gradients, const Variable<Scalar, 3>& x,
                         const Sources&... sources) {
  Tape<Scalar>& tape = *x.tape;
  const Shape<3> memory_shape{state.dimension(0), StateRank == 3 ? state.dimension(1) : 1,
                              state.dimension(StateRank - 1)};
  ssm::require_shapes("selective_scan", in, View<Scalar, 3>(state.data(), memory_shape), in.x);
  return recurrent_operation(
      in.x.shape(), state,
      [&](const View<Scalar, 3>& y, const auto& memory, bool keep) {
        View<Scalar, 3> saved;
        if (keep) saved = room(tape, Shape<3>{ssm::saved_states(in), in.states(), in.channels()});
        ssm::forward(in, View<Scalar, 3>(memory.data(), memory_shape), y, tape.workspace(), saved);
        return View<const Scalar, 3>(saved);
      },
      [=](const View<const Scalar, 3>& saved, const View<const Scalar, 3>& dy,
          const auto& dmemory) {
        auto grads = gradients();
        grads.accumulate = true;
        ssm::backward(in, saved, dy, View<Scalar, 3>(dmemory.data(), memory_shape), grads,
                      x.tape->workspace());
      },
      x, sources...);
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
  const auto D = options.skip.on(tape);
  const auto bias = options.dt_bias.on(tape);
  const auto z = options.z;
  ssm::Inputs<Scalar> in{.x = x.value,
                         .dt = dt.value,
                         .A = A.value,
                         .B = B.value,
                         .C = C.value,
                         .D = D.value,
                         .z = z.value,
                         .dt_bias = bias.value};
  in.softplus = options.softplus, in.complex = options.complex;
  in.dt_min = options.dt_min, in.dt_max = options.dt_max;
  in.cu_seqlens = tape.cu_seqlens();
  const auto gradients = [=] {
    ssm::Gradients<Scalar> grads{.dx = x.gradient,
                                 .ddt = dt.gradient,
                                 .dA = A.gradient,
                                 .dD = D.gradient,
                                 .dz = z.gradient,
                                 .ddt_bias = bias.gradient};
    grads.dB = B.gradient, grads.dC = C.gradient;
    return grads;
  };
  return detail::scan(in, state, gradients, x, dt, A, B, C, D, z, bias);
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
                                     Tensor<Scalar, 2>& state) {
  auto in = ssm::gated_recurrence(x.value, g.value);
  in.cu_seqlens = x.tape->cu_seqlens();
  const auto gradients = [=] {
    return ssm::Gradients<Scalar>{.dx = x.gradient, .ddt = g.gradient};
  };
  return detail::scan(in, state, gradients, x, g);
}

}  // namespace sluice
