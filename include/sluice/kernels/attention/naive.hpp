// SPDX-License-Identifier: MIT
/// \file
/// Softmax attention as it is defined. The reference for every other form; never fast.
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/attention/types.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace sluice::attention {

/// Softmax attention, read as in types.hpp, a query at a time. Arguments and errors as `forward`.
template <Operand Output>
void naive(const Inputs<ElementOf<Output>>& in, double scale, Output&& output,
           const Workspace& = {}, ViewOf<Output, 3> lse = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 4> o(output);
  require_shapes("attention::naive", in, o, lse);
  const Index K = in.q.dim(3), V = in.v.dim(3);
  std::vector<Scalar> weights(static_cast<std::size_t>(in.k.dim(1)));
  for (Index n = 0; n < in.sequences(); ++n)
    for (Index h = 0; h < in.q.dim(2); ++h) {
      const Span queries = sequence(in, n);
      const Index b = queries.row, hk = in.shared_head(h);
      for (Index t = queries.begin; t < queries.end; ++t) {
        const Keys seen = seen_by(in, queries, t);
        Scalar top = -std::numeric_limits<Scalar>::infinity();
        for (Index j = seen.begin; j < seen.end; ++j) {
          Scalar s = 0;
          for (Index i = 0; i < K; ++i) s += in.q.row(b, t, h)[i] * in.k.row(b, j, hk)[i];
          s = Scalar(scale) * s + (in.bias ? in.bias(b, h, t, j) : Scalar{0});
          weights[std::size_t(j)] = s;
          top = std::max(top, s);
        }
        const bool blind = std::isinf(top) && top < 0;
        Scalar sum = 0;
        Scalar* const out = o.row(b, t, h);
        std::fill_n(out, V, Scalar{0});
        for (Index j = seen.begin; !blind && j < seen.end; ++j) {
          const Scalar p = std::exp(weights[std::size_t(j)] - top);
          sum += p;
          for (Index i = 0; i < V; ++i) out[i] += p * in.v.row(b, j, hk)[i];
        }
        for (Index i = 0; !blind && i < V; ++i) out[i] /= sum;
        if (lse) lse.row(b, h)[t] = blind ? top : top + std::log(sum);
      }
    }
}

}  // namespace sluice::attention
