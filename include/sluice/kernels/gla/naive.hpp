// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention as the paper writes it. The reference for every other form; never fast.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/kernels/gla/types.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>

namespace sluice::gla {

/// The recurrence unrolled, with S_0 = state:
///
///     S_t = diag(exp(g_1 + ... + g_t)) S_0 + sum_{s<=t} diag(exp(g_{s+1} + ... + g_t)) k_s v_s^T
///
/// read as in types.hpp. O(T^2 K V) work. Arguments and errors as `recurrent`.
template <std::floating_point Scalar>
void naive(const std::type_identity_t<Inputs<Scalar>>& in, Scalar scale,
           std::type_identity_t<View<Scalar, 4>> state, std::type_identity_t<View<Scalar, 4>> o) {
  require_shapes("gla::naive", in, state, o);
  const Index H = in.q.dim(2), K = in.q.dim(3), HV = in.v.dim(2), V = in.v.dim(3);
  for (Index n = 0; n < in.sequences(); ++n) {
    const Span tokens = sequence(in, n);
    const Index b = tokens.row, begin = tokens.begin;
    for (Index h = 0; h < HV; ++h) {
      const Index hq = h / (HV / H);
      const auto gate = [&](Index t, Index i) {
        const GateKind kind = in.g.kind();
        if (kind == GateKind::none) return Scalar{0};
        return in.g.row(b, t, h)[kind == GateKind::vector ? i : 0];
      };
      // S_t[i][j] for t = until - 1, walking back from the newest write to the initial state.
      const auto memory = [&](Index until, Index i, Index j) {
        Scalar log_decay = 0, sum = 0;
        for (Index s = until; s-- > begin;) {
          sum += std::exp(log_decay) * in.k.row(b, s, hq)[i] * in.v.row(b, s, h)[j];
          log_decay += gate(s, i);
        }
        return sum + std::exp(log_decay) * state.row(n, h, i)[j];
      };
      for (Index t = begin; t < tokens.end; ++t)
        for (Index j = 0; j < V; ++j) {
          Scalar sum = 0;
          for (Index i = 0; i < K; ++i) {
            const Scalar q = in.q.row(b, t, hq)[i];
            if (in.u)
              sum += q * (memory(t, i, j) +
                          in.u.row(h)[i] * in.k.row(b, t, hq)[i] * in.v.row(b, t, h)[j]);
            else
              sum += q * memory(t + 1, i, j);
          }
          o.row(b, t, h)[j] = scale * sum;
        }
      for (Index i = 0; i < K; ++i)
        for (Index j = 0; j < V; ++j) state.row(n, h, i)[j] = memory(tokens.end, i, j);
    }
  }
}

}  // namespace sluice::gla
