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
#include <span>

namespace sluice {

namespace detail {

/// Calls f(tokens, state) for the whole batch, or for every packed sequence: `tokens` cuts its
/// part out of a stream [B, T, ..], `state` out of a state; an absent view stays absent.
template <class F>
void for_each_sequence(std::span<const Index> packed, Index T, const F& f) {
  if (packed.empty()) {
    const auto whole = [](const auto& x) { return x; };
    return f(whole, whole);
  }
  for (Index i = 0; i < count_sequences(packed, 1); ++i) {
    const Span part = sequence(packed, T, i);
    f([&](const auto& x) { return x ? slice(x, 1, part.begin, part.end - part.begin) : x; },
      [&](const auto& x) { return slice(x, 0, i, 1); });
  }
}

}  // namespace detail

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
/// \param memory   S, [B or packed sequences, HV, K, V]; advanced by T tokens.
/// \param key_sum  z, [B or packed sequences, 1, H, K]; advanced by T tokens.
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
  const auto packed = tape.cu_seqlens();
  require_cu_seqlens("normalised_linear_attention", packed, B, T);
  const Shape<4> sums{count_sequences(packed, B), 1, H, K};
  require_shape("normalised_linear_attention", "key_sum", shape_of(key_sum), sums, "to match q");
  const Scalar scale = options.scale.value_or(Scalar(1 / std::sqrt(double(K))));
  const auto numerator = linear_attention(q, k, v, memory, {.scale = scale});

  struct Kept {
    View<const Scalar, 4> o;
    View<Scalar, 4> before;
    View<Scalar, 3> denominator;
  };
  return recurrent_operation(
      v.shape(), key_sum,
      [&](const View<Scalar, 4>& o, const View<Scalar, 4>& sum, bool keep) {
        Kept kept{.o = o, .before = {}, .denominator = room(tape, Shape<3>{B, T, H})};
        if (keep) {
          kept.before = room(tape, sums);
          std::copy_n(sum.data(), sum.size(), kept.before.data());
        }
        detail::for_each_sequence(packed, T, [&](const auto& tokens, const auto& state) {
          gla::normaliser(tokens(q.value), tokens(k.value), state(sum), tokens(kept.denominator));
        });
        kernels::affine(View<const Scalar, 3>(kept.denominator), scale, options.eps,
                        kept.denominator);
        gla::divide_heads(numerator.value, kept.denominator, o);
        return kept;
      },
      [=](const Kept& kept, const View<const Scalar, 4>& dout, const View<Scalar, 4>& dsum) {
        Scratch scratch(q.tape->workspace());
        const View<Scalar, 3> dweight(scratch.allocate<Scalar>(kept.denominator.size()),
                                      kept.denominator.shape());
        std::fill_n(dweight.data(), dweight.size(), Scalar{0});
        gla::divide_heads_backward(kept.o, kept.denominator, dout, numerator.gradient, dweight);
        kernels::affine(View<const Scalar, 3>(dweight), scale, 0, dweight);
        detail::for_each_sequence(packed, T, [&](const auto& tokens, const auto& state) {
          gla::normaliser_backward(tokens(q.value), tokens(k.value), state(kept.before),
                                   tokens(dweight), state(dsum), tokens(q.gradient),
                                   tokens(k.gradient));
        });
      },
      numerator, q, k);
}

}  // namespace sluice
