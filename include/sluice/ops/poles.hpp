// SPDX-License-Identifier: MIT
/// \file
/// The poles of a selective scan, from the parameter that checkpoints hold.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/ssm/poles.hpp>

namespace sluice {

/// A_nd = -exp(A_log_dn): poles are negative whatever is learnt.
///
/// \param A_log  [channels, states], as in published checkpoints.
/// \returns      A [states, channels], as `selective_scan` reads it.
///
/// Source: Gu and Dao, Mamba, 2023, section 3.6 (arXiv:2312.00752).
template <class Scalar>
Variable<Scalar, 2> negative_poles(Tape<Scalar>& tape, const Tensor<Scalar, 2>& A_log) {
  const auto log = use(tape, A_log);
  const Shape<2> shape{A_log.dimension(1), A_log.dimension(0)};
  const auto compute = [&](const View<Scalar, 2>& A) { ssm::negative_poles(log.value, A); };
  if (!log.gradient)
    return tape.derived(A_log, shape, [&](Scalar* A) { compute(View<Scalar, 2>(A, shape)); });
  return operation(
      shape, compute,
      [=](const View<const Scalar, 2>& A, const View<const Scalar, 2>& dA) {
        ssm::negative_poles_backward(A, dA, log.gradient);
      },
      log);
}

}  // namespace sluice
