// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention by chunks, in three phases of which two are parallel over time.
///
/// 1. every chunk: what it adds to the state, and its decay;   (parallel)
/// 2. the state before every chunk, one after the other;       (K V work a chunk)
/// 3. every chunk: its output from that state and its pairs.   (parallel)
///
/// More arithmetic than `blocked`, so the form for more threads than sequences and heads.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/kernels/gla/detail/pairs.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::gla {

/// `chunkwise` below for a scalar that is named: chunkwise<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void chunkwise(const std::type_identity_t<Inputs<Scalar>>& in, std::type_identity_t<Scalar> scale,
               Index chunk_size, std::type_identity_t<View<Scalar, 4>> state,
               std::type_identity_t<View<Scalar, 4>> o, const Workspace& workspace = {}) {
  require_shapes("gla::chunkwise", in, state, o);
  require(chunk_size >= 1, "gla::chunkwise", "chunk_size", "at least 1", chunk_size);
  const Index K = in.q.dim(3), HV = in.v.dim(2), V = in.v.dim(3), N = in.sequences();
  const Index keys = simd::padded<Scalar, Arch>(K), values = simd::padded<Scalar, Arch>(V);
  if (in.q.dim(1) == 0 || HV == 0) return;
  chunk_size = std::min(chunk_size, in.q.dim(1));
  const Index C = (chunk_size + detail::sub_block - 1) / detail::sub_block * detail::sub_block;

  Scratch scratch(workspace);
  const common::Chunks all(in, chunk_size, saved_every, scratch);
  const Index chunks = all.count, size = keys * values;
  const Index workers = std::min(chunks * HV, workspace.executor.concurrency());
  const Index chunk_room = detail::Chunk<Scalar>::size(C, keys, values) + C * values;
  Scalar* rooms = scratch.allocate<Scalar>(workers * chunk_room);
  Scalar* states = scratch.allocate<Scalar>(chunks * HV * size);  // padded
  Scalar* totals = scratch.allocate<Scalar>(chunks * HV * keys);

  const auto each_chunk = [&](auto&& f) {
    share(workspace.executor, chunks * HV, workers, [&](Index task, Index worker) {
      detail::Chunk<Scalar> x(rooms + worker * chunk_room, C, keys, values);
      const Span& tokens = all.chunk[task / HV].tokens;
      detail::load_chunk<Arch>(in, tokens, task % HV, Scalar(scale), x);
      f(task, tokens, x, rooms + (worker + 1) * chunk_room - C * values);
    });
  };

  each_chunk([&](Index task, const Span&, detail::Chunk<Scalar>& x, Scalar*) {
    simd::product<Arch, Scalar>(keys, values, x.tokens, {x.write, 1, keys}, x.v, values,
                                states + task * size, values);
    std::copy_n(x.total, keys, totals + task * keys);
  });
  share(workspace.executor, N * HV, workers, [&](Index task, Index) {
    const Index n = task / HV, h = task % HV;
    for (Index i = 0; i < K; ++i) {
      Scalar* now = state.row(n, h, i);
      for (Index chunk = all.first[n]; chunk < all.first[n + 1]; ++chunk) {
        Scalar* added = states + (chunk * HV + h) * size + i * values;
        const Scalar decay = totals[(chunk * HV + h) * keys + i];
        for (Index j = 0; j < V; ++j) {
          const Scalar before = now[j];
          now[j] = simd::madd(decay, before, added[j]);
          added[j] = before;
        }
      }
    }
  });
  each_chunk([&](Index task, const Span& tokens, detail::Chunk<Scalar>& x, Scalar* rows) {
    detail::weigh_pairs<Arch>(x);
    for (Index t = 0; t < x.tokens; ++t) x.pairs[t * x.tokens + t] = x.own[t];
    simd::product<Arch, Scalar>(x.tokens, values, keys, {x.read, keys, 1}, states + task * size,
                                values, rows, values);
    simd::product<Arch, Scalar>(x.tokens, values, x.tokens, {x.pairs, x.tokens, 1}, x.v, values,
                                rows, values, simd::Write::add);
    common::store_rows<Arch>(rows, values, false, tokens, task % HV, o);
    simd::finish_streaming();
  });
}

SLUICE_COMPILED_KERNEL(chunkwise);

/// Gated linear attention in its chunkwise form. Arguments and errors as `recurrent`.
///
/// The result depends on `chunk_size` in its rounding, but not on the number of threads. Scratch
/// memory: a state for every chunk of every head.
///
/// \param chunk_size  tokens in a chunk, at least 1; T need not divide. 32 to 64 is fast.
template <class Arch = simd::DefaultArch, Operand Output>
void chunkwise(const Inputs<ElementOf<Output>>& in, double scale, Index chunk_size,
               ViewOf<Output> state, Output&& out, const Workspace& workspace = {}) {
  chunkwise<Arch, ElementOf<Output>>(in, ElementOf<Output>(scale), chunk_size, state, out,
                                     workspace);
}

}  // namespace sluice::gla
