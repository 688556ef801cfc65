// SPDX-License-Identifier: MIT
/// \file
/// The poles of a selective scan, from the parameter that checkpoints hold.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/simd/exp.hpp>
#include <sluice/simd/transpose.hpp>

#include <type_traits>

namespace sluice::ssm {

/// A_nd = -exp(A_log_dn): poles are negative whatever is learnt.
///
/// \param A_log  [channels, states], as in published checkpoints.
/// \param A      [states, channels], as the scan reads it; overwritten.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Gu and Dao, Mamba, 2023, section 3.6 (arXiv:2312.00752).
template <class Arch = simd::DefaultArch, Operand Output>
void negative_poles(const ConstViewOf<Output>& A_log, Output&& output, const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 2> A(output);
  const Index channels = A_log.dim(0), states = A_log.dim(1);
  require_shape("ssm::negative_poles", "A", A.shape(), {states, channels}, "to match A_log");
  simd::transpose<Arch>(channels, states, A_log.data(), A_log.stride(0), A.data(), A.stride(0));
  for (Index n = 0; n < states; ++n) {
    Scalar* const row = A.row(n);
    simd::for_each_lane<Arch, Scalar>(channels, [=]<class B>(std::type_identity<B>, Index d) {
      simd::store(row + d, B(-simd::exp(simd::load<B>(row + d))));
    });
  }
}

/// Adjoint of `negative_poles`: dA_log_dn += dA_nd A_nd. Skipped when dA_log has no data.
///
/// \param A  [states, channels], as `negative_poles` has made it; `dA` is its gradient.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <Operand Output>
void negative_poles_backward(const ConstViewOf<Output>& A, const Output& dA,
                             const ViewOf<Output>& dA_log, const Workspace& = {}) {
  if (!dA_log) return;
  const ConstViewOf<Output> grad(dA);
  const auto where = "ssm::negative_poles_backward";
  require_shape(where, "dA", grad.shape(), A.shape(), "to match A");
  require_shape(where, "dA_log", dA_log.shape(), {A.dim(1), A.dim(0)}, "to match A");
  for (Index d = 0; d < A.dim(1); ++d)
    for (Index n = 0; n < A.dim(0); ++n) dA_log.row(d)[n] += grad.row(n)[d] * A.row(n)[d];
}

}  // namespace sluice::ssm
