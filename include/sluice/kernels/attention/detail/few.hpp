// SPDX-License-Identifier: MIT
/// \file
/// A few queries against keys where they lie: the step of a stream, bound by reading its past.
#pragma once

#include <sluice/kernels/attention/detail/scores.hpp>
#include <sluice/kernels/linear/linear.hpp>
#include <sluice/kernels/softmax/softmax.hpp>

#include <algorithm>
#include <cmath>

namespace sluice::attention::detail {

/// Below so many, keys are read faster than turned to columns.
inline constexpr Index few_queries = 8;

template <class Scalar>
Index few_room(const Inputs<Scalar>& in) noexcept {
  return few_queries * (in.k.dim(1) + in.q.dim(3));
}

/// At most `few_queries` of a head against all keys they see, in scratch memory of `few_room`.
template <class Arch, class Scalar>
void few(const Inputs<Scalar>& in, const Queries& some, Scalar scale, const View<Scalar, 4>& o,
         const View<Scalar, 3>& lse, Scalar* scratch) {
  const Index K = in.q.dim(3), V = in.v.dim(3), b = some.sequence.row;
  const Index hk = in.shared_head(some.head);
  const Keys any = seen_by(in, some);
  const Index S = any.end - any.begin;
  Scalar *const s = scratch, *const q = s + few_queries * S;
  for (Index r = 0; r < some.count; ++r) {
    const Scalar* const from = in.q.row(b, some.first + r, some.head);
    for (Index i = 0; i < K; ++i) q[r * K + i] = scale * from[i];
  }
  if (S > 0)
    kernels::detail::linear_few<Arch, Scalar>(
        {q, {some.count, K}}, {in.k.row(b, any.begin, hk), {S, K}, {in.k.stride(1), 1}},
        {s, {some.count, S}}, Executor{});
  for (Index r = 0; r < some.count; ++r) {
    const Index t = some.first + r;
    Scalar* const row = s + r * S;
    for (Index j = 0; in.bias && j < S; ++j) row[j] += in.bias(b, some.head, t, any.begin + j);
    const Keys seen = attention::seen_by(in, some.sequence, t);
    const Index from = std::clamp<Index>(seen.begin - any.begin, 0, S);
    const Index count = std::clamp<Index>(seen.end - any.begin, from, S) - from;
    const Scalar top = kernels::detail::top_of<Arch>(count, row + from);
    const Scalar sum =
        kernels::detail::sum_of_exponentials<Arch, Scalar>(count, row + from, top, row + from);
    Scalar* const out = o.row(b, t, some.head);
    if (lse) lse.row(b, some.head)[t] = sum == 0 ? minus_infinity<Scalar> : top + std::log(sum);
    std::fill_n(out, V, Scalar{0});
    if (sum == 0) continue;
    simd::product<Arch, Scalar>(1, V, count, {row + from, count, 1},
                                in.v.row(b, any.begin + from, hk), in.v.stride(1), out, V);
    for (Index i = 0; i < V; ++i) out[i] /= sum;
  }
}

}  // namespace sluice::attention::detail
