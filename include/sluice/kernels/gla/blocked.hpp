// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention, 16 tokens at a time: the fast form for prefill.
///
/// The decay of a block is folded into q and k relative to the start of the block,
///
///     P_t = exp(g_1 + ... + g_t),   q'_t = scale P_t (.) q_t,   k'_t = k_t / P_t,
///
/// so that inside the block the state only grows, S'_t = S'_{t-1} + k'_t v_t^T, and a tile of it
/// stays in registers (tile.hpp). From the token on where P would fall too low for that, the rest
/// of the block runs with explicit decays, exact at any strength. What a token gives thus depends
/// in no bit on the tokens after it.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/each_row.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/decay.hpp>
#include <sluice/kernels/common/head_rows.hpp>
#include <sluice/kernels/common/padded_states.hpp>
#include <sluice/kernels/gla/detail/own_weights.hpp>
#include <sluice/kernels/gla/detail/tile.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::gla {

/// Tokens between two states that the forward pass keeps for the backward pass.
inline constexpr Index saved_every = 32;

/// Number of states a head keeps for the backward pass: one before every 32 tokens of a sequence.
template <class Scalar>
Index saved_states(const Inputs<Scalar>& in) noexcept {
  return count_blocks(in, saved_every);
}

/// Throws unless the saved states are [saved_states(in), HV, K, V] and contiguous.
template <class Scalar, class T>
void require_saved(std::string_view where, const Inputs<Scalar>& in, const View<T, 4>& saved) {
  require_shape(where, "saved", saved.shape(),
                {saved_states(in), in.v.dim(2), in.q.dim(3), in.v.dim(3)}, "to match the inputs");
  require(saved.contiguous(), where, "saved", "contiguous", "a strided view");
}

namespace detail {

/// Tokens carried through one register tile.
inline constexpr Index block_tokens = 16;
static_assert(saved_every % block_tokens == 0);

/// Below this running product the folded form would lose range; with it, 1 / P stays finite.
template <class Scalar>
inline constexpr Scalar fold_limit = sizeof(Scalar) == 4 ? Scalar(1e-20) : Scalar(1e-140);

/// Running products are kept above this, out of the subnormals.
template <class Scalar>
inline constexpr Scalar fold_floor = fold_limit<Scalar> / 10;

/// Scratch of one worker for one block of one head.
template <class Scalar>
struct BlockScratch {
  Index keys, values;
  Scalar *q, *k, *decay, *last, *v, *o, *own;

  static constexpr Index size(Index key_width, Index value_width) {
    return block_tokens * (3 * key_width + 2 * value_width + 1) + key_width;
  }
  BlockScratch(Scalar* memory, Index key_width, Index value_width)
      : keys(key_width), values(value_width) {
    const auto take = [&](Index n) { return std::exchange(memory, memory + n); };
    q = take(block_tokens * keys), k = take(block_tokens * keys);
    decay = take(block_tokens * keys), last = take(keys);
    v = take(block_tokens * values), o = take(block_tokens * values), own = take(block_tokens);
  }
};

/// Writes q' and k' of the first `count` tokens of a block, and their decay to `last`. Returns
/// false, having written nothing of use, if a running product falls below `fold_limit`.
template <class Arch, class Scalar>
bool fold(const Inputs<Scalar>& in, const Span& tokens, Index head, Scalar scale, Index count,
          const BlockScratch<Scalar>& x) noexcept {
  const Index K = in.q.dim(3), shared = in.shared_head(head);
  const bool bonus = static_cast<bool>(in.u), vector = in.g.kind() == GateKind::vector;
  const Scalar* q = in.q.row(tokens.row, tokens.begin, shared);
  const Scalar* k = in.k.row(tokens.row, tokens.begin, shared);
  const Index next_q = in.q.stride(1), next_k = in.k.stride(1);
  std::fill_n(x.last, x.keys, Scalar{1});
  if (vector) {
    const Scalar* g = in.g.row(tokens.row, tokens.begin, head);
    const Index next_g = in.g.view().stride(1);
    simd::for_each_lane<Arch, Scalar>(K, [&]<class B>(std::type_identity<B>, Index i) {
      B product(Scalar{1});
      for (Index t = 0; t < count; ++t) {
        const B before = product;
        product = simd::max(B(before * simd::exp(simd::load<B>(g + t * next_g + i))),
                            B(fold_floor<Scalar>));
        const B read = B(scale) * (bonus ? before : product);
        simd::store(x.q + t * x.keys + i, B(simd::load<B>(q + t * next_q + i) * read));
        simd::store(x.k + t * x.keys + i,
                    B(simd::load<B>(k + t * next_k + i) * simd::reciprocal(product)));
      }
      simd::store(x.last + i, product);
    });
  } else {
    Scalar product = 1;
    for (Index t = 0; t < count; ++t) {
      const Scalar before = product;
      if (in.g.kind() != GateKind::none)
        product = std::max(product * simd::exp(*in.g.row(tokens.row, tokens.begin + t, head)),
                           fold_floor<Scalar>);
      const Scalar read = scale * (bonus ? before : product), write = 1 / product;
      simd::for_each_lane<Arch, Scalar>(K, [&]<class B>(std::type_identity<B>, Index i) {
        simd::store(x.q + t * x.keys + i, B(simd::load<B>(q + t * next_q + i) * B(read)));
        simd::store(x.k + t * x.keys + i, B(simd::load<B>(k + t * next_k + i) * B(write)));
      });
    }
    std::fill_n(x.last, K, product);
  }
  return *std::min_element(x.last, x.last + K) > fold_limit<Scalar>;
}

/// How many tokens of a block can be folded, from decays that have been loaded.
template <class Arch, class Scalar>
Index foldable(Index tokens, Index K, const BlockScratch<Scalar>& x) noexcept {
  std::fill_n(x.last, K, Scalar{1});
  for (Index t = 0; t < tokens; ++t) {
    simd::for_each_lane<Arch, Scalar>(K, [&]<class B>(std::type_identity<B>, Index i) {
      const B product = simd::load<B>(x.last + i) * simd::load<B>(x.decay + t * x.keys + i);
      simd::store(x.last + i, simd::max(product, B(fold_floor<Scalar>)));
    });
    if (!(*std::min_element(x.last, x.last + K) > fold_limit<Scalar>)) return t;
  }
  return tokens;
}

/// The rows of the same head in the next block.
template <class Scalar>
LookAhead next_block(const Inputs<Scalar>& in, const View<Scalar, 4>& o, const Span& tokens,
                     Index t, Index h) noexcept {
  t += block_tokens;
  if (t >= tokens.end) return {};
  LookAhead ahead(std::min(block_tokens, tokens.end - t));
  const Index hq = in.shared_head(h);
  ahead.add(in.q.row(tokens.row, t, hq), in.q.stride(1), in.q.dim(3));
  ahead.add(in.k.row(tokens.row, t, hq), in.k.stride(1), in.k.dim(3));
  ahead.add(in.v.row(tokens.row, t, h), in.v.stride(1), in.v.dim(3));
  ahead.add(o.row(tokens.row, t, h), o.stride(1), o.dim(3));
  if (in.g.kind() == GateKind::vector)
    ahead.add(in.g.row(tokens.row, t, h), in.g.view().stride(1), in.q.dim(3));
  return ahead;
}

/// One block of one head: folds if it can, carries columns [from, to), stores o.
template <class Arch, class Scalar>
void run_block(const Inputs<Scalar>& in, const Span& tokens, Index head, Scalar scale, Index from,
               Index to, const BlockScratch<Scalar>& x, Scalar* state, Index stride,
               const View<Scalar, 4>& o, const LookAhead& ahead, bool& strong) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Index K = in.q.dim(3), V = in.v.dim(3), count = common::length(tokens);
  const Index shared = in.shared_head(head);
  const bool bonus = static_cast<bool>(in.u);
  common::load_rows<Arch>(in.v, tokens, head, Scalar{1}, x.v, x.values);
  std::fill_n(x.o, count * x.values, Scalar{0});
  if (bonus) own_weights<Arch>(in, tokens, head, shared, scale, x.own);
  // Strong decay tends to last: after a block that did not fold, look before trying to.
  Index folded = count;
  if (!strong) strong = !fold<Arch>(in, tokens, head, scale, folded, x);
  if (strong) {
    common::load_decays<Arch>(in.g, tokens, head, K, x.decay, x.keys);
    folded = foldable<Arch>(count, K, x);
    common::load_rows<Arch>(in.q, tokens, shared, scale, x.q, x.keys);
    common::load_rows<Arch>(in.k, tokens, shared, Scalar{1}, x.k, x.keys);
    if (folded > 0) fold<Arch>(in, tokens, head, scale, folded, x);
    strong = folded < count;
  }
  TileOperands<Scalar> run{folded, x.keys, x.values, x.q, x.k, x.last, x.v, x.o, true, bonus};
  if (folded > 0) carry<Arch>(run, K, from, to, state, stride, ahead);
  if (folded < count) {
    run.folded = false;
    run.tokens = count - folded;
    run.q += folded * x.keys, run.k += folded * x.keys, run.decay = x.decay + folded * x.keys;
    run.v += folded * x.values, run.o += folded * x.values;
    carry<Arch>(run, K, from, to, state, stride, folded > 0 ? LookAhead{} : ahead);
  }
  for (Index t = 0; t < count; ++t) {
    const Scalar* out = x.o + t * x.values;
    const Scalar* v = x.v + t * x.values;
    Scalar* row = o.row(tokens.row, tokens.begin + t, head);
    const Index end = std::min(to, V);
    Index j = from;
    for (; j + simd::lanes<B> <= end; j += simd::lanes<B>) {
      const B sum = simd::load<B>(out + j);
      simd::store(row + j, bonus ? simd::madd(B(x.own[t]), simd::load<B>(v + j), sum) : sum);
    }
    for (; j < end; ++j) row[j] = bonus ? simd::madd(x.own[t], v[j], out[j]) : out[j];
  }
}

}  // namespace detail

/// `blocked` below for a scalar that is named: blocked<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void blocked(const std::type_identity_t<Inputs<Scalar>>& in, std::type_identity_t<Scalar> scale,
             std::type_identity_t<View<Scalar, 4>> state, std::type_identity_t<View<Scalar, 4>> o,
             const Workspace& workspace = {}, std::type_identity_t<View<Scalar, 4>> saved = {}) {
  require_shapes("gla::blocked", in, state, o);
  const Index K = in.q.dim(3), HV = in.v.dim(2), V = in.v.dim(3), N = in.sequences();
  const Index keys = simd::padded<Scalar, Arch>(K), values = simd::padded<Scalar, Arch>(V);
  const Index W = simd::width<Scalar, Arch>, threads = workspace.executor.concurrency();
  if (saved) require_saved("gla::blocked", in, saved);
  if (N == 0 || HV == 0 || V == 0) return;
  if (K == 0)  // a sum over no keys
    return for_each_row([&](Scalar* row) { std::fill_n(row, V, Scalar{0}); }, o);

  // A task is a range of heads, or of columns of one head, of one sequence. One thread takes all
  // heads at once, so that it reads the input in order.
  const Index groups = std::min(HV, (threads + N - 1) / N);
  const Index most_slabs = values / W;
  const Index slabs =
      threads > N * HV ? std::min(most_slabs, (threads + N * HV - 1) / (N * HV)) : 1;
  const Index tasks = N * groups * slabs, workers = std::min(tasks, threads);

  Scratch scratch(workspace);
  const Index block_size = detail::BlockScratch<Scalar>::size(keys, values);
  Scalar* blocks = scratch.allocate<Scalar>(workers * block_size);
  const common::PaddedStates<Scalar> states(state, values, scratch);
  bool* strong = scratch.allocate<bool>(N * HV * slabs);
  std::fill_n(strong, N * HV * slabs, false);
  const common::Chunks whole(in, std::max<Index>(in.q.dim(1), 1), saved_every, scratch);

  share(workspace.executor, tasks, workers, [&](Index task, Index worker) {
    const Index n = task / (groups * slabs), group = task / slabs % groups, slab = task % slabs;
    const Index first = HV * group / groups, last = HV * (group + 1) / groups;
    const Index from = most_slabs * slab / slabs * W, to = most_slabs * (slab + 1) / slabs * W;
    const detail::BlockScratch<Scalar> x(blocks + worker * block_size, keys, values);
    const Span tokens = sequence(in, n);
    for (Index h = first; h < last; ++h) states.enter(n, h, from, to);
    for (Index t = tokens.begin; t < tokens.end; t += detail::block_tokens)
      for (Index h = first; h < last; ++h) {
        const Index before = t - tokens.begin;
        if (saved && before % saved_every == 0)
          states.copy(n, h, from, to, saved.row(whole.chunk[n].saved + before / saved_every, h, 0));
        const Span block{tokens.row, t, std::min(t + detail::block_tokens, tokens.end)};
        detail::run_block<Arch, Scalar>(in, block, h, Scalar(scale), from, to, x, states.at(n, h),
                                        states.stride(), o, detail::next_block(in, o, tokens, t, h),
                                        strong[(n * HV + h) * slabs + slab]);
      }
    for (Index h = first; h < last; ++h) states.leave(n, h, from, to);
  });
}

SLUICE_COMPILED_KERNEL(blocked);

/// Gated linear attention in its blocked form. Arguments and errors as `recurrent`.
///
/// Independent work, divided among threads: sequences, heads, and columns of V. The result does
/// not depend on the number of threads, not even in the last bit.
///
/// \param saved  [saved_states(in), HV, K, V], contiguous, or absent: receives the state before
///               every `saved_every` tokens of every sequence, for `backward`.
template <class Arch = simd::DefaultArch, Operand Output>
void blocked(const Inputs<ElementOf<Output>>& in, double scale, ViewOf<Output> state, Output&& out,
             const Workspace& workspace = {}, ViewOf<Output> saved = {}) {
  blocked<Arch, ElementOf<Output>>(in, ElementOf<Output>(scale), state, out, workspace, saved);
}

}  // namespace sluice::gla
