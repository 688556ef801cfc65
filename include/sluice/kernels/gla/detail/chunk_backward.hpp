// SPDX-License-Identifier: MIT
/// \file
/// The gradients of one chunk of gated linear attention.
///
/// With S the state before the chunk and D the gradient of the state after it, and the decays of
/// chunk.hpp,
///
///   1. dA_ij = <do_i, v_j>
///   2. dq_i  = prefix_i (.) (S do_i)  + sum_{j<i} dA_ij k_j exp(G_i - G_j)       (strict parts)
///   3. dk_j  = suffix_j (.) (D v_j)   + sum_{i>j} dA_ij q_i exp(G_i - G_j)
///   4. dv_j  = D^T (suffix_j (.) k_j) + sum_{i>j} A_ij do_i + m_j do_j
///   5. dg_t  = total (.) rowsum(S (.) D)                  through the whole chunk
///            + sum_{j<t}  k_j (.) suffix_j (.) (D v_j)    written before t, read after the chunk
///            + sum_{i>=t} q_i (.) dq_i - sum_{j>=t} k_j (.) dk_j^pairs
///                                                         read from t on, written before t
///   6. the own token, which no gate lies before, with a_t = dA_tt:
///      dq_t += a_t u (.) k_t,  dk_t += a_t u (.) q_t,  du += a_t q_t (.) k_t
///   7. D <- total (.) D + sum_i (prefix_i (.) q_i) do_i^T
///
/// q is scaled throughout; dq is scaled at the end. With a bonus, prefix_i and the pairs stop
/// before g_i, the sum over i in 5 starts behind t, and neighbours too have no gate between them.
/// The pairs of 6 stay out of 5: they would enter both sums e^|g| times larger than the result.
#pragma once

#include <sluice/kernels/gla/detail/pairs.hpp>

namespace sluice::gla::detail {

/// What a worker needs besides a chunk.
template <class Scalar>
struct BackwardScratch {
  Chunk<Scalar> x;
  Scalar *cotangent, *dA, *dq, *dk, *dk_state, *dv, *dg;
  Scalar *own, *next;                      // the diagonal of dA and, with a bonus, the one below
  Scalar *turned_state, *turned_gradient;  // S^T and D^T, [values, keys]

  static Index size(Index keys, Index values) {
    constexpr Index C = saved_every;
    return Chunk<Scalar>::size(C, keys, values) + C * (2 * values + 4 * keys + C + 2) +
           2 * values * keys;
  }
  BackwardScratch(Scalar* memory, Index keys, Index values) : x(memory, saved_every, keys, values) {
    constexpr Index C = saved_every;
    memory += Chunk<Scalar>::size(C, keys, values);
    const auto take = [&](Index n) { return std::exchange(memory, memory + n); };
    cotangent = take(C * values), dv = take(C * values), dA = take(C * C), own = take(C),
    next = take(C);
    dq = take(C * keys), dk = take(C * keys), dk_state = take(C * keys), dg = take(C * keys);
    turned_state = take(values * keys), turned_gradient = take(values * keys);
  }
};

/// Steps 1 to 4: dq and dk without the own token, dk_state the part of dk through D.
template <class Arch, class Scalar>
void data_gradients(const BackwardScratch<Scalar>& s, Index K, const Scalar* D, Index stride,
                    LookAhead& ahead) noexcept {
  const Chunk<Scalar>& x = s.x;
  const Index C = x.tokens, keys = x.keys, values = x.values;
  simd::transpose<Arch>(C, values, x.v, values, x.turned, C);
  for (Index i = 0; i < C; i += sub_block)
    simd::product<Arch, Scalar>(sub_block, i + sub_block, values,
                                {s.cotangent + i * values, values, 1}, x.turned, C, s.dA + i * C,
                                C);
  for (Index i = 0; i < C; ++i) {
    s.own[i] = s.dA[i * C + i];
    s.next[i] = x.bonus && i > 0 ? std::exchange(s.dA[i * C + i - 1], Scalar{0}) : Scalar{0};
    std::fill(s.dA + i * C + i, s.dA + (i + 1) * C, Scalar{0});
  }

  constexpr Index some = saved_every / 8;  // rows asked for between two products
  ahead.request(some);
  simd::product<Arch, Scalar>(C, keys, values, {s.cotangent, values, 1}, s.turned_state, keys, s.dk,
                              keys);
  ahead.request(some);
  scaled<Arch>(C, keys, x.prefix, s.dk, s.dq);
  simd::product<Arch, Scalar>(C, keys, values, {x.v, values, 1}, s.turned_gradient, keys, s.dk,
                              keys);
  scaled<Arch>(C, keys, x.suffix, s.dk, s.dk_state);

  ahead.request(some);
  weigh_pairs<Arch>(x);
  ahead.request(some);
  for (Index t = 0; t < C; ++t) x.pairs[t * C + t] = x.own[t];
  simd::product<Arch, Scalar>(C, values, K, {x.write, keys, 1}, D, stride, s.dv, values);
  ahead.request(some);
  for (Index j = 0; j < C; j += sub_block)
    simd::product<Arch, Scalar>(sub_block, values, C - j, {x.pairs + j * C + j, 1, C},
                                s.cotangent + j * values, values, s.dv + j * values, values,
                                simd::Write::add);
  std::fill_n(s.dk, C * keys, Scalar{0});
  ahead.request(some);
  pairs_backward<Arch>(x, s.dA, s.dq, s.dk);
  ahead.request(some);
}

/// Step 5, with dk still that of the pairs alone.
template <class Arch, class Scalar>
void gate_gradient(const BackwardScratch<Scalar>& s) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Chunk<Scalar>& x = s.x;
  for_each_key<Arch, Scalar>(x.keys, [&](Index c) {
    B through(Scalar{0});
    for (Index j = 0; j < x.values; ++j)
      through = simd::madd(simd::load<B>(s.turned_state + j * x.keys + c),
                           simd::load<B>(s.turned_gradient + j * x.keys + c), through);
    B before = simd::load<B>(x.total + c) * through;
    for (Index t = 0; t < x.tokens; ++t) {
      const Index at = t * x.keys + c;
      simd::store(s.dg + at, before);
      before = simd::madd(simd::load<B>(x.k + at), simd::load<B>(s.dk_state + at), before);
    }
    B after(Scalar{0});
    for (Index t = x.tokens; t-- > 0;) {
      const Index at = t * x.keys + c;
      const B read = simd::load<B>(x.q + at) * simd::load<B>(s.dq + at);
      after = simd::nmadd(simd::load<B>(x.k + at), simd::load<B>(s.dk + at), after);
      if (!x.bonus) after = after + read;
      simd::store(s.dg + at, B(simd::load<B>(s.dg + at) + after));
      if (x.bonus) after = after + read;
    }
  });
}

/// Step 6, and the sum of both parts of dk; du may be null.
template <class Arch, class Scalar>
void own_gradients(const BackwardScratch<Scalar>& s, const Scalar* u, Scalar* du) noexcept {
  const Chunk<Scalar>& x = s.x;
  using B = simd::Batch<Scalar, Arch>;
  for (Index t = 0; t < x.tokens; ++t)
    for_each_key<Arch, Scalar>(x.keys, [&](Index c) {
      const Index at = t * x.keys + c;
      const B q = simd::load<B>(x.q + at), k = simd::load<B>(x.k + at), a(s.own[t]);
      const B weight = u ? B(a * simd::load<B>(u + c)) : a;
      simd::store(s.dq + at, simd::madd(weight, k, simd::load<B>(s.dq + at)));
      simd::store(
          s.dk + at,
          simd::madd(weight, q, B(simd::load<B>(s.dk + at) + simd::load<B>(s.dk_state + at))));
      if (x.bonus && t > 0) {
        const B next(s.next[t]);
        simd::store(s.dq + at,
                    simd::madd(next, simd::load<B>(x.k + at - x.keys), simd::load<B>(s.dq + at)));
        simd::store(s.dk + at - x.keys, simd::madd(next, q, simd::load<B>(s.dk + at - x.keys)));
      }
      if (du) simd::store(du + c, simd::madd(B(a * q), k, simd::load<B>(du + c)));
    });
}

/// Step 7.
template <class Arch, class Scalar>
void carry_gradient(const BackwardScratch<Scalar>& s, Index K, Scalar* D, Index stride) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Chunk<Scalar>& x = s.x;
  for (Index i = 0; i < K; ++i)
    for (Index j = 0; j < x.values; j += simd::lanes<B>)
      simd::store(D + i * stride + j, B(B(x.total[i]) * simd::load<B>(D + i * stride + j)));
  simd::product<Arch, Scalar>(K, x.values, x.tokens, {x.read, 1, x.keys}, s.cotangent, x.values, D,
                              stride, simd::Write::add);
}

/// Adds or writes the gradient by the gate of one chunk.
template <class Arch, class Scalar>
void store_gate_gradient(const BackwardScratch<Scalar>& s, const Span& tokens, Index head,
                         bool accumulate, const Gate<Scalar>& dg, Scalar* constant) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  if (dg.kind() == GateKind::none) return;
  if (dg.kind() == GateKind::vector)
    return common::store_rows<Arch>(s.dg, s.x.keys, accumulate, tokens, head, dg.view());
  for (Index t = 0; t < common::length(tokens); ++t) {
    B sum(Scalar{0});
    for_each_key<Arch, Scalar>(
        s.x.keys, [&](Index c) { sum = sum + simd::load<B>(s.dg + t * s.x.keys + c); });
    if (dg.kind() == GateKind::constant) {
      *constant += simd::sum(sum);
    } else {
      Scalar& to = *dg.row(tokens.row, tokens.begin + t, head);
      to = (accumulate ? to : Scalar{0}) + simd::sum(sum);
    }
  }
}

/// What the chunk before these tokens of the same head will read and write.
template <class Scalar>
LookAhead chunk_before(const Inputs<Scalar>& in, const Span& tokens, Index h, const Scalar* state,
                       const View<const Scalar, 4>& dout, const Gradients<Scalar>& grads) noexcept {
  const Index K = in.q.dim(3), V = in.v.dim(3), b = tokens.row, hq = in.shared_head(h);
  const Index t = tokens.begin - saved_every;
  LookAhead ahead(saved_every);
  const auto add = [&](const auto& x, Index head) {
    if (x) ahead.add(x.row(b, t, head), x.stride(1), x.dim(3));
  };
  add(in.q, hq), add(in.k, hq), add(in.v, h), add(dout, h);
  if (in.g.kind() == GateKind::vector) add(in.g.view(), h);
  if (grads.accumulate) {
    add(grads.dq, hq), add(grads.dk, hq), add(grads.dv, h);
    if (grads.dg.kind() == GateKind::vector) add(grads.dg.view(), h);
  }
  const Index part = K * V / saved_every;  // of the state, a part with every token
  ahead.add(state, part, part);
  return ahead;
}

/// One chunk of one head. D [K, stride] goes from the gradient after the chunk to that before it.
/// With `add_shared` dq and dk, which the heads of a group share, are added to.
template <class Arch, class Scalar>
void chunk_backward(const Inputs<Scalar>& in, const Span& tokens, Index head, Scalar scale,
                    const Scalar* state, const View<const Scalar, 4>& dout, Scalar* D, Index stride,
                    Scalar* du, Scalar* dg_constant, const Gradients<Scalar>& grads,
                    bool add_shared, BackwardScratch<Scalar>& s, LookAhead ahead) noexcept {
  const Index K = in.q.dim(3), V = in.v.dim(3), shared = in.shared_head(head);
  const Index count = common::length(tokens);
  Chunk<Scalar>& x = s.x;
  load_chunk<Arch>(in, tokens, head, scale, x);
  common::load_rows<Arch>(dout, tokens, head, Scalar{1}, s.cotangent, x.values);
  std::fill_n(s.cotangent + count * x.values, (x.tokens - count) * x.values, Scalar{0});
  // Columns of padded keys and rows of padded values are zero.
  if (K != x.keys || V != x.values) {
    std::fill_n(s.turned_state, x.values * x.keys, Scalar{0});
    std::fill_n(s.turned_gradient, x.values * x.keys, Scalar{0});
  }
  simd::transpose<Arch>(K, V, state, V, s.turned_state, x.keys);
  simd::transpose<Arch>(K, V, D, stride, s.turned_gradient, x.keys);
  data_gradients<Arch>(s, K, D, stride, ahead);
  ahead.request(saved_every);
  if (grads.dg.kind() != GateKind::none) {
    gate_gradient<Arch>(s);
    store_gate_gradient<Arch>(s, tokens, head, grads.accumulate, grads.dg, dg_constant);
  }
  carry_gradient<Arch>(s, K, D, stride);
  const Scalar* u = nullptr;
  if (in.u) {
    std::copy_n(in.u.row(head), K, x.corner);
    std::fill(x.corner + K, x.corner + x.keys, Scalar{0});
    u = x.corner;
  }
  own_gradients<Arch>(s, u, du);
  for (Index at = 0; at < count * x.keys; ++at) s.dq[at] *= scale;
  if (grads.dq) common::store_rows<Arch>(s.dq, x.keys, add_shared, tokens, shared, grads.dq);
  if (grads.dk) common::store_rows<Arch>(s.dk, x.keys, add_shared, tokens, shared, grads.dk);
  if (grads.dv) common::store_rows<Arch>(s.dv, x.values, grads.accumulate, tokens, head, grads.dv);
}

}  // namespace sluice::gla::detail
