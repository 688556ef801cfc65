// SPDX-License-Identifier: MIT
/// \file
/// The gradients of softmax attention, a query at a time. The second thing, beside differences,
/// that a fast form is checked against; never fast.
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/attention/types.hpp>
#include <sluice/kernels/common/clear.hpp>

#include <cmath>

namespace sluice::attention {

/// The gradients of `naive`. Arguments and errors as `backward`.
template <Operand Output>
void naive_backward(const Inputs<ElementOf<Output>>& in, double scale, ConstViewOf<Output> o,
                    ConstViewOf<Output, 3> lse, const Output& doutput,
                    const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
                    const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<const Scalar, 4> dout(doutput);
  const auto where = "attention::naive_backward";
  require_shapes(where, in, o, lse);
  require_shapes(where, in, dout, lse, {.o = "dout"});
  require_gradients(where, in, grads);
  const Index K = in.q.dim(3), V = in.v.dim(3);
  if (!grads.accumulate) common::clear(grads.dq), common::clear(grads.dk), common::clear(grads.dv);
  for (Index n = 0; n < in.sequences(); ++n)
    for (Index h = 0; h < in.q.dim(2); ++h) {
      const Span queries = sequence(in, n);
      const Index b = queries.row, hk = in.shared_head(h);
      for (Index t = queries.begin; t < queries.end; ++t) {
        const Scalar *q = in.q.row(b, t, h), *d = dout.row(b, t, h);
        const Keys seen = seen_by(in, queries, t);
        Scalar along = 0;  // <do, o>
        for (Index i = 0; i < V; ++i) along += d[i] * o.row(b, t, h)[i];
        for (Index j = seen.begin; j < seen.end; ++j) {
          const Scalar *k = in.k.row(b, j, hk), *v = in.v.row(b, j, hk);
          Scalar s = 0, dp = 0;
          for (Index i = 0; i < K; ++i) s += q[i] * k[i];
          s = Scalar(scale) * s + (in.bias ? in.bias(b, h, t, j) : Scalar{0});
          if (std::isinf(s) && s < 0) continue;
          const Scalar p = std::exp(s - lse.row(b, h)[t]);
          for (Index i = 0; i < V; ++i) dp += d[i] * v[i];
          const Scalar ds = p * (dp - along);
          for (Index i = 0; grads.dv && i < V; ++i) grads.dv.row(b, j, hk)[i] += p * d[i];
          for (Index i = 0; grads.dq && i < K; ++i)
            grads.dq.row(b, t, h)[i] += Scalar(scale) * ds * k[i];
          for (Index i = 0; grads.dk && i < K; ++i)
            grads.dk.row(b, j, hk)[i] += Scalar(scale) * ds * q[i];
          if (grads.dbias) grads.dbias(b, h, t, j) += ds;
        }
      }
    }
}

}  // namespace sluice::attention
