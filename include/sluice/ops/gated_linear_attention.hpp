// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention, retention and linear attention as operations on variables: one kernel,
/// told apart by the gate.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/gla/backward.hpp>
#include <sluice/kernels/gla/forward.hpp>

#include <cmath>
#include <optional>
#include <span>

namespace sluice {

/// What the operations of this file share.
template <class Scalar>
struct GatedLinearAttentionOptions {
  std::optional<Scalar> scale;               ///< multiplies q; 1 / sqrt(K) unless given
  const Tensor<Scalar, 2>* bonus = nullptr;  ///< u [HV, K]: o reads the state before its token
  std::span<const Index> cu_seqlens = {};    ///< packed sequences; must outlive the pass
};

namespace detail {

/// The operation for any gate. While recording, the gradient that has come together at the final
/// state is turned, in place, into that at the initial state.
template <class Scalar>
Variable<Scalar, 4> decayed_attention(const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k,
                                      const Variable<Scalar, 4>& v, gla::Gate<const Scalar> g,
                                      gla::Gate<Scalar> dg, Tensor<Scalar, 4>& state,
                                      const GatedLinearAttentionOptions<Scalar>& options) {
  Tape<Scalar>& tape = *q.tape;
  const Scalar scale = options.scale.value_or(Scalar(1 / std::sqrt(double(q.dim(3)))));
  gla::Inputs<Scalar> in{.q = q.value, .k = k.value, .v = v.value, .g = g};
  gla::Gradients<Scalar> grads{.dq = q.gradient, .dk = k.gradient, .dv = v.gradient};
  grads.dg = dg;
  grads.accumulate = true;
  in.cu_seqlens = options.cu_seqlens;
  if (options.bonus) {
    in.u = *options.bonus;
    if (Scalar* du = tape.gradient_of(*options.bonus)) grads.du = {du, in.u.shape()};
  }
  const View<Scalar, 4> memory(state);
  Scalar* dstate = tape.gradient_of(state);
  const Scalar* dgate = dg.view().data();
  const auto o = tape.result(v.shape(), q, k, v, dgate, grads.du.data(), dstate);
  if (!o.gradient) {
    gla::forward(in, scale, memory, o.out, tape.workspace());
    return o;
  }
  gla::require_shapes("gated_linear_attention", in, memory, o.out);
  const Shape<4> shape{gla::saved_states(in), v.dim(2), q.dim(3), v.dim(3)};
  const View<Scalar, 4> saved(tape.allocate(shape), shape);
  gla::forward(in, scale, memory, o.out, tape.workspace(), saved);
  tape.on_backward([in, grads, scale, saved, o, dstate, size = memory.shape()] {
    Scratch scratch(o.tape->workspace());
    View<Scalar, 4> dmemory(dstate, size);
    if (!dstate) {
      dmemory = {scratch.allocate<Scalar>(dmemory.size()), size};
      std::fill_n(dmemory.data(), dmemory.size(), Scalar{0});
    }
    gla::backward(in, scale, View<const Scalar, 4>(saved), View<const Scalar, 4>(o.gradient),
                  dmemory, grads, o.tape->workspace());
  });
  return o;
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
  return detail::decayed_attention<Scalar>(q, k, v, g.value, g.gradient, state, options);
}

/// The same with one decay for all channels of a head: g [B, T, HV].
template <class Scalar>
Variable<Scalar, 4> gated_linear_attention(
    const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k, const Variable<Scalar, 4>& v,
    const Variable<Scalar, 3>& g, Tensor<Scalar, 4>& state,
    const GatedLinearAttentionOptions<Scalar>& options = {}) {
  return detail::decayed_attention<Scalar>(q, k, v, g.value, g.gradient, state, options);
}

/// Retention: a decay that is constant in time, log_decay [HV], a parameter if its gradient is
/// recorded. Source: Sun et al., Retentive Network, 2023, eq. 6 (arXiv:2307.08621).
template <class Scalar>
Variable<Scalar, 4> retention(const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k,
                              const Variable<Scalar, 4>& v, const Tensor<Scalar, 1>& log_decay,
                              Tensor<Scalar, 4>& state,
                              const GatedLinearAttentionOptions<Scalar>& options = {}) {
  const View<const Scalar, 1> g(log_decay);
  const View<Scalar, 1> dg(q.tape->gradient_of(log_decay), g.shape());
  return detail::decayed_attention<Scalar>(q, k, v, g, dg, state, options);
}

/// Linear attention: no decay. Source: Katharopoulos et al., ICML 2020 (arXiv:2006.16236).
template <class Scalar>
Variable<Scalar, 4> linear_attention(const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k,
                                     const Variable<Scalar, 4>& v, Tensor<Scalar, 4>& state,
                                     const GatedLinearAttentionOptions<Scalar>& options = {}) {
  return detail::decayed_attention<Scalar>(q, k, v, {}, {}, state, options);
}

}  // namespace sluice
