// SPDX-License-Identifier: MIT
/// \file
/// The poles of a selective scan, from the parameter that checkpoints hold.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/simd/math.hpp>

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
  Scalar* const dlog = tape.gradient_of(A_log);
  const auto A = tape.result(Shape<2>{N, D}, dlog);
  for (Index n = 0; n < N; ++n) {
    Scalar* const row = A.out.row(n);
    for (Index d = 0; d < D; ++d) row[d] = A_log(d, n);
    simd::for_each_lane<simd::DefaultArch, Scalar>(D, [&]<class B>(std::type_identity<B>, Index d) {
      simd::store(row + d, B(-simd::exp(simd::load<B>(row + d))));
    });
  }
  if (A.gradient)
    tape.on_backward([A, dlog, D, N] {
      for (Index d = 0; d < D; ++d)
        for (Index n = 0; n < N; ++n) dlog[d * N + n] += A.gradient.row(n)[d] * A.value.row(n)[d];
    });
  return A;
}

}  // namespace sluice
