// SPDX-License-Identifier: MIT
/// \file
/// The gradients of gated linear attention, from the states that `blocked` has kept: chunks of 32
/// tokens are walked from the last to the first.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/each_row.hpp>
#include <sluice/kernels/gla/detail/chunk_backward.hpp>

#include <cstddef>

namespace sluice::gla {

namespace detail {

/// The heads of v that share a head of q and k, in parts for different threads. Every part but the
/// first has gradients by q and k of its own, which are added up at the end: how many there are
/// depends on the shapes alone, and so do the sums.
template <class Scalar>
class SharedGradients {
 public:
  SharedGradients(const Inputs<Scalar>& in, const Gradients<Scalar>& grads, Scratch& scratch)
      : group_(in.v.dim(2) / in.q.dim(2)), parts_(group_ >= many_heads ? most_parts : 1) {
    for (Index p = 0; p < parts_; ++p) {
      grads_[p] = grads;
      if (p == 0) continue;
      for (auto view : {&Gradients<Scalar>::dq, &Gradients<Scalar>::dk})
        if (grads.*view)
          grads_[p].*view = {scratch.allocate<Scalar>((grads.*view).size()), in.q.shape()};
    }
  }

  /// Units of work: a part of a head of q.
  Index units(Index heads) const noexcept { return heads * parts_; }
  /// The first head of v of a unit; that of the next unit is its end.
  Index first_head(Index unit) const noexcept {
    return unit / parts_ * group_ + unit % parts_ * group_ / parts_;
  }
  const Gradients<Scalar>& of(Index unit) const noexcept { return grads_[unit % parts_]; }
  /// Whether a head of a unit adds to dq and dk.
  bool adds(Index unit, Index head) const noexcept {
    return head != first_head(unit) || (unit % parts_ == 0 && grads_[0].accumulate);
  }

  /// Adds the parts up, a token a task.
  void finish(const Executor& executor) const {
    if (parts_ == 1) return;
    const Shape<4>& shape = grads_[0].dq ? grads_[0].dq.shape() : grads_[0].dk.shape();
    executor.for_each(shape[0] * shape[1], [&](Index token) {
      for (auto view : {&Gradients<Scalar>::dq, &Gradients<Scalar>::dk})
        for (Index p = 1; p < parts_ && grads_[0].*view; ++p)
          for (Index h = 0; h < shape[2]; ++h) {
            const Index b = token / shape[1], t = token % shape[1];
            Scalar* const to = (grads_[0].*view).row(b, t, h);
            const Scalar* const from = (grads_[p].*view).row(b, t, h);
            for (Index i = 0; i < shape[3]; ++i) to[i] += from[i];
          }
    });
  }

 private:
  static constexpr Index many_heads = 8, most_parts = 4;

  Index group_, parts_;
  Gradients<Scalar> grads_[std::size_t(most_parts)];
};

/// Without heads of v nothing reads q and k: their gradients are 0.
template <class Scalar>
void no_value_heads(const Inputs<Scalar>& in, const Gradients<Scalar>& grads) {
  if (grads.accumulate) return;
  for (const auto& to : {grads.dq, grads.dk})
    if (to) for_each_row([&](Scalar* row) { std::fill_n(row, in.q.dim(3), Scalar{0}); }, to);
}

}  // namespace detail

/// `backward` below for a scalar that is named: backward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void backward(const std::type_identity_t<Inputs<Scalar>>& in, std::type_identity_t<Scalar> scale,
              std::type_identity_t<View<const Scalar, 4>> saved,
              std::type_identity_t<View<const Scalar, 4>> dout,
              std::type_identity_t<View<Scalar, 4>> dstate,
              const std::type_identity_t<Gradients<Scalar>>& grads,
              const Workspace& workspace = {}) {
  require_shapes("gla::backward", in, dstate, dout, {.state = "dstate", .o = "dout"});
  require_gradients("gla::backward", in, grads);
  require_saved("gla::backward", in, saved);
  const Index K = in.q.dim(3), H = in.q.dim(2), HV = in.v.dim(2), V = in.v.dim(3);
  const Index N = in.sequences();
  if (HV == 0) return detail::no_value_heads(in, grads);
  if (N == 0) return;
  const Index keys = simd::padded<Scalar, Arch>(K), values = simd::padded<Scalar, Arch>(V);
  const Index threads = workspace.executor.concurrency();
  Scratch scratch(workspace);
  const detail::SharedGradients<Scalar> shared(in, grads, scratch);
  const Index units = shared.units(H);
  const Index parts = std::min(units, (threads + N - 1) / N), tasks = N * parts;
  const Index workers = std::min(tasks, threads);

  const Index room = detail::BackwardScratch<Scalar>::size(keys, values);
  Scalar* rooms = scratch.allocate<Scalar>(workers * room);
  const common::PaddedStates<Scalar> D(dstate, values, scratch);
  const common::Chunks whole(in, std::max<Index>(in.q.dim(1), 1), saved_every, scratch);
  // Gradients of parameters are summed for every sequence alone, then in their order.
  const bool constant = in.g.kind() == GateKind::constant && grads.dg.kind() != GateKind::none;
  Scalar* du = grads.du ? scratch.allocate<Scalar>(N * HV * keys) : nullptr;
  Scalar* dg = constant ? scratch.allocate<Scalar>(N * HV) : nullptr;
  if (du) std::fill_n(du, N * HV * keys, Scalar{0});
  if (dg) std::fill_n(dg, N * HV, Scalar{0});

  share(workspace.executor, tasks, workers, [&](Index task, Index worker) {
    const Index n = task / parts, part = task % parts;
    const Index first = units * part / parts, last = units * (part + 1) / parts;
    const Index first_head = shared.first_head(first), last_head = shared.first_head(last);
    detail::BackwardScratch<Scalar> s(rooms + worker * room, keys, values);
    const Span tokens = sequence(in, n);
    const Index chunks = (tokens.end - tokens.begin + saved_every - 1) / saved_every;
    for (Index h = first_head; h < last_head; ++h) D.enter(n, h, 0, values);
    for (Index chunk = chunks; chunk-- > 0;)
      for (Index h = first_head, unit = first; h < last_head; ++h) {
        while (h >= shared.first_head(unit + 1)) ++unit;
        const Index begin = tokens.begin + chunk * saved_every;
        const Span block{tokens.row, begin, std::min(begin + saved_every, tokens.end)};
        const Index number = whole.chunk[n].saved + chunk;
        const Scalar* state = saved.row(number, h, 0);
        const common::LookAhead ahead =
            chunk == 0 ? common::LookAhead{}
                       : detail::chunk_before(in, block, h, saved.row(number - 1, h, 0), dout,
                                              shared.of(unit));
        detail::chunk_backward<Arch>(in, block, h, scale, state, dout, D.at(n, h), D.stride(),
                                     du ? du + (n * HV + h) * keys : nullptr,
                                     dg ? dg + n * HV + h : nullptr, shared.of(unit),
                                     shared.adds(unit, h), s, ahead);
      }
    for (Index h = first_head; h < last_head; ++h) D.leave(n, h, 0, values);
    simd::finish_streaming();
  });
  shared.finish(workspace.executor);
  for (Index n = 0; n < N; ++n)
    for (Index h = 0; h < HV; ++h) {
      if (dg) *grads.dg.row(0, 0, h) += dg[n * HV + h];
      for (Index i = 0; du && i < K; ++i) grads.du.row(h)[i] += du[(n * HV + h) * keys + i];
    }
}

SLUICE_COMPILED_KERNEL(backward);

/// Gradients of gated linear attention by its inputs and its initial state.
///
/// Hand-derived (see the file comment); subtraction-free in the decays, so exact gates of minus
/// infinity and of any strength, in float too. Independent of the number of threads.
///
/// \param in, scale  as in the forward pass.
/// \param saved   [saved_states(in), HV, K, V], contiguous, written by `blocked` or `forward`.
/// \param dout    gradient by o, [B, T, HV, V].
/// \param dstate  [sequences, HV, K, V], contiguous; gradient by the final state on entry, by the
///                initial state on return.
/// \param grads   where the gradients by q, k, v, g and u go.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Yang et al. (arXiv:2312.06635), appendix C; the gate gradient in its strict form, which
/// does not cancel when the decay is strong.
template <class Arch = simd::DefaultArch, Operand Output>
void backward(const Inputs<ElementOf<Output>>& in, double scale, ConstViewOf<Output> saved,
              const Output& dout, ViewOf<Output> dstate,
              const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
              const Workspace& workspace = {}) {
  backward<Arch, ElementOf<Output>>(in, ElementOf<Output>(scale), saved, dout, dstate, grads,
                                    workspace);
}

}  // namespace sluice::gla
