// SPDX-License-Identifier: MIT
/// \file
/// The gradients of the selective scan, from the states that the forward pass has kept.
///
/// Blocks of `saved_every` tokens are walked from the last to the first. Everything of a block is
/// computed once more from the state before it (backward_block.hpp); nothing of the size of T
/// states is stored. Sums over channels and over time are made in parts of a fixed size, then in
/// order.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/ssm/detail/backward_block.hpp>
#include <sluice/simd/transpose.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace sluice::ssm {

namespace detail {

/// Vectors whose gradients by B and C are added up in one go; the sums of such parts are added in
/// their order, so that results do not depend on who computed them.
inline constexpr Index part_vectors = 16;

/// to [tokens, states] = the sums of the lanes of [tokens, states].
template <class Arch, class Scalar>
void sum_lanes(Index tokens, Index states, const Scalar* lanes, Scalar* turned,
               Scalar* to) noexcept {
  constexpr Index W = simd::width<Scalar, Arch>;
  for (Index t = 0; t < tokens; ++t, lanes += states * W, to += states) {
    simd::transpose<Arch>(states, W, lanes, W, turned, states);
    simd::for_each_lane<Arch, Scalar>(states, [&]<class L>(std::type_identity<L>, Index i) {
      L sum = simd::load<L>(turned + i);
      for (Index lane = 1; lane < W; ++lane) sum = sum + simd::load<L>(turned + lane * states + i);
      simd::store(to + i, sum);
    });
  }
}

/// Adds what the sequences have summed for a parameter [rows, width], in their order.
template <class Scalar, class F>
void add_parameter(Scalar* gradient, Index pitch, Index rows, Index width, Index sequences,
                   F&& of_sequence) noexcept {
  if (!gradient) return;
  for (Index n = 0; n < sequences; ++n) {
    const Scalar* from = of_sequence(n);
    for (Index i = 0; i < rows; ++i)
      for (Index d = 0; d < width; ++d) gradient[i * pitch + d] += from[i * width + d];
  }
}

}  // namespace detail

/// `backward` below for a scalar that is named: backward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void backward(const std::type_identity_t<Inputs<Scalar>>& in,
              std::type_identity_t<View<const Scalar, 3>> saved,
              std::type_identity_t<View<const Scalar, 3>> dout,
              std::type_identity_t<View<Scalar, 3>> dstate,
              const std::type_identity_t<Gradients<Scalar>>& grads,
              const Workspace& workspace = {}) {
  require_shapes("ssm::backward", in, dstate, dout, {.state = "dstate", .y = "dout"});
  require_gradients("ssm::backward", in, grads);
  const Index states = in.states(), channels = in.channels(), N = in.sequences();
  require_shape("ssm::backward", "saved", saved.shape(), {saved_states(in), states, channels},
                "to match the inputs");
  using V = simd::Batch<Scalar, Arch>;
  using Sums = detail::ParameterSums<Scalar>;
  constexpr Index W = simd::lanes<V>;
  const detail::Vectors vectors(in, W);
  if (N == 0) return;
  const Index parts_a_group = (vectors.a_group + detail::part_vectors - 1) / detail::part_vectors;
  const Index parts = in.groups() * parts_a_group, batch = in.x.dim(0), T = in.x.dim(1);
  const Index threads = workspace.executor.concurrency();
  const Index ranges = std::min(parts, (threads + N - 1) / N), tasks = N * ranges;
  const Index workers = std::min(tasks, threads);

  Scratch scratch(workspace);
  const Index room = detail::BackwardScratch<Scalar>::size(states, W);
  Scalar* rooms = scratch.allocate<Scalar>(workers * room);
  const Index sums_size = Sums::size(states, channels);
  Scalar* sums = scratch.allocate<Scalar>(N * sums_size);
  std::fill_n(sums, N * sums_size, Scalar{0});
  // dB and dC of every part, [parts, batch T, states].
  const bool token_B = in.B.kind() == CouplingKind::token;
  const bool token_C = in.C.kind() == CouplingKind::token;
  const Index part_size = batch * T * states;
  Scalar* dB = scratch.allocate<Scalar>(token_B ? parts * part_size : 0);
  Scalar* dC = scratch.allocate<Scalar>(token_C ? parts * part_size : 0);
  const common::Chunks whole(in, std::max<Index>(T, 1), saved_every, scratch);

  share(workspace.executor, tasks, workers, [&](Index task, Index worker) {
    const common::Chunk& c = whole.chunk[task / ranges];
    const Index range = task % ranges;
    const detail::BackwardScratch<Scalar> s(rooms + worker * room, states, W);
    const Sums sequence_sums(sums + c.sequence * sums_size, states, channels);
    const View<Scalar, 2> gradient(dstate.row(c.sequence, 0), {states, channels},
                                   {dstate.stride(1), 1});
    const Span& all = c.tokens;
    const Index blocks = (common::length(all) + saved_every - 1) / saved_every;
    for (Index block = blocks; block-- > 0;) {
      const Index t = all.begin + block * saved_every;
      const Span tokens{all.row, t, std::min(t + saved_every, all.end)};
      const View<const Scalar, 2> before(saved.row(c.saved + block, 0), {states, channels},
                                         {saved.stride(1), 1});
      for (Index part = parts * range / ranges; part < parts * (range + 1) / ranges; ++part) {
        const Index group = part / parts_a_group, from = part % parts_a_group;
        const Index first = group * vectors.a_group + from * detail::part_vectors;
        const Index last = std::min(first + detail::part_vectors, (group + 1) * vectors.a_group);
        const Index count = common::length(tokens);
        if (token_B) std::fill_n(s.dB, count * states * W, Scalar{0});
        if (token_C) std::fill_n(s.dC, count * states * W, Scalar{0});
        for (Index v = first; v < last; ++v)
          detail::block_backward<V>(in, dout, grads, {tokens, v, 1}, vectors, before, gradient,
                                    sequence_sums, s);
        const Index at = part * part_size + (all.row * T + t) * states;
        if (token_B) detail::sum_lanes<Arch>(count, states, s.dB, s.turned, dB + at);
        if (token_C) detail::sum_lanes<Arch>(count, states, s.dC, s.turned, dC + at);
      }
    }
  });

  const auto combine = [&](const Coupling<Scalar>& to, const Scalar* of_parts) {
    if (!to.view() || to.kind() != CouplingKind::token) return;
    workspace.executor.for_each(batch, [&](Index b) {
      for (Index t = 0; t < T; ++t)
        for (Index g = 0; g < in.groups(); ++g) {
          Scalar* const row = to.view().row(b, t, g);
          if (!grads.accumulate) std::fill_n(row, states, Scalar{0});
          for (Index part = g * parts_a_group; part < (g + 1) * parts_a_group; ++part) {
            const Scalar* from = of_parts + part * part_size + (b * T + t) * states;
            for (Index i = 0; i < states; ++i) row[i] += from[i];
          }
        }
    });
  };
  combine(grads.dB, dB), combine(grads.dC, dC);
  const auto parameter = [&](Scalar* to, Index pitch, Index rows, Scalar* Sums::*member) {
    detail::add_parameter(to, pitch, rows, channels, N, [&](Index n) {
      return Sums(sums + n * sums_size, states, channels).*member;
    });
  };
  const auto constant = [&](const Coupling<Scalar>& to, Scalar* Sums::*member) {
    if (to.kind() == CouplingKind::channel)
      parameter(to.view().data(), to.view().stride(2), states, member);
  };
  parameter(grads.dA.data(), grads.dA.stride(0), states, &Sums::dA);
  constant(grads.dB, &Sums::dB), constant(grads.dC, &Sums::dC);
  parameter(grads.dD.data(), 0, 1, &Sums::dD);
  parameter(grads.ddt_bias.data(), 0, 1, &Sums::ddt_bias);
}

SLUICE_COMPILED_KERNEL(backward);

/// Gradients of the selective scan by all its inputs and its initial state.
///
/// Hand-derived (see the file comment). Free of subtractions, so exact for decays of any strength;
/// those below 2^-60 (double: 2^-500) are exactly 0. Independent of the number of threads, among
/// which sequences and ranges of channels are divided.
///
/// \param in      as in the forward pass.
/// \param saved   [saved_states(in), states, channels], written by `chunkwise` or `forward`.
/// \param dout    gradient by y, [batch, T, channels].
/// \param dstate  [sequences, states, channels]; gradient by the final state on entry, by the
///                initial state on return.
/// \param grads   where the other gradients go.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Gu and Dao (arXiv:2312.00752), section 3.3.2: recomputation instead of stored states.
template <class Arch = simd::DefaultArch, Operand Output>
void backward(const Inputs<ElementOf<Output>>& in, ConstViewOf<Output> saved, const Output& dout,
              ViewOf<Output> dstate,
              const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
              const Workspace& workspace = {}) {
  backward<Arch, ElementOf<Output>>(in, saved, dout, dstate, grads, workspace);
}

}  // namespace sluice::ssm
