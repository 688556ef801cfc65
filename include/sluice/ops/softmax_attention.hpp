// SPDX-License-Identifier: MIT
/// \file
/// Softmax attention as an operation on variables.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/attention/backward.hpp>
#include <sluice/kernels/attention/forward.hpp>
#include <sluice/ops/broadcast.hpp>

#include <cmath>
#include <optional>

namespace sluice {

/// What a query may see, and how its scores are made.
template <class Scalar>
struct SoftmaxAttentionOptions {
  std::optional<Scalar> scale = {};  ///< multiplies q; 1 / sqrt(K) unless given
  bool causal = false;               ///< no key behind the query's position
  Index offset = 0;                  ///< position of the first query among the keys
  Index window = 0;                  ///< only keys nearer to the position than this; 0 is any
  /// Added to the scores [B, H, T, S], to which it is repeated; minus infinity forbids a key.
  Parameter<Scalar, 4> bias = {};
};

/// Softmax attention.
///
///     o_t = sum_j softmax_j(scale <q_t, k_j> + bias_tj) v_j
///
/// \param q     [B, T, H, K], \param k [B, S, HK, K], \param v [B, S, HK, V], H a multiple of HK.
/// \returns     o [B, T, H, V]; zeros for a query that sees nothing.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Vaswani et al., NeurIPS 2017, eq. 1 (arXiv:1706.03762).
template <class Scalar>
Variable<Scalar, 4> softmax_attention(
    const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k, const Variable<Scalar, 4>& v,
    const std::type_identity_t<SoftmaxAttentionOptions<Scalar>>& options = {}) {
  Tape<Scalar>& tape = *q.tape;
  const Scalar scale = options.scale.value_or(Scalar(1 / std::sqrt(double(q.dim(3)))));
  const Shape<4> scores{q.dim(0), q.dim(2), q.dim(1), k.dim(1)};
  const auto bias = options.bias.on(tape);
  const auto repeated = [scores](const auto& view) { return detail::spread<4>(view, scores); };
  attention::Inputs<Scalar> in{.q = q.value,
                               .k = k.value,
                               .v = v.value,
                               .causal = options.causal,
                               .offset = options.offset,
                               .window = options.window,
                               .cu_seqlens = tape.cu_seqlens()};
  if (bias.value) {
    detail::require_repeatable("softmax_attention", "bias", bias.shape(), scores);
    require(bias.dim(3) == k.dim(1), "softmax_attention", "bias",
            text("as long as the ", k.dim(1), " keys"), bias.dim(3));
    in.bias = repeated(bias.value);
  }
  const Shape<4> shape{q.dim(0), q.dim(1), q.dim(2), v.dim(3)};
  const auto lse = room(tape, Shape<3>{q.dim(0), q.dim(2), q.dim(1)});
  return operation(
      shape,
      [&](const View<Scalar, 4>& o) { attention::forward(in, scale, o, tape.workspace(), lse); },
      [=](const View<const Scalar, 4>& o, const View<const Scalar, 4>& dout) {
        attention::Gradients<Scalar> grads{
            .dq = q.gradient, .dk = k.gradient, .dv = v.gradient, .accumulate = true};
        if (bias.gradient) grads.dbias = repeated(bias.gradient);
        attention::backward(in, scale, o, View<const Scalar, 3>(lse), dout, grads,
                            q.tape->workspace());
      },
      q, k, v, bias);
}

}  // namespace sluice
