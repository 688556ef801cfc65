// SPDX-License-Identifier: MIT
/// \file
/// The poles of a selective scan, from the parameter that checkpoints hold.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/simd/math.hpp>
#include <sluice/simd/transpose.hpp>

namespace sluice {

/// A_nd = -exp(A_log_dn): poles are negative whatever is learnt.
///
/// \param A_log  [channels, states], as in published checkpoints.
/// \returns      A [states, channels], as `selective_scan` reads it.
///
/// Source: Gu and Dao, Mamba, 2023, section 3.6 (arXiv:2312.00752).
template <class Scalar>
Variable<Scalar, 2> negative_poles(Tape<Scalar>& tape, const Tensor<Scalar, 2>& A_log) {
  const Index D = A_log.dimension(0), N = A_log.dimension(1);
  const Shape<2> shape{N, D};
  const auto compute = [&](Scalar* A) {
    simd::transpose<simd::DefaultArch>(D, N, A_log.data(), N, A, D);
    simd::for_each_lane<simd::DefaultArch, Scalar>(
        N * D, [&]<class B>(std::type_identity<B>, Index i) {
          simd::store(A + i, B(-simd::exp(simd::load<B>(A + i))));
        });
  };
  Scalar* const dlog = tape.gradient_of(A_log);
  if (!dlog) return tape.derived(A_log, shape, compute);
  const auto A = tape.result(shape, dlog);
  compute(A.out.data());
  tape.on_backward([A, dlog, D, N] {
    for (Index d = 0; d < D; ++d)
      for (Index n = 0; n < N; ++n) dlog[d * N + n] += A.gradient.row(n)[d] * A.value.row(n)[d];
  });
  return A;
}

}  // namespace sluice
