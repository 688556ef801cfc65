// SPDX-License-Identifier: MIT
/// \file
/// Linear attention whose weights add up to one, as an operation on variables.
#pragma once

#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/gla/normaliser.hpp>
#include <sluice/ops/gated_linear_attention.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace sluice {

/// How `normalised_linear_attention` works.
template <class Scalar>
struct NormalisedLinearAttentionOptions {
  std::optional<Scalar> scale;  ///< multiplies q; 1 / sqrt(K) unless given
  Scalar eps = Scalar(1e-10);   ///< added to the denominator, so that keys of zero stay finite
};

/// Linear attention over the sum of its weights.
///
///     S_t = S_{t-1} + k_t v_t^T,   z_t = z_{t-1} + k_t,   o_t = scale S_t^T q_t / (scale <q_t,
///     z_t> + eps)
///
/// Queries and keys should be positive, as a feature map makes them; else the denominator can
/// vanish.
///
/// \param q, k     [B, T, H, K], \param v [B, T, HV, V].
/// \param memory   S, [B, HV, K, V]; advanced by T tokens.
/// \param key_sum  z, [B, 1, H, K]; advanced by T tokens.
/// \returns        o [B, T, HV, V].
/// \throws ShapeError  if the arguments do not agree; nothing has been written then.
///
/// Source: Katharopoulos et al., Transformers are RNNs, ICML 2020, eq. 9 (arXiv:2006.16236).
template <class Scalar>
Variable<Scalar, 4> normalised_linear_attention(
    const Variable<Scalar, 4>& q, const Variable<Scalar, 4>& k, const Variable<Scalar, 4>& v,
    Tensor<Scalar, 4>& memory, Tensor<Scalar, 4>& key_sum,
    const NormalisedLinearAttentionOptions<Scalar>& options = {}) {
  Tape<Scalar>& tape = *q.tape;
  const Index B = q.dim(0), T = q.dim(1), H = q.dim(2), K = q.dim(3);
  const Shape<4> sums{B, 1, H, K};
  require_shape("normalised_linear_attention", "key_sum", shape_of(key_sum), sums, "to match q");
  const Scalar scale = options.scale.value_or(Scalar(1 / std::sqrt(double(K))));
  const auto numerator = linear_attention(q, k, v, memory, {.scale = scale});

  Scalar* const dkey_sum = tape.gradient_of(key_sum);
  const auto o = tape.result(v.shape(), numerator, q, k, dkey_sum);
  View<Scalar, 4> before(nullptr, sums);
  if (o.gradient) {
    before = {tape.allocate(sums), sums};
    std::copy_n(key_sum.data(), key_sum.size(), before.data());
  }
  const Shape<3> heads{B, T, H};
  const View<Scalar, 3> denominator(tape.allocate(heads), heads);
  gla::normaliser(q.value, k.value, key_sum, denominator);
  kernels::affine(View<const Scalar, 3>(denominator), scale, options.eps, denominator);
  gla::divide_heads(numerator.value, denominator, o.out);

  if (o.gradient)
    tape.on_backward([q, k, numerator, o, before, denominator, dkey_sum, scale] {
      Scratch scratch(o.tape->workspace());
      View<Scalar, 3> dweight(scratch.allocate<Scalar>(denominator.size()), denominator.shape());
      std::fill_n(dweight.data(), dweight.size(), Scalar{0});
      gla::divide_heads_backward(o.value, denominator, o.gradient, numerator.gradient, dweight);
      kernels::affine(View<const Scalar, 3>(dweight), scale, 0, dweight);
      View<Scalar, 4> dz(dkey_sum, before.shape());
      if (!dkey_sum) {
        dz = {scratch.allocate<Scalar>(dz.size()), before.shape()};
        std::fill_n(dz.data(), dz.size(), Scalar{0});
      }
      gla::normaliser_backward(q.value, k.value, before, dweight, dz, q.gradient, k.gradient);
    });
  return o;
}

}  // namespace sluice
