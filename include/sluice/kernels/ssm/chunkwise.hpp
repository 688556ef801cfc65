// SPDX-License-Identifier: MIT
/// \file
/// The selective scan by blocks of tokens, and by chunks of time that run at once.
///
/// A block keeps a vector of channels with all its states in registers for some tokens; channels
/// are inside, blocks outside, so that the input is read in order.
///
/// Sequences of more than one chunk run in three phases, of which two are parallel over time:
///
/// 1. every chunk from a state of zero: what it adds to the state, and the time it takes;
/// 2. the state before every chunk, one after the other:  h <- exp(A sum dt) h + added;
/// 3. every chunk once more, from that state.
///
/// That is twice the arithmetic, so the way for more threads than vectors of channels.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/ssm/detail/tile.hpp>
#include <sluice/kernels/ssm/types.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace sluice::ssm {

/// Tokens between two states that the forward pass keeps for the backward pass.
inline constexpr Index saved_every = 8;

/// Number of states that are kept: one before every `saved_every` tokens of every sequence.
template <class Scalar>
Index saved_states(const Inputs<Scalar>& in) noexcept {
  return count_blocks(in, saved_every);
}

namespace detail {

using common::Chunk;

/// Runs vectors [from, to) of a chunk on a state [states, channels] with rows `pitch` apart.
template <class V, class Scalar>
void run_chunk(const Inputs<Scalar>& in, const Chunk& c, const Vectors& vectors, Index from,
               Index to, Scalar* state, Index pitch, const View<Scalar, 3>& y,
               const View<Scalar, 3>& saved) {
  const Index first = vectors[from].first, last = vectors[to - 1].first + vectors[to - 1].count;
  const Index size = saved ? saved_every : block_size;
  Index kept = c.saved;
  for (Index t = c.tokens.begin; t < c.tokens.end; t += size) {
    if (saved) {
      for (Index i = 0; i < in.states(); ++i)
        std::copy(state + i * pitch + first, state + i * pitch + last, saved.row(kept, i) + first);
      ++kept;
    }
    for (Index v = from; v < to; ++v)
      run_block<V>(in, {{c.tokens.row, t, std::min(t + size, c.tokens.end)}, v, 1}, vectors, state,
                   pitch, y);
  }
}

/// Phase 1 for vectors [from, to): the added state, and the sum of `time` to `elapsed` [channels].
template <class V, class Scalar>
void run_from_zero(const Inputs<Scalar>& in, const Chunk& c, const Vectors& vectors, Index from,
                   Index to, Scalar* added, Index pitch, Scalar* elapsed) {
  for (Index v = from; v < to; ++v) {
    const Slice s = vectors[v];
    for (Index i = 0; i < in.states(); ++i)
      std::fill_n(added + i * pitch + s.first, s.count, Scalar{0});
    V sum(Scalar{0});
    for (Index t = c.tokens.begin; t < c.tokens.end; t += block_size) {
      const Block block{{c.tokens.row, t, std::min(t + block_size, c.tokens.end)}, v, 1};
      BlockRows<V> rows;
      prepare(in, block, vectors, rows, View<Scalar, 3>{});
      scan(in, block, vectors, rows, added, pitch);
      for (Index i = 0; i < length(block.tokens); ++i)
        sum = sum + simd::load<V>(rows.time + i * vectors.width);
    }
    simd::store_part(elapsed + s.first, sum, s.count);
  }
}

/// Phase 2 for one vector: state <- exp(A elapsed) state + added, leaving the state before in
/// `added`.
template <class V, bool Complex, class Scalar>
void combine(const Inputs<Scalar>& in, const Slice& s, const Scalar* elapsed, Scalar* added,
             Index added_pitch, Scalar* state, Index pitch) noexcept {
  using Ops = Numbers<V, Complex>;
  const Index states = in.states() / (Complex ? 2 : 1);
  const V time = simd::load_part<V>(elapsed + s.first, s.count);
  for (Index n = 0; n < states; ++n) {
    ColumnRoom<V, 1> pole;
    const auto A = column<V, 1, Complex>(in.A.data(), in.A.stride(0), states, n, s, pole);
    const auto decay = Ops::decay(time, A.template at<false, V, Complex>(0, 0));
    Scalar* const own = state + n * pitch + s.first;
    Scalar* const other = added + n * added_pitch + s.first;
    const auto before = Ops::load_part(own, states * pitch, s.count);
    const auto after =
        Ops::madd(decay, before, Ops::load_part(other, states * added_pitch, s.count));
    Ops::store_part(own, states * pitch, after, s.count);
    Ops::store_part(other, states * added_pitch, before, s.count);
  }
}

}  // namespace detail

/// `chunkwise` below for a scalar that is named: chunkwise<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void chunkwise(const std::type_identity_t<Inputs<Scalar>>& in, Index chunk_size,
               std::type_identity_t<View<Scalar, 3>> state, std::type_identity_t<View<Scalar, 3>> y,
               const Workspace& workspace = {}, std::type_identity_t<View<Scalar, 3>> saved = {}) {
  require_shapes("ssm::chunkwise", in, state, y);
  require(chunk_size >= 1, "ssm::chunkwise", "chunk_size", "at least 1", chunk_size);
  const Index states = in.states(), channels = in.channels();
  if (saved) {
    require_shape("ssm::chunkwise", "saved", saved.shape(), {saved_states(in), states, channels},
                  "to match the inputs");
    require(chunk_size % saved_every == 0 || chunk_size >= in.x.dim(1), "ssm::chunkwise",
            "chunk_size", text("a multiple of ", saved_every, " where states are saved"),
            chunk_size);
  }
  using V = simd::Batch<Scalar, Arch>;
  const detail::Vectors vectors(in, simd::lanes<V>);
  const Index all = in.groups() * vectors.a_group, threads = workspace.executor.concurrency();
  if (in.sequences() == 0 || all == 0) return;

  Scratch scratch(workspace);
  const common::Chunks chunks(in, std::min(chunk_size, std::max<Index>(1, in.x.dim(1))),
                              saved_every, scratch);
  // A task is a range of vectors of a chunk. One thread takes all at once, so that it reads the
  // input in order.
  const Index ranges = std::min(all, (threads + chunks.count - 1) / chunks.count);
  const auto each_range = [&](auto&& f) {
    const Index tasks = chunks.count * ranges;
    share(workspace.executor, tasks, std::min(tasks, threads), [&](Index task, Index) {
      const Index c = task / ranges, part = task % ranges;
      f(c, all * part / ranges, all * (part + 1) / ranges);
    });
  };
  if (chunks.count == in.sequences())
    return each_range([&](Index c, Index from, Index to) {
      const common::Chunk& chunk = chunks.chunk[c];
      detail::run_chunk<V>(in, chunk, vectors, from, to, state.row(chunk.sequence, 0),
                           state.stride(1), y, saved);
    });

  const Index size = states * channels;
  Scalar* added = scratch.allocate<Scalar>(chunks.count * size);
  Scalar* elapsed = scratch.allocate<Scalar>(chunks.count * channels);
  each_range([&](Index c, Index from, Index to) {
    detail::run_from_zero<V>(in, chunks.chunk[c], vectors, from, to, added + c * size, channels,
                             elapsed + c * channels);
  });
  for (Index c = 0; c < chunks.count; ++c)
    for (Index v = 0; v < all; ++v) {
      const auto with = [&]<class Complex>(Complex) {
        detail::combine<V, Complex::value>(in, vectors[v], elapsed + c * channels, added + c * size,
                                           channels, state.row(chunks.chunk[c].sequence, 0),
                                           state.stride(1));
      };
      in.complex ? with(std::true_type{}) : with(std::false_type{});
    }
  each_range([&](Index c, Index from, Index to) {
    detail::run_chunk<V>(in, chunks.chunk[c], vectors, from, to, added + c * size, channels, y,
                         saved);
  });
}

SLUICE_COMPILED_KERNEL(chunkwise);

/// The selective scan in its chunkwise form. Arguments and errors as `recurrent`.
///
/// Independent work, divided among threads: sequences, vectors of channels, and chunks. The result
/// depends on `chunk_size` in its rounding, but on the number of threads in no bit. Scratch memory:
/// a state for every chunk, if a sequence has more than one.
///
/// \param chunk_size  tokens in a chunk, at least 1; T need not divide.
/// \param saved  [saved_states(in), states, channels], or absent: receives the state before every
///               `saved_every` tokens of every sequence, for `backward`. `chunk_size` must be a
///               multiple of `saved_every` then.
template <class Arch = simd::DefaultArch, Operand Output>
void chunkwise(const Inputs<ElementOf<Output>>& in, Index chunk_size, ViewOf<Output> state,
               Output&& output, const Workspace& workspace = {}, ViewOf<Output> saved = {}) {
  chunkwise<Arch, ElementOf<Output>>(in, chunk_size, state, output, workspace, saved);
}

}  // namespace sluice::ssm
