// SPDX-License-Identifier: MIT
/// \file
/// Vocabulary of softmax attention.
///
///     s_tj = scale <q_t, k_j> + bias_tj,   p_t = softmax_j(s_t),   o_t = sum_j p_tj v_j
///
/// where j runs over the tokens that query t may see. A query that sees none gives 0.
///
/// Sizes: B batch, T queries and S keys in time, H query heads, HK heads of keys and values (a
/// divisor of H; query head h reads head h / (H / HK)), K key width, V value width.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/common/operand.hpp>

#include <algorithm>
#include <span>
#include <string_view>
#include <type_traits>

namespace sluice::attention {

/// The streams of the operator, and what a query may see: a range of keys around its own position.
template <class Scalar>
struct Inputs {
  View<const Scalar, 4> q;       ///< queries [B, T, H, K]
  View<const Scalar, 4> k;       ///< keys    [B, S, HK, K]
  View<const Scalar, 4> v;       ///< values  [B, S, HK, V]
  View<const Scalar, 4> bias{};  ///< [B, H, T, S]; strides of 0 repeat, minus infinity forbids
  bool causal = false;           ///< no key behind the query's position
  Index offset = 0;              ///< position of the first query among the keys of its sequence
  Index window = 0;              ///< only keys nearer to the position than this; 0 is any
  /// Starts of sequences packed into one batch row (B = 1, T = S), and the end: [0, ..., T].
  std::span<const Index> cu_seqlens{};

  /// The head of k and v that a query head reads.
  Index shared_head(Index h) const noexcept { return h / (q.dim(2) / k.dim(2)); }
  /// Number of independent sequences: B, or that of the packed ones.
  Index sequences() const noexcept { return count_sequences(cu_seqlens, q.dim(0)); }
};

/// Where the gradients go; views without data are skipped.
template <class Scalar>
struct Gradients {
  View<Scalar, 4> dq{};     ///< as q
  View<Scalar, 4> dk{};     ///< as k
  View<Scalar, 4> dv{};     ///< as v
  View<Scalar, 4> dbias{};  ///< as bias; where strides are 0 the sum of the copies, always added
  /// Whether dq, dk and dv are added to instead of overwritten.
  bool accumulate = false;
};

/// Where the queries of the n-th sequence lie.
template <class Scalar>
Span sequence(const Inputs<Scalar>& in, Index n) noexcept {
  return sluice::sequence(in.cu_seqlens, in.q.dim(1), n);
}

/// Keys [begin, end) of a batch row.
struct Keys {
  Index begin, end;
};

/// All keys of a sequence.
template <class Scalar>
Keys keys_of(const Inputs<Scalar>& in, const Span& queries) noexcept {
  if (in.cu_seqlens.empty()) return {0, in.k.dim(1)};
  return {queries.begin, queries.end};
}

/// Those that query t of a sequence may see. Neither end ever falls from a query to the next.
template <class Scalar>
Keys seen_by(const Inputs<Scalar>& in, const Span& queries, Index t) noexcept {
  const Keys all = keys_of(in, queries);
  const Index position = all.begin + in.offset + t - queries.begin;
  Keys seen = all;
  if (in.window > 0) {
    seen.begin = std::max(seen.begin, position - in.window + 1);
    seen.end = std::min(seen.end, position + in.window);
  }
  if (in.causal) seen.end = std::min(seen.end, position + 1);
  seen.end = std::max(seen.end, all.begin);
  seen.begin = std::min(seen.begin, seen.end);
  return seen;
}

/// What the arguments of a kernel are called where they do not agree.
struct Names {
  std::string_view o = "o", lse = "lse";
};

/// Throws ShapeError or ArgumentError unless inputs, output [B, T, H, V] and, if it is there,
/// lse [B, H, T] agree.
template <class Scalar>
void require_shapes(std::string_view where, const Inputs<Scalar>& in,
                    const std::type_identity_t<View<const Scalar, 4>>& o,
                    const std::type_identity_t<View<const Scalar, 3>>& lse,
                    const Names& names = {}) {
  const auto [B, T, H, K] = in.q.shape();
  const Index S = in.k.dim(1), HK = in.k.dim(2), V = in.v.dim(3);
  require_shape(where, "k", in.k.shape(), {B, S, HK, K}, "to match q");
  require_shape(where, "v", in.v.shape(), {B, S, HK, V}, "to match k");
  require(HK == 0 ? H == 0 : H % HK == 0, where, "the heads of q",
          text("a multiple of the ", HK, " of k"), H);
  if (in.bias) require_shape(where, "bias", in.bias.shape(), {B, H, T, S}, "to match q and k");
  require(in.window >= 0, where, "window", "at least 0", in.window);
  require_cu_seqlens(where, in.cu_seqlens, B, T);
  require(in.cu_seqlens.empty() || S == T, where, "the keys",
          text("as many as the ", T, " queries where sequences are packed"), S);
  require_shape(where, names.o, o.shape(), {B, T, H, V}, "to match q and v");
  if (lse) require_shape(where, names.lse, lse.shape(), {B, H, T}, "to match q");
}

/// Throws ShapeError unless every gradient that is asked for has the shape of its input.
template <class Scalar>
void require_gradients(std::string_view where, const Inputs<Scalar>& in,
                       const Gradients<Scalar>& grads) {
  if (grads.dq) require_shape(where, "dq", grads.dq.shape(), in.q.shape(), "to match q");
  if (grads.dk) require_shape(where, "dk", grads.dk.shape(), in.k.shape(), "to match k");
  if (grads.dv) require_shape(where, "dv", grads.dv.shape(), in.v.shape(), "to match v");
  if (grads.dbias)
    require_shape(where, "dbias", grads.dbias.shape(), in.bias.shape(), "to match bias");
}

}  // namespace sluice::attention
