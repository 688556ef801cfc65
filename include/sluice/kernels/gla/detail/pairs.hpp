// SPDX-License-Identifier: MIT
/// \file
/// The pairs of tokens of a chunk (chunk.hpp): their joint weights, and the gradients of those.
#pragma once

#include <sluice/kernels/gla/detail/chunk.hpp>

namespace sluice::gla::detail {

/// Calls f(B-aligned offset) over the padded keys of one row.
template <class Arch, class Scalar, class F>
SLUICE_INLINE void for_each_key(Index keys, F&& f) noexcept {
  for (Index c = 0; c < keys; c += simd::width<Scalar, Arch>) f(c);
}

/// Runs f(i, j, w) for the tokens j < i of the sub-block at `first`, with w [keys] the decay from
/// what j wrote to what i reads.
template <class Arch, class Scalar, class F>
void for_each_near_pair(const Chunk<Scalar>& x, Index first, F&& f) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  Scalar* w = x.corner;
  const auto pass = [&](Index t) {
    for_each_key<Arch, Scalar>(x.keys, [&](Index c) {
      const B product = simd::load<B>(w + c) * simd::load<B>(x.decay + t * x.keys + c);
      simd::store(w + c, flushed(product));
    });
  };
  for (Index j = first; j < first + sub_block; ++j) {
    std::fill_n(w, x.keys, Scalar{1});
    for (Index i = j + 1; i < first + sub_block; ++i) {
      if (!x.bonus) pass(i);
      f(i, j, w);
      if (x.bonus) pass(i);
    }
  }
}

/// Runs f(first) for every sub-block but the first, after preparing how it meets all earlier
/// tokens at its boundary:
///   w [first, keys] in `quotient`: decay from what an earlier token wrote to the boundary,
///   k w in `spare`, the decay from the boundary to what a token reads in `corner` rows 1 to 16,
///   and that times q in `corner` rows 17 to 32.
template <class Arch, class Scalar, class F>
void for_each_far_block(const Chunk<Scalar>& x, F&& f) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  Scalar* w = x.quotient;
  for (Index first = 0; first < x.tokens; first += sub_block) {
    for_each_key<Arch, Scalar>(x.keys, [&](Index c) {
      B product(Scalar{1});
      for (Index t = 0; t < sub_block; ++t) {
        const Index at = (first + t) * x.keys + c;
        const B before = product;
        product = flushed(B(product * simd::load<B>(x.decay + at)));
        const B seen = x.bonus ? before : product;
        simd::store(x.corner + (1 + t) * x.keys + c, seen);
        simd::store(x.corner + (1 + sub_block + t) * x.keys + c, B(seen * simd::load<B>(x.q + at)));
      }
      for (Index t = 0; t < first; ++t) {
        const Index at = t * x.keys + c;
        simd::store(x.spare + at, B(simd::load<B>(w + at) * simd::load<B>(x.k + at)));
      }
    });
    if (first != 0) f(first);
    for_each_key<Arch, Scalar>(x.keys, [&](Index c) {
      B product(Scalar{1});
      for (Index t = first + sub_block; t-- > 0;) {
        const Index at = t * x.keys + c;
        // Walking back, `product` is the decay after token t; for tokens before this sub-block
        // it is that of the whole sub-block.
        simd::store(w + at, t >= first ? product : flushed(B(product * simd::load<B>(w + at))));
        if (t >= first) product = flushed(B(product * simd::load<B>(x.decay + at)));
      }
    });
  }
}

/// Writes A_ij, j < i, to `pairs`, and zero elsewhere.
template <class Arch, class Scalar>
void weigh_pairs(const Chunk<Scalar>& x) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Index C = x.tokens, keys = x.keys;
  simd::transpose<Arch>(x.foldable, keys, x.quotient, keys, x.turned, C);
  for (Index i = 0; i < x.foldable; i += sub_block) {
    const Index rows = std::min(sub_block, x.foldable - i);
    simd::product<Arch, Scalar>(rows, i + rows, keys, {x.read + i * keys, keys, 1}, x.turned, C,
                                x.pairs + i * C, C);
  }
  if (x.foldable < C) {
    for_each_far_block<Arch>(x, [&](Index first) {
      const Index skip = std::clamp<Index>(x.foldable - first, 0, sub_block);
      simd::transpose<Arch>(first, keys, x.spare, keys, x.turned, first);
      simd::product<Arch, Scalar>(sub_block - skip, first, keys,
                                  {x.corner + (1 + sub_block + skip) * keys, keys, 1}, x.turned,
                                  first, x.pairs + (first + skip) * C, C);
    });
    for (Index first = 0; first < C; first += sub_block)
      for_each_near_pair<Arch>(x, first, [&](Index i, Index j, const Scalar* w) {
        if (i < x.foldable) return;
        B sum(Scalar{0});
        for_each_key<Arch, Scalar>(keys, [&](Index c) {
          sum = simd::madd(B(simd::load<B>(x.q + i * keys + c) * simd::load<B>(w + c)),
                           simd::load<B>(x.k + j * keys + c), sum);
        });
        x.pairs[i * C + j] = simd::sum(sum);
      });
  }
  for (Index i = 0; i < C; ++i) std::fill(x.pairs + i * C + i, x.pairs + (i + 1) * C, Scalar{0});
}

/// to [rows, keys] = factor (.) from.
template <class Arch, class Scalar>
void scaled(Index rows, Index keys, const Scalar* factor, const Scalar* from, Scalar* to) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  for (Index at = 0; at < rows * keys; at += simd::lanes<B>)
    simd::store(to + at, B(simd::load<B>(factor + at) * simd::load<B>(from + at)));
}

/// to [rows, keys] += factor (.) from.
template <class Arch, class Scalar>
void add_scaled(Index rows, Index keys, const Scalar* factor, const Scalar* from,
                Scalar* to) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  for (Index at = 0; at < rows * keys; at += simd::lanes<B>)
    simd::store(to + at, simd::madd(simd::load<B>(factor + at), simd::load<B>(from + at),
                                    simd::load<B>(to + at)));
}

/// The gradients of the pairs: from dA [tokens, tokens], zero for j >= i,
///
///     dq_i += sum_j dA_ij k_j exp(..),      dk_j += sum_i dA_ij q_i exp(..)
template <class Arch, class Scalar>
void pairs_backward(const Chunk<Scalar>& x, const Scalar* dA, Scalar* dq, Scalar* dk) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Index C = x.tokens, keys = x.keys;
  if (x.foldable == C) {
    for (Index i = 0; i < C; i += sub_block) {
      simd::product<Arch, Scalar>(sub_block, keys, i + sub_block, {dA + i * C, C, 1}, x.quotient,
                                  keys, x.spare, keys);
      add_scaled<Arch>(sub_block, keys, x.prefix + i * keys, x.spare, dq + i * keys);
      simd::product<Arch, Scalar>(sub_block, keys, C - i, {dA + i * C + i, 1, C}, x.read + i * keys,
                                  keys, x.spare, keys);
      add_scaled<Arch>(sub_block, keys, x.inverse + i * keys, x.spare, dk + i * keys);
    }
    return;
  }
  for_each_far_block<Arch>(x, [&](Index first) {
    const Scalar* rows = dA + first * C;
    simd::product<Arch, Scalar>(sub_block, keys, first, {rows, C, 1}, x.spare, keys, x.inverse,
                                keys);
    add_scaled<Arch>(sub_block, keys, x.corner + keys, x.inverse, dq + first * keys);
    simd::product<Arch, Scalar>(first, keys, sub_block, {rows, 1, C},
                                x.corner + (1 + sub_block) * keys, keys, x.inverse, keys);
    add_scaled<Arch>(first, keys, x.quotient, x.inverse, dk);
  });
  for (Index first = 0; first < C; first += sub_block)
    for_each_near_pair<Arch>(x, first, [&](Index i, Index j, const Scalar* w) {
      const B weight(dA[i * C + j]);
      for_each_key<Arch, Scalar>(keys, [&](Index c) {
        const B decayed = weight * simd::load<B>(w + c);
        Scalar* to_q = dq + i * keys + c;
        Scalar* to_k = dk + j * keys + c;
        simd::store(to_q,
                    simd::madd(decayed, simd::load<B>(x.k + j * keys + c), simd::load<B>(to_q)));
        simd::store(to_k,
                    simd::madd(decayed, simd::load<B>(x.q + i * keys + c), simd::load<B>(to_k)));
      });
    });
}

}  // namespace sluice::gla::detail
