// SPDX-License-Identifier: MIT
/// \file
/// The gradients of gated linear attention, from the states that `blocked` has kept: chunks of 32
/// tokens are walked from the last to the first.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/kernels/gla/chunk_backward.hpp>

namespace sluice::gla {

/// Gradients of gated linear attention by its inputs and its initial state.
///
/// Hand-derived (see the file comment); subtraction-free in the decays, so exact gates of minus
/// infinity and of any strength, in float too. Independent of the number of threads.
///
/// \param in, scale  as in the forward pass.
/// \param saved   [saved_states(in), HV, K, V], written by `blocked` or `forward`.
/// \param dout    gradient by o, [B, T, HV, V].
/// \param dstate  [sequences, HV, K, V]; gradient by the final state on entry, by the initial
///                state on return.
/// \param grads   where the gradients by q, k, v, g and u go.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Yang et al. (arXiv:2312.06635), appendix C; the gate gradient in its strict form, which
/// does not cancel when the decay is strong.
template <class Arch = simd::DefaultArch, std::floating_point Scalar>
void backward(const std::type_identity_t<Inputs<Scalar>>& in, Scalar scale,
              std::type_identity_t<View<const Scalar, 4>> saved,
              std::type_identity_t<View<const Scalar, 4>> dout,
              std::type_identity_t<View<Scalar, 4>> dstate,
              const std::type_identity_t<Gradients<Scalar>>& grads,
              const Workspace& workspace = {}) {
  require_shapes("gla::backward", in, dstate, dout);
  require_gradients("gla::backward", in, grads);
  const Index K = in.q.dim(3), H = in.q.dim(2), HV = in.v.dim(2), V = in.v.dim(3);
  const Index N = in.sequences(), group = H ? HV / H : 0;
  require_shape("gla::backward", "saved", saved.shape(), {saved_states(in), HV, K, V},
                "to match the inputs");
  if (N == 0 || HV == 0) return;
  const Index keys = simd::padded<Scalar, Arch>(K), values = simd::padded<Scalar, Arch>(V);
  const Index threads = workspace.executor.concurrency();
  const Index parts = std::min(H, (threads + N - 1) / N), tasks = N * parts;
  const Index workers = std::min(tasks, threads);

  Scratch scratch(workspace);
  const Index room = detail::BackwardScratch<Scalar>::size(keys, values);
  Scalar* rooms = scratch.allocate<Scalar>(workers * room);
  const detail::PaddedStates<Scalar> D(dstate, values, scratch);
  const Index* first_saved = detail::first_saved_states(in, scratch);
  // Gradients of parameters are summed for every sequence alone, then in their order.
  const bool constant = in.g.kind() == GateKind::constant && grads.dg.kind() != GateKind::none;
  Scalar* du = grads.du ? scratch.allocate<Scalar>(N * HV * keys) : nullptr;
  Scalar* dg = constant ? scratch.allocate<Scalar>(N * HV) : nullptr;
  if (du) std::fill_n(du, N * HV * keys, Scalar{0});
  if (dg) std::fill_n(dg, N * HV, Scalar{0});

  share(workspace.executor, tasks, workers, [&](Index task, Index worker) {
    const Index n = task / parts, part = task % parts;
    const Index first = H * part / parts * group, last = H * (part + 1) / parts * group;
    detail::BackwardScratch<Scalar> s(rooms + worker * room, keys, values);
    const Span tokens = sequence(in, n);
    const Index chunks = (tokens.end - tokens.begin + saved_every - 1) / saved_every;
    for (Index h = first; h < last; ++h) D.enter(n, h, 0, values);
    for (Index chunk = chunks; chunk-- > 0;)
      for (Index h = first; h < last; ++h) {
        const Index begin = tokens.begin + chunk * saved_every;
        const detail::Block block{tokens.row, begin, std::min(saved_every, tokens.end - begin), h};
        const Scalar* state = saved.row(first_saved[n] + chunk, h, 0);
        const detail::Ahead ahead =
            chunk == 0 ? detail::Ahead{}
                       : detail::chunk_before(
                             in, block, saved.row(first_saved[n] + chunk - 1, h, 0), dout, grads);
        detail::chunk_backward<Arch>(in, block, scale, state, dout, D.at(n, h), D.stride(),
                                     du ? du + (n * HV + h) * keys : nullptr,
                                     dg ? dg + n * HV + h : nullptr, grads, s, ahead);
      }
    for (Index h = first; h < last; ++h) D.leave(n, h, 0, values);
    simd::finish_streaming();
  });
  for (Index n = 0; n < N; ++n)
    for (Index h = 0; h < HV; ++h) {
      if (dg) *grads.dg.row(0, 0, h) += dg[n * HV + h];
      for (Index i = 0; du && i < K; ++i) grads.du.row(h)[i] += du[(n * HV + h) * keys + i];
    }
}

SLUICE_COMPILED_KERNEL(backward);

}  // namespace sluice::gla
