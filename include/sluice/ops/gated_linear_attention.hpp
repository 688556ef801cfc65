// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention, retention and linear attention as operations on variables: one kernel,
/// told apart by the gate.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/gla/backward.hpp>
#include <sluice/kernels/gla/forward.hpp>

#include <cmath>
#include <optional>

namespace sluice {

/// What the operations of this file share.
template <class Scalar>
struct GatedLinearAttentionOptions {
  std::optional<Scalar> scale = {};  ///< multiplies q; 1 / sqrt(K) unless given
  Parameter<Scalar, 2> bonus = {};   ///< u [HV, K]: o reads the state before its token
};

namespace detail {

/// The operation for any gate: a variable, or without a tape none.
template <class Scalar, int GateRank>
Variable<Scalar, 4> decayed_attention(const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k,
                                      const Variable<Scalar, 4>& v,
                                      const Variable<Scalar, GateRank>& g, Tensor<Scalar, 4>& state,
                                      const GatedLinearAttentionOptions<Scalar>& options) {
  Tape<Scalar>& tape = *q.tape;
  const Scalar scale = options.scale.value_or(Scalar(1 / std::sqrt(double(q.dim(3)))));
  const auto u = options.bonus.on(tape);
  gla::Inputs<Scalar> in{.q = q.value, .k = k.value, .v = v.value, .u = u.value};
  if (g.tape) in.g = g.value;
  in.cu_seqlens = tape.cu_seqlens();
  gla::require_shapes("gated_linear_attention", in, View<Scalar, 4>(state), v.value);
  return recurrent_operation(
      v.shape(), state,
      [&](const View<Scalar, 4>& o, const View<Scalar, 4>& memory, bool keep) {
        View<Scalar, 4> saved;
        if (keep) saved = room(tape, Shape<4>{gla::saved_states(in), v.dim(2), q.dim(3), v.dim(3)});
        gla::forward(in, scale, memory, o, tape.workspace(), saved);
        return View<const Scalar, 4>(saved);
      },
      [=](const View<const Scalar, 4>& saved, const View<const Scalar, 4>& dout,
          const View<Scalar, 4>& dmemory) {
        gla::Gradients<Scalar> grads{
            .dq = q.gradient, .dk = k.gradient, .dv = v.gradient, .du = u.gradient};
        if (g.gradient) grads.dg = g.gradient;
        grads.accumulate = true;
        gla::backward(in, scale, saved, dout, dmemory, grads, q.tape->workspace());
      },
      q, k, v, g, u);
}

}  // namespace detail

/// Gated linear attention with a decay for every key channel.
///
///     S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T,        o_t = scale S_t^T q_t
///
/// \param q, k   [B, T, H, K], \param v [B, T, HV, V], \param g [B, T, HV, K], natural log, <= 0.
/// \param state  [B, HV, K, V]; advanced by T tokens.
/// \returns      o [B, T, HV, V].
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Yang et al., ICML 2024, eq. 3 (arXiv:2312.06635).
template <class Scalar>
Variable<Scalar, 4> gated_linear_attention(
    const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k, const Variable<Scalar, 4>& v,
    const Variable<Scalar, 4>& g, Tensor<Scalar, 4>& state,
    const GatedLinearAttentionOptions<Scalar>& options = {}) {
  return detail::decayed_attention(q, k, v, g, state, options);
}

/// The same with one decay for all channels of a head: g [B, T, HV].
template <class Scalar>
Variable<Scalar, 4> gated_linear_attention(
    const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k, const Variable<Scalar, 4>& v,
    const Variable<Scalar, 3>& g, Tensor<Scalar, 4>& state,
    const GatedLinearAttentionOptions<Scalar>& options = {}) {
  return detail::decayed_attention(q, k, v, g, state, options);
}

/// Retention: a decay that is constant in time, log_decay [HV], a parameter or computed.
/// Source: Sun et al., Retentive Network, 2023, eq. 6 (arXiv:2307.08621).
template <class Scalar>
Variable<Scalar, 4> retention(const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k,
                              const Variable<Scalar, 4>& v, const Parameter<Scalar, 1>& log_decay,
                              Tensor<Scalar, 4>& state,
                              const GatedLinearAttentionOptions<Scalar>& options = {}) {
  return detail::decayed_attention(q, k, v, log_decay.on(*q.tape), state, options);
}

/// Linear attention: no decay. Source: Katharopoulos et al., ICML 2020 (arXiv:2006.16236).
template <class Scalar>
Variable<Scalar, 4> linear_attention(const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k,
                                     const Variable<Scalar, 4>& v, Tensor<Scalar, 4>& state,
                                     const GatedLinearAttentionOptions<Scalar>& options = {}) {
  return detail::decayed_attention(q, k, v, Variable<Scalar, 1>{}, state, options);
}

}  // namespace sluice
