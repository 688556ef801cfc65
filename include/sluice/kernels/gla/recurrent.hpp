// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention, one token at a time: the streaming form. Allocates nothing.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/common/decay.hpp>
#include <sluice/kernels/gla/types.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/gemm.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace sluice::gla {

namespace detail {

/// Key channels whose decays are computed ahead on the stack.
inline constexpr Index key_slice = 128;

/// One pass over a slice of the state, a column tile at a time, with o in registers.
template <class B, int Vectors, class Scalar = simd::ScalarOf<B>>
SLUICE_INLINE void advance_columns(Index K, Index V, const Scalar* q, const Scalar* k,
                                   const Scalar* decay, const Scalar* v, Scalar own, bool bonus,
                                   Scalar* state, Scalar* o, bool first) noexcept {
  constexpr Index W = simd::lanes<B>;
  B value[std::size_t(Vectors)], out[std::size_t(Vectors)];
  simd::unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA {
    value[j] = simd::load<B>(v + j * W);
    out[j] = first ? B(B(own) * value[j]) : simd::load<B>(o + j * W);
  });
  const auto walk = [&](auto reads_first) SLUICE_INLINE_LAMBDA {
    for (Index i = 0; i < K; ++i) {
      const B qi(q[i]), ki(k[i]), di(decay[i]);
      simd::unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA {
        Scalar* s = state + i * V + j * W;
        const B before = simd::load<B>(s);
        const B after = simd::madd(ki, value[j], B(di * before));
        out[j] = simd::madd(qi, reads_first() ? before : after, out[j]);
        simd::store(s, after);
      });
    }
  };
  if (bonus)
    walk(std::true_type{});
  else
    walk(std::false_type{});
  simd::unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA { simd::store(o + j * W, out[j]); });
}

/// Advances one head by one token. `state` is K rows of V, `o` one row of V.
template <class Arch, class Scalar>
void advance(const Inputs<Scalar>& in, Index b, Index t, Index h, Scalar scale, Scalar* state,
             Scalar* o) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Index K = in.q.dim(3), V = in.v.dim(3), hq = in.shared_head(h);
  if (K == 0) return void(std::fill_n(o, V, Scalar{0}));
  const Scalar* q = in.q.row(b, t, hq);
  const Scalar* k = in.k.row(b, t, hq);
  const Scalar* v = in.v.row(b, t, h);
  const GateKind kind = in.g.kind();
  const Scalar* g = kind == GateKind::none ? nullptr : in.g.row(b, t, h);
  Scalar own = 0;
  if (in.u)
    for (Index i = 0; i < K; ++i) own += scale * in.u.row(h)[i] * q[i] * k[i];
  Scalar scaled[key_slice], decay[key_slice];
  if (kind != GateKind::vector) std::fill_n(decay, key_slice, g ? common::decay_of(*g) : Scalar{1});
  for (Index i = 0; i < K; i += key_slice) {
    const Index count = std::min(key_slice, K - i);
    simd::for_each_lane<Arch, Scalar>(count, [&]<class L>(std::type_identity<L>, Index c) {
      simd::store(scaled + c, simd::load<L>(q + i + c) * L(scale));
      if (kind == GateKind::vector)
        simd::store(decay + c, common::decay_of(simd::load<L>(g + i + c)));
    });
    Scalar* s = state + i * V;
    const bool bonus = static_cast<bool>(in.u);
    constexpr Index W = simd::lanes<B>;
    Index j = 0;
    for (; j + 4 * W <= V; j += 4 * W)
      advance_columns<B, 4>(count, V, scaled, k + i, decay, v + j, own, bonus, s + j, o + j,
                            i == 0);
    for (; j + W <= V; j += W)
      advance_columns<B, 1>(count, V, scaled, k + i, decay, v + j, own, bonus, s + j, o + j,
                            i == 0);
    for (; j < V; ++j)
      advance_columns<Scalar, 1>(count, V, scaled, k + i, decay, v + j, own, bonus, s + j, o + j,
                                 i == 0);
  }
}

}  // namespace detail

/// `recurrent` below for a scalar that is named: recurrent<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void recurrent(const std::type_identity_t<Inputs<Scalar>>& in, std::type_identity_t<Scalar> scale,
               std::type_identity_t<View<Scalar, 4>> state, std::type_identity_t<View<Scalar, 4>> o,
               const Workspace& = {}) {
  require_shapes("gla::recurrent", in, state, o);
  for (Index n = 0; n < in.sequences(); ++n) {
    const Span tokens = sequence(in, n);
    for (Index t = tokens.begin; t < tokens.end; ++t)
      for (Index h = 0; h < in.v.dim(2); ++h)
        detail::advance<Arch>(in, tokens.row, t, h, Scalar(scale), state.row(n, h, 0),
                              o.row(tokens.row, t, h));
  }
}

SLUICE_COMPILED_KERNEL(recurrent);

/// Gated linear attention in its recurrent form, read as in types.hpp.
///
///     S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T,        o_t = scale * S_t^T q_t
///
/// The form for a few tokens: with T = 1 it is the step of a stream. One pass over the state a
/// token, O(K V); allocates nothing. Agrees with every other form to rounding.
///
/// \param in     q, k [B, T, H, K], v [B, T, HV, V], gate and bonus as in `Inputs`.
/// \param scale  multiplies q; 1 / sqrt(K) is customary.
/// \param state  [B or packed sequences, HV, K, V], contiguous; initial state on entry, final
///               state on return.
/// \param o      [B, T, HV, V]; overwritten. Must not overlap an input.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Yang et al., Gated Linear Attention Transformers with Hardware-Efficient Training,
/// ICML 2024, eq. 3 (arXiv:2312.06635); the bonus: Peng et al., Eagle and Finch (arXiv:2404.05892).
template <class Arch = simd::DefaultArch, Operand Output>
void recurrent(const Inputs<ElementOf<Output>>& in, double scale, ViewOf<Output> state,
               Output&& out, const Workspace& = {}) {
  recurrent<Arch, ElementOf<Output>>(in, ElementOf<Output>(scale), state, out);
}

/// One token of a stream: `recurrent` for T = 1. Arguments and errors as there.
template <class Arch = simd::DefaultArch, Operand Output>
void step(const Inputs<ElementOf<Output>>& in, double scale, ViewOf<Output> state, Output&& o,
          const Workspace& workspace = {}) {
  require(in.q.dim(1) == 1, "gla::step", "T", "1", in.q.dim(1));
  recurrent<Arch>(in, scale, state, o, workspace);
}

}  // namespace sluice::gla
