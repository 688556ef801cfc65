// SPDX-License-Identifier: MIT
/// \file
/// The gradients of softmax attention, a block of queries and keys at a time.
///
/// With p the weights, made again from the scores and their logarithmic sum, and do the gradient
/// by o, for a query t and a key j
///
///     dv_j += p_tj do_t,   ds_tj = p_tj (<do_t, v_j> - <do_t, o_t>)
///     dq_t += scale ds_tj k_j,   dk_j += scale ds_tj q_t,   dbias_tj += ds_tj
///
/// Keys are walked outside and queries inside: every sum has one order, whatever the threads.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/attention/detail/scores.hpp>
#include <sluice/kernels/common/clear.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>

namespace sluice::attention {

namespace detail {

/// Scratch memory of one head of keys.
template <class Scalar>
struct BackwardRoom {
  Scalar *q, *shift, *along;    // scaled queries [T, K]; of every query log2 of its sum, <do, o>
  Scalar *keys, *values;        // a block of them as columns
  Scalar *weights, *gradients;  // blocks of p and ds

  static Index size(const Inputs<Scalar>& in) noexcept {
    const Index T = in.q.dim(1), K = in.q.dim(3), V = in.v.dim(3);
    return T * (K + 2) + block * (K + V + 2 * block);
  }
  BackwardRoom(const Inputs<Scalar>& in, Scalar* room) noexcept {
    const Index T = in.q.dim(1), K = in.q.dim(3), V = in.v.dim(3);
    keys = room, values = keys + block * K, weights = values + block * V;
    gradients = weights + block * block, q = gradients + block * block;
    shift = q + T * K, along = shift + T;
  }
};

/// p = 2^(s - shift), and ds = p (dp - along) in place of dp.
template <class Arch, class Scalar>
void weigh(Index n, const Scalar* shift, const Scalar* along, Scalar* s, Scalar* dp) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  for (Index r = 0; r < n; ++r)
    for (Index c = r * block; c < (r + 1) * block; c += simd::lanes<B>) {
      const B p = simd::exp2_or_zero(B(simd::load<B>(s + c) - B(shift[r])), least_power<Scalar>);
      simd::store(s + c, p);
      simd::store(dp + c, B(p * B(simd::load<B>(dp + c) - B(along[r]))));
    }
}

/// All that one query head and one block of keys add to gradients.
template <class Arch, class Scalar>
void keys_backward(const Inputs<Scalar>& in, const Span& sequence, Index h, Keys keys, Scalar scale,
                   const View<const Scalar, 4>& dout, const Gradients<Scalar>& grads,
                   const BackwardRoom<Scalar>& x) {
  const Index K = in.q.dim(3), V = in.v.dim(3), b = sequence.row, hk = in.shared_head(h);
  const Index j = keys.begin, m = keys.end - keys.begin;
  for (Index t = sequence.begin; t < sequence.end; t += block) {
    const Queries some{sequence, h, t, std::min(block, sequence.end - t)};
    const Keys seen = seen_by(in, some);
    if (keys.end <= seen.begin || keys.begin >= seen.end) continue;
    const Index n = some.count, at = t - sequence.begin;
    scores<Arch>(in, some, keys, x.q + at * K, x.keys, x.weights);
    const Scalar* const d = dout.row(b, t, h);
    simd::product<Arch, Scalar>(n, block, V, {d, dout.stride(1), 1}, x.values, block, x.gradients,
                                block);
    weigh<Arch>(n, x.shift + at, x.along + at, x.weights, x.gradients);
    for (Index r = 0; grads.dbias && r < n; ++r)
      for (Index c = 0; c < m; ++c) grads.dbias(b, h, t + r, j + c) += x.gradients[r * block + c];
    for (Index i = 0; i < n * block; ++i) x.gradients[i] *= scale;
    if (grads.dv)
      simd::product<Arch, Scalar>(m, V, n, {x.weights, 1, block}, d, dout.stride(1),
                                  grads.dv.row(b, j, hk), grads.dv.stride(1), simd::Write::add);
    if (grads.dq)
      simd::product<Arch, Scalar>(n, K, m, {x.gradients, block, 1}, in.k.row(b, j, hk),
                                  in.k.stride(1), grads.dq.row(b, t, h), grads.dq.stride(1),
                                  simd::Write::add);
    if (grads.dk)
      simd::product<Arch, Scalar>(m, K, n, {x.gradients, 1, block}, in.q.row(b, t, h),
                                  in.q.stride(1), grads.dk.row(b, j, hk), grads.dk.stride(1),
                                  simd::Write::add);
  }
}

}  // namespace detail

/// `backward` below for a scalar that is named: backward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void backward(const std::type_identity_t<Inputs<Scalar>>& in, std::type_identity_t<Scalar> scale,
              std::type_identity_t<View<const Scalar, 4>> o,
              std::type_identity_t<View<const Scalar, 3>> lse,
              std::type_identity_t<View<const Scalar, 4>> dout,
              const std::type_identity_t<Gradients<Scalar>>& grads,
              const Workspace& workspace = {}) {
  const auto where = "attention::backward";
  require_shapes(where, in, o, lse);
  require_shapes(where, in, dout, lse, {.o = "dout"});
  require_gradients(where, in, grads);
  require(lse || in.q.size() == 0, where, "lse", "what `forward` has left", "nothing");
  if (!grads.accumulate) common::clear(grads.dq), common::clear(grads.dk), common::clear(grads.dv);
  const Index HK = in.k.dim(2), K = in.q.dim(3), V = in.v.dim(3);
  if (HK == 0) return;
  const Index shared = in.q.dim(2) / HK, tasks = in.sequences() * HK;
  // A gradient by a bias that is repeated belongs to several tasks.
  const bool apart = !grads.dbias || (grads.dbias.stride(0) != 0 && grads.dbias.stride(1) != 0);
  const Executor executor = apart ? workspace.executor : Executor{};
  const Index workers = std::min(tasks, executor.concurrency());
  Scratch scratch(workspace);
  const Index size = detail::BackwardRoom<Scalar>::size(in);
  Scalar* const rooms = scratch.allocate<Scalar>(workers * size);
  share(executor, tasks, workers, [&](Index task, Index worker) {
    const detail::BackwardRoom<Scalar> x(in, rooms + worker * size);
    const Span tokens = sequence(in, task / HK);
    const Keys all = keys_of(in, tokens);
    const Index hk = task % HK, b = tokens.row;
    for (Index h = hk * shared; h < (hk + 1) * shared; ++h) {
      detail::scale_queries<Arch>(
          in, detail::Queries{tokens, h, tokens.begin, tokens.end - tokens.begin}, scale, x.q);
      for (Index t = tokens.begin; t < tokens.end; ++t) {
        // Minus infinity, of a query that sees nothing, becomes plus infinity: no weight at all.
        const Scalar sum = lse.row(b, h)[t];
        x.shift[t - tokens.begin] =
            detail::log2_e<Scalar> * (sum == detail::minus_infinity<Scalar> ? -sum : sum);
        Scalar along = 0;
        for (Index i = 0; i < V; ++i) along += dout.row(b, t, h)[i] * o.row(b, t, h)[i];
        x.along[t - tokens.begin] = along;
      }
      for (Index j = all.begin; j < all.end; j += detail::block) {
        const Keys keys{j, std::min(j + detail::block, all.end)};
        const Index m = keys.end - keys.begin;
        detail::turn<Arch>(m, K, in.k.row(b, j, hk), in.k.stride(1), x.keys);
        detail::turn<Arch>(m, V, in.v.row(b, j, hk), in.v.stride(1), x.values);
        detail::keys_backward<Arch>(in, tokens, h, keys, scale, dout, grads, x);
      }
    }
  });
}

SLUICE_COMPILED_KERNEL(backward);

/// Gradients of softmax attention by q, k, v and the bias.
///
/// \param in, scale  as in the forward pass.
/// \param o, lse     what it has left.
/// \param doutput    gradient by o, [B, T, H, V].
/// \param grads      where the gradients go; must not overlap an input.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Dao, FlashAttention-2, 2023, algorithm 2 (arXiv:2307.08691).
template <class Arch = simd::DefaultArch, Operand Output>
void backward(const Inputs<ElementOf<Output>>& in, double scale, ConstViewOf<Output> o,
              ConstViewOf<Output, 3> lse, const Output& doutput,
              const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
              const Workspace& workspace = {}) {
  backward<Arch, ElementOf<Output>>(in, ElementOf<Output>(scale), o, lse, doutput, grads,
                                    workspace);
}

}  // namespace sluice::attention
