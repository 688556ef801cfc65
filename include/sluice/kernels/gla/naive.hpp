// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention as the paper writes it. The reference for every other form; never fast.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/gla/types.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>
#include <vector>

namespace sluice::gla {

/// The recurrence unrolled, with S_0 = state:
///
///     S_t = diag(exp(g_1 + ... + g_t)) S_0 + sum_{s<=t} diag(exp(g_{s+1} + ... + g_t)) k_s v_s^T
///
/// read as in types.hpp. O(T^2 K V) work. Arguments and errors as `recurrent`.
template <Operand Output>
void naive(const Inputs<ElementOf<Output>>& in, double scale, ViewOf<Output> state, Output&& output,
           const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 4> o(output);
  require_shapes("gla::naive", in, state, o);
  const Index K = in.q.dim(3), HV = in.v.dim(2), V = in.v.dim(3);
  std::vector<Scalar> initial(std::size_t(K * V)), row(static_cast<std::size_t>(V));
  for (Index n = 0; n < in.sequences(); ++n) {
    const Span tokens = sequence(in, n);
    const Index b = tokens.row, begin = tokens.begin;
    for (Index h = 0; h < HV; ++h) {
      const Index hq = in.shared_head(h);
      const auto gate = [&](Index t, Index i) {
        const GateKind kind = in.g.kind();
        if (kind == GateKind::none) return Scalar{0};
        return in.g.row(b, t, h)[kind == GateKind::vector ? i : 0];
      };
      // Row i of S_t for t = until - 1, walking back from the newest write to the initial state.
      std::copy_n(state.row(n, h, 0), K * V, initial.data());
      const auto remember = [&](Index until, Index i, Scalar* to) {
        std::fill_n(to, V, Scalar{0});
        Scalar log_decay = 0;
        for (Index s = until; s-- > begin; log_decay += gate(s, i)) {
          const Scalar k = std::exp(log_decay) * in.k.row(b, s, hq)[i];
          for (Index j = 0; j < V; ++j) to[j] += k * in.v.row(b, s, h)[j];
        }
        for (Index j = 0; j < V; ++j)
          to[j] += std::exp(log_decay) * initial[std::size_t(i * V + j)];
      };
      for (Index t = begin; t < tokens.end; ++t) {
        Scalar* out = o.row(b, t, h);
        std::fill_n(out, V, Scalar{0});
        for (Index i = 0; i < K; ++i) {
          remember(in.u ? t : t + 1, i, row.data());
          const Scalar q = Scalar(scale) * in.q.row(b, t, hq)[i];
          const Scalar own = in.u ? in.u.row(h)[i] * in.k.row(b, t, hq)[i] : Scalar{0};
          for (Index j = 0; j < V; ++j)
            out[j] += q * (row[std::size_t(j)] + own * in.v.row(b, t, h)[j]);
        }
      }
      for (Index i = 0; i < K; ++i) remember(tokens.end, i, state.row(n, h, i));
    }
  }
}

}  // namespace sluice::gla
