// SPDX-License-Identifier: MIT
/// \file
/// Softmax attention, a block of queries and keys at a time.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/attention/detail/few.hpp>
#include <sluice/kernels/attention/detail/scores.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>

namespace sluice::attention {

namespace detail {

/// Queries of a task, and keys that are turned to columns at a time: both in the second-level
/// cache.
inline constexpr Index task_queries = 8 * block, task_keys = 8 * block;

/// What a softmax has seen so far, for every query: its largest score, the sum of powers below it,
/// and with them the sum of values.
template <class Scalar>
struct Running {
  Scalar *top, *sum, *values;

  Running operator+(Index r) const noexcept { return {top + r, sum + r, values}; }
};

/// Turns scores s [n, block] into powers and takes them into the sums.
/// Source: Dao et al., FlashAttention, NeurIPS 2022, algorithm 1 (arXiv:2205.14135).
template <class Arch, class Scalar>
void fold(Index n, Index V, Scalar* s, const Running<Scalar>& so_far) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  constexpr Index W = simd::lanes<B>;
  for (Index r = 0; r < n; ++r) {
    Scalar* const row = s + r * block;
    B most = simd::load<B>(row);
    for (Index c = W; c < block; c += W) most = simd::max(most, simd::load<B>(row + c));
    Scalar lane[std::size_t(W)], top = so_far.top[r];
    simd::store(lane, most);
    for (const Scalar x : lane) top = simd::max(top, x);
    const Scalar before = so_far.top[r], shift = top == minus_infinity<Scalar> ? Scalar{0} : top;
    B sum(Scalar{0});
    for (Index c = 0; c < block; c += W) {
      const B p = simd::exp2_or_zero(B(simd::load<B>(row + c) - B(shift)), least_power<Scalar>);
      simd::store(row + c, p);
      sum = sum + p;
    }
    if (top != before) {
      const Scalar fade = simd::exp2_or_zero(Scalar(before - shift), least_power<Scalar>);
      so_far.sum[r] *= fade;
      Scalar* const values = so_far.values + r * V;
      simd::for_each_lane<Arch, Scalar>(V, [=]<class L>(std::type_identity<L>, Index i) {
        simd::store(values + i, L(simd::load<L>(values + i) * L(fade)));
      });
      so_far.top[r] = top;
    }
    so_far.sum[r] += simd::sum(sum);
  }
}

/// Some queries of a head against all keys they see, in scratch memory of `blocked_room`.
template <class Arch, class Scalar>
void blocked(const Inputs<Scalar>& in, const Queries& all, Scalar scale, const View<Scalar, 4>& o,
             const View<Scalar, 3>& lse, Scalar* scratch) {
  const Index K = in.q.dim(3), V = in.v.dim(3), b = all.sequence.row;
  const Index hk = in.shared_head(all.head);
  Scalar* const q = scratch;
  Scalar* const columns = q + task_queries * K;
  Scalar* const s = columns + task_keys * K;
  const Running<Scalar> so_far{s + block * block, s + block * block + task_queries,
                               s + block * block + 2 * task_queries};
  scale_queries<Arch>(in, all, scale, q);
  std::fill_n(so_far.top, all.count, minus_infinity<Scalar>);
  std::fill_n(so_far.sum, all.count, Scalar{0});
  std::fill_n(so_far.values, all.count * V, Scalar{0});

  const Keys any = seen_by(in, all);
  for (Index begin = any.begin; begin < any.end; begin += task_keys) {
    const Index end = std::min(any.end, begin + task_keys);
    for (Index j = begin; j < end; j += block)
      turn<Arch>(std::min(block, end - j), K, in.k.row(b, j, hk), in.k.stride(1),
                 columns + (j - begin) * K);
    for (Index t = 0; t < all.count; t += block) {
      const Queries some{all.sequence, all.head, all.first + t, std::min(block, all.count - t)};
      const Keys seen = seen_by(in, some);
      for (Index j = begin; j < end; j += block) {
        const Keys keys{j, std::min(j + block, end)};
        if (keys.end <= seen.begin || keys.begin >= seen.end) continue;
        scores<Arch>(in, some, keys, q + t * K, columns + (j - begin) * K, s);
        const Running<Scalar> here{so_far.top + t, so_far.sum + t, so_far.values + t * V};
        fold<Arch>(some.count, V, s, here);
        simd::product<Arch, Scalar>(some.count, V, keys.end - keys.begin, {s, block, 1},
                                    in.v.row(b, j, hk), in.v.stride(1), here.values, V,
                                    simd::Write::add);
      }
    }
  }

  for (Index r = 0; r < all.count; ++r) {
    const Index t = all.first + r;
    const Scalar sum = so_far.sum[r], part = sum == 0 ? Scalar{0} : 1 / sum;
    const Scalar* const values = so_far.values + r * V;
    Scalar* const out = o.row(b, t, all.head);
    for (Index i = 0; i < V; ++i) out[i] = values[i] * part;
    if (lse)
      lse.row(b, all.head)[t] =
          sum == 0 ? minus_infinity<Scalar> : ln_2<Scalar> * so_far.top[r] + std::log(sum);
  }
}

template <class Scalar>
Index blocked_room(const Inputs<Scalar>& in) noexcept {
  const Index K = in.q.dim(3), V = in.v.dim(3);
  return (task_queries + task_keys) * K + block * block + task_queries * (2 + V);
}

/// The queries of the n-th task, `size` of one sequence at most.
template <class Scalar>
Queries queries_of(const Inputs<Scalar>& in, Index task, Index size) noexcept {
  Index at = task / in.q.dim(2);
  for (Index n = 0;; ++n) {
    const Span tokens = sequence(in, n);
    const Index blocks = (tokens.end - tokens.begin + size - 1) / size;
    if (at >= blocks) {
      at -= blocks;
      continue;
    }
    const Index first = tokens.begin + at * size;
    return {tokens, task % in.q.dim(2), first, std::min(size, tokens.end - first)};
  }
}

}  // namespace detail

/// `forward` below for a scalar that is named: forward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void forward(const std::type_identity_t<Inputs<Scalar>>& in, std::type_identity_t<Scalar> scale,
             std::type_identity_t<View<Scalar, 4>> o, const Workspace& workspace = {},
             std::type_identity_t<View<Scalar, 3>> lse = {}) {
  require_shapes("attention::forward", in, o, lse);
  const bool few = in.q.dim(1) < detail::few_queries;
  const Index size = few ? detail::few_queries : detail::task_queries;
  const Index tasks = count_blocks(in, size) * in.q.dim(2);
  const Index room = few ? detail::few_room(in) : detail::blocked_room(in);
  const Index workers = std::min(tasks, workspace.executor.concurrency());
  Scratch scratch(workspace);
  Scalar* const rooms = scratch.allocate<Scalar>(workers * room);
  share(workspace.executor, tasks, workers, [&](Index task, Index worker) {
    const detail::Queries queries = detail::queries_of(in, task, size);
    if (few)
      detail::few<Arch>(in, queries, scale, o, lse, rooms + worker * room);
    else
      detail::blocked<Arch>(in, queries, scale, o, lse, rooms + worker * room);
  });
}

SLUICE_COMPILED_KERNEL(forward);

/// Softmax attention, read as in types.hpp.
///
/// A few queries, as of one token of a stream, are products of vectors; many are done in blocks
/// that keep a running softmax, so that no more than a block of scores exists at a time. Results do
/// not depend on the number of threads.
///
/// \param in     q [B, T, H, K], k [B, S, HK, K], v [B, S, HK, V] and the rest as in `Inputs`.
/// \param scale  multiplies the products of q and k; 1 / sqrt(K) is customary.
/// \param output o [B, T, H, V]; overwritten. Must not overlap an input.
/// \param lse    [B, H, T] or nothing: the logarithm of the sum of exponentials of every query's
///               scores, minus infinity where it sees nothing; for `backward`.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Vaswani et al., NeurIPS 2017, eq. 1 (arXiv:1706.03762); the blocks: Dao et al.,
/// FlashAttention, NeurIPS 2022, algorithm 1 (arXiv:2205.14135).
template <class Arch = simd::DefaultArch, Operand Output>
void forward(const Inputs<ElementOf<Output>>& in, double scale, Output&& output,
             const Workspace& workspace = {}, ViewOf<Output, 3> lse = {}) {
  forward<Arch, ElementOf<Output>>(in, ElementOf<Output>(scale), output, workspace, lse);
}

}  // namespace sluice::attention
