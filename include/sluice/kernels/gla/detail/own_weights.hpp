// SPDX-License-Identifier: MIT
/// \file
/// What every form computes for a token by itself.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/kernels/common/tokens.hpp>
#include <sluice/kernels/gla/types.hpp>
#include <sluice/simd/batch.hpp>

namespace sluice::gla::detail {

/// The weight of a token's own value in its output, for each of some tokens of a head, which
/// reads head `shared` of q and k:
///
///     m_t = scale * sum_i u_i q_ti k_ti        (u = 1 without a bonus)
template <class Arch, class Scalar>
void own_weights(const Inputs<Scalar>& in, const Span& tokens, Index head, Index shared,
                 Scalar scale, Scalar* m) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Index K = in.q.dim(3);
  const Scalar* u = in.u ? in.u.row(head) : nullptr;
  for (Index t = 0; t < common::length(tokens); ++t) {
    const Scalar* q = in.q.row(tokens.row, tokens.begin + t, shared);
    const Scalar* k = in.k.row(tokens.row, tokens.begin + t, shared);
    B sum(Scalar{0});
    Scalar rest = 0;
    Index i = 0;
    for (; i + simd::lanes<B> <= K; i += simd::lanes<B>) {
      const B qk = simd::load<B>(q + i) * simd::load<B>(k + i);
      sum = u ? simd::madd(simd::load<B>(u + i), qk, sum) : B(sum + qk);
    }
    for (; i < K; ++i) rest += q[i] * k[i] * (u ? u[i] : Scalar{1});
    m[t] = scale * (simd::sum(sum) + rest);
  }
}

}  // namespace sluice::gla::detail
