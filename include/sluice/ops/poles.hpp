// SPDX-License-Identifier: MIT
/// \file
/// The poles of a selective scan, from the parameter that checkpoints hold.
#pragma once

#include <sluice/core/operation.hpp>
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
  const auto log = use(tape, A_log);
  if (!log.gradient) return tape.derived(A_log, shape, compute);
  return operation(
      shape, [&](const View<Scalar, 2>& A) { compute(A.data()); },
      [=](const View<const Scalar, 2>& A, const View<const Scalar, 2>& dA) {
        for (Index d = 0; d < D; ++d)
          for (Index n = 0; n < N; ++n) log.gradient(d, n) += dA(n, d) * A(n, d);
      },
      log);
}

}  // namespace sluice
