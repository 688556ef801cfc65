// SPDX-License-Identifier: MIT
/// \file
/// The gradients of gated linear attention token by token, straight from the recurrence. The second
/// thing, beside differences, that a fast form is checked against; never fast.
///
/// With S_t the state after token t, D_t the gradient by it, c_t = scale do_t and a_t = <c_t, v_t>:
///
///     without u                             with u
///     D_t     += q_t c_t^T                  D_t is that of the tokens behind t
///     dq_t     = S_t c_t                    dq_t = S_{t-1} c_t + a_t (u (.) k_t)
///     dk_t     = D_t v_t                    dk_t = D_t v_t     + a_t (u (.) q_t)
///     dv_t     = D_t^T k_t                  dv_t = D_t^T k_t   + <u (.) q_t, k_t> c_t
///                                           du  += a_t (q_t (.) k_t)
///     dg_t     = exp(g_t) (.) rowsum(S_{t-1} (.) D_t)
///     D_{t-1}  = diag(exp(g_t)) D_t         then += q_t c_t^T
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/clear.hpp>
#include <sluice/kernels/gla/types.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::gla {

/// Gradients of gated linear attention by all its inputs and its initial state.
///
/// \param in, scale  as in the forward pass.
/// \param state   [sequences, HV, K, V], contiguous; the initial state of the forward pass.
/// \param dout    gradient by o, [B, T, HV, V].
/// \param dstate  [sequences, HV, K, V], contiguous; gradient by the final state on entry, by the
///                initial state on return.
/// \param grads   where the gradients by q, k, v, g and u go, as in `backward`.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
template <Operand Output>
void naive_backward(const Inputs<ElementOf<Output>>& in, double scale, ConstViewOf<Output> state,
                    const Output& doutput, ViewOf<Output> dstate,
                    const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
                    const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<const Scalar, 4> dout(doutput);
  const auto where = "gla::naive_backward";
  require_shapes(where, in, state, dout, {.o = "dout"});
  require_shapes(where, in, dstate, dout, {.state = "dstate", .o = "dout"});
  require_gradients(where, in, grads);
  const Index T = in.q.dim(1), K = in.q.dim(3), HV = in.v.dim(2), V = in.v.dim(3);
  const GateKind kind = in.g.kind();
  const bool asked = grads.dg.kind() != GateKind::none;

  // What is overwritten begins at 0: heads that share one of q and k add to its gradient.
  if (!grads.accumulate) {
    common::clear(grads.dq), common::clear(grads.dk), common::clear(grads.dv);
    if (asked && kind != GateKind::constant) common::clear(grads.dg.view());
  }

  std::vector<Scalar> states(std::size_t((T + 1) * K * V));
  for (Index n = 0; n < in.sequences(); ++n)
    for (Index h = 0; h < HV; ++h) {
      const auto [b, begin, end] = sequence(in, n);
      const Index row = b, hq = in.shared_head(h);
      const auto decay = [&](Index t, Index i) {
        if (kind == GateKind::none) return Scalar{1};
        return std::exp(in.g.row(row, t, h)[kind == GateKind::vector ? i : 0]);
      };
      const auto S = [&](Index t, Index i) { return states.data() + (t * K + i) * V; };  // before t
      std::copy_n(state.row(n, h, 0), K * V, S(begin, 0));
      for (Index t = begin; t < end; ++t)
        for (Index i = 0; i < K; ++i)
          for (Index j = 0; j < V; ++j) S(t + 1, i)
      [j] = decay(t, i) * S(t, i)[j] + in.k.row(row, t, hq)[i] * in.v.row(row, t, h)[j];

      for (Index t = end; t-- > begin;) {
        const Scalar *v = in.v.row(row, t, h), *c = dout.row(row, t, h);
        Scalar along = 0, own = 0;
        for (Index j = 0; j < V; ++j) along += Scalar(scale) * c[j] * v[j];
        for (Index i = 0; i < K; ++i) {
          const Scalar q = in.q.row(row, t, hq)[i], k = in.k.row(row, t, hq)[i];
          const Scalar u = in.u ? in.u.row(h)[i] : Scalar{0};
          Scalar* const D = dstate.row(n, h, i);
          Scalar dq = 0, dk = 0, dg = 0;
          for (Index j = 0; j < V; ++j) {
            const Scalar cotangent = Scalar(scale) * c[j];
            if (!in.u) D[j] += q * cotangent;
            dq += S(in.u ? t : t + 1, i)[j] * cotangent;
            dk += D[j] * v[j];
            dg += decay(t, i) * S(t, i)[j] * D[j];
            if (grads.dv) grads.dv.row(row, t, h)[j] += D[j] * k;
            D[j] *= decay(t, i);
            if (in.u) D[j] += q * cotangent;
          }
          own += u * q * k;
          if (grads.dq) grads.dq.row(row, t, hq)[i] += dq + along * u * k;
          if (grads.dk) grads.dk.row(row, t, hq)[i] += dk + along * u * q;
          if (grads.du) grads.du.row(h)[i] += along * q * k;
          if (asked)
            grads.dg.row(kind == GateKind::constant ? 0 : row, kind == GateKind::constant ? 0 : t,
                         h)[kind == GateKind::vector ? i : 0] += dg;
        }
        for (Index j = 0; grads.dv && j < V; ++j)
          grads.dv.row(row, t, h)[j] += own * Scalar(scale) * c[j];
      }
    }
}

}  // namespace sluice::gla
