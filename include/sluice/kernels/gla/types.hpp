// SPDX-License-Identifier: MIT
/// \file
/// Vocabulary of the diagonal-decay kernels: gated linear attention and all its special cases.
///
///     S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T
///     o_t = scale * S_t^T q_t                                        without u
///     o_t = scale * (S_{t-1}^T q_t + <u (.) q_t, k_t> v_t)           with the bonus u
///
/// Sizes: B batch, T time, H query and key heads, HV value heads (a multiple of H; value head hv
/// reads query head hv / (HV / H)), K key width, V value width.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/common/gate.hpp>
#include <sluice/kernels/common/operand.hpp>

#include <span>
#include <string_view>

namespace sluice::gla {

using common::Gate;
using common::GateKind;

/// The streams of the operator.
template <class Scalar>
struct Inputs {
  View<const Scalar, 4> q;    ///< queries [B, T, H, K]
  View<const Scalar, 4> k;    ///< keys    [B, T, H, K]
  View<const Scalar, 4> v;    ///< values  [B, T, HV, V]
  Gate<const Scalar> g{};     ///< none, [HV], [B, T, HV] or [B, T, HV, K]
  View<const Scalar, 2> u{};  ///< bonus [HV, K]; with it o reads the state before the update
  /// Starts of sequences packed into one batch row (B = 1), and the end: [0, ..., T].
  std::span<const Index> cu_seqlens{};

  /// The head of q and k that a head of v reads.
  Index shared_head(Index h) const noexcept { return h / (v.dim(2) / q.dim(2)); }
  /// Number of independent sequences: B, or that of the packed ones.
  Index sequences() const noexcept { return count_sequences(cu_seqlens, q.dim(0)); }
};

/// Where the gradients go; views without data are skipped.
template <class Scalar>
struct Gradients {
  View<Scalar, 4> dq{};  ///< as q
  View<Scalar, 4> dk{};  ///< as k
  View<Scalar, 4> dv{};  ///< as v
  Gate<Scalar> dg{};     ///< of the kind and shape of g
  View<Scalar, 2> du{};  ///< as u
  /// Whether dq, dk, dv and a dg that varies in time are added to instead of overwritten; du and a
  /// constant gate's dg, being gradients of parameters, are always added to.
  bool accumulate = false;
};

/// Where the n-th sequence lies.
template <class Scalar>
Span sequence(const Inputs<Scalar>& in, Index n) noexcept {
  return sluice::sequence(in.cu_seqlens, in.q.dim(1), n);
}

/// What the arguments of a kernel are called where they do not agree.
struct Names {
  std::string_view state = "state", o = "o";
};

/// Throws ShapeError unless inputs, state [sequences, HV, K, V] and output [B, T, HV, V] agree, and
/// ArgumentError unless the state is contiguous.
template <class Scalar>
void require_shapes(std::string_view where, const Inputs<Scalar>& in,
                    const std::type_identity_t<View<const Scalar, 4>>& state,
                    const std::type_identity_t<View<const Scalar, 4>>& o, const Names& names = {}) {
  const auto& q = in.q.shape();
  const auto [B, T, H, K] = q;
  const Index HV = in.v.dim(2), V = in.v.dim(3);
  require_shape(where, "k", in.k.shape(), q, "to match q");
  require_shape(where, "v", in.v.shape(), {B, T, HV, V}, "to match q");
  if (H == 0 ? HV != 0 : HV % H != 0)
    throw ShapeError(std::string(where) + ": the heads of v must be a multiple of the " +
                     std::to_string(H) + " heads of q, got " + std::to_string(HV));
  require_gate(where, in.g, {B, T, HV, K});
  if (in.u) require_shape(where, "u", in.u.shape(), {HV, K}, "to match k and the heads of v");
  require_cu_seqlens(where, in.cu_seqlens, B, T);
  require_shape(where, names.state, state.shape(), {in.sequences(), HV, K, V}, "to match k and v");
  require(state.contiguous(), where, names.state, "contiguous", "a strided view");
  require_shape(where, names.o, o.shape(), {B, T, HV, V}, "to match v");
}

/// Throws ShapeError unless every gradient that is asked for has the shape of its input.
template <class Scalar>
void require_gradients(std::string_view where, const Inputs<Scalar>& in,
                       const Gradients<Scalar>& grads) {
  if (grads.dq) require_shape(where, "dq", grads.dq.shape(), in.q.shape(), "to match q");
  if (grads.dk) require_shape(where, "dk", grads.dk.shape(), in.k.shape(), "to match k");
  if (grads.dv) require_shape(where, "dv", grads.dv.shape(), in.v.shape(), "to match v");
  if (grads.dg.kind() != GateKind::none) {
    require(grads.dg.kind() == in.g.kind(), where, "dg", "of the kind of g", "another kind");
    require_shape(where, "dg", grads.dg.view().shape(), in.g.view().shape(), "to match g");
  }
  if (grads.du) require_shape(where, "du", grads.du.shape(), in.u.shape(), "to match u");
}

}  // namespace sluice::gla
