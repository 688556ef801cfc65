// SPDX-License-Identifier: MIT
/// \file
/// A chunk of one head and the pairs of tokens inside it, for the chunkwise forms.
///
/// With G the sum of gates from the start of the chunk, tokens j < i of a chunk are joined by
///
///     A_ij = sum_c q_ic k_jc exp(G_ic - G_jc)
///
/// G is never formed. Every decay is a product of decays, at most 1:
///   prefix_t   from the start of the chunk to what token t reads,
///   suffix_t   from what token t wrote to the end of the chunk,
///   total      through the whole chunk.
/// Pairs use q prefix and k / prefix up to the last token whose quotient is in range (they
/// "fold"); else sub-blocks of 16 tokens meet at their boundaries, and inside one the products run
/// token by token. Both are exact for any gate, minus infinity included.
#pragma once

#include <sluice/kernels/gla/blocked.hpp>
#include <sluice/simd/transpose.hpp>

namespace sluice::gla::detail {

/// Tokens of a sub-block of a chunk.
inline constexpr Index sub_block = 16;

/// Scratch of one worker. Rows of tokens are padded to whole vectors with zeros, and so is their
/// number, with tokens that neither write nor read nor decay.
template <class Scalar>
struct Chunk {
  Index tokens, keys, values;  // padded
  Scalar *q, *k, *decay;       // [tokens, keys]; q is scaled
  Scalar *prefix, *suffix, *total;
  Scalar *read, *write;        // q prefix and k suffix
  Scalar *inverse, *quotient;  // of foldable tokens: 1 / decay from the start, and k times it
  Scalar *v, *own;             // [tokens, values], [tokens]
  Scalar* pairs;               // [tokens, tokens], zero for j >= i
  Scalar* turned;              // something transposed, [max(keys, values), tokens]
  Scalar *spare, *corner;      // [tokens, keys], [2 sub-blocks + 1, keys]
  Index foldable;              // leading tokens that fold
  bool bonus;

  static Index size(Index C, Index keys, Index values) {
    return C * (10 * keys + values + C + 1 + std::max(keys, values)) + (2 * sub_block + 2) * keys;
  }
  Chunk(Scalar* memory, Index C, Index key_width, Index value_width)
      : tokens(C), keys(key_width), values(value_width), foldable(0), bonus(false) {
    const auto take = [&](Index n) { return std::exchange(memory, memory + n); };
    for (Scalar** rows :
         {&q, &k, &decay, &prefix, &suffix, &read, &write, &inverse, &quotient, &spare})
      *rows = take(C * keys);
    total = take(keys), corner = take((2 * sub_block + 1) * keys), v = take(C * values),
    pairs = take(C * C);
    turned = take(C * std::max(keys, values)), own = take(C);
  }
};

/// Keeps running products of decays out of the subnormals.
template <class B>
SLUICE_INLINE B flushed(const B& product) noexcept {
  using Scalar = simd::ScalarOf<B>;
  return simd::select(product < B(common::smallest_decay<Scalar>), B(Scalar{0}), product);
}

/// Loads a chunk of a head, padded to a multiple of 16, and runs its decays.
template <class Arch, class Scalar>
void load_chunk(const Inputs<Scalar>& in, const Span& tokens, Index head, Scalar scale,
                Chunk<Scalar>& x) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  constexpr Index W = simd::lanes<B>;
  const Index K = in.q.dim(3), shared = in.shared_head(head), used = common::length(tokens);
  x.tokens = (used + sub_block - 1) / sub_block * sub_block;
  x.bonus = static_cast<bool>(in.u);
  common::load_rows<Arch>(in.q, tokens, shared, scale, x.q, x.keys);
  common::load_rows<Arch>(in.k, tokens, shared, Scalar{1}, x.k, x.keys);
  common::load_rows<Arch>(in.v, tokens, head, Scalar{1}, x.v, x.values);
  common::load_decays<Arch>(in.g, tokens, head, K, x.decay, x.keys);
  const Index padding = x.tokens - used;
  std::fill_n(x.q + used * x.keys, padding * x.keys, Scalar{0});
  std::fill_n(x.k + used * x.keys, padding * x.keys, Scalar{0});
  std::fill_n(x.v + used * x.values, padding * x.values, Scalar{0});
  std::fill_n(x.decay + used * x.keys, padding * x.keys, Scalar{1});
  own_weights<Arch>(in, tokens, head, shared, scale, x.own);
  std::fill_n(x.own + used, padding, Scalar{0});
  x.foldable = x.tokens;
  for (Index i = 0; i < x.keys; i += W) {
    B product(Scalar{1});
    for (Index t = 0; t < x.tokens; ++t) {
      const Index at = t * x.keys + i;
      const B before = product;
      product = flushed(B(product * simd::load<B>(x.decay + at)));
      const B prefix = x.bonus ? before : product;
      simd::store(x.prefix + at, prefix);
      simd::store(x.inverse + at, product);
      simd::store(x.read + at, B(simd::load<B>(x.q + at) * prefix));
    }
    simd::store(x.total + i, product);
    const auto falls_low = [&](Index t) {
      const Scalar* row = x.inverse + t * x.keys + i;
      return !(*std::min_element(row, row + W) > fold_limit<Scalar>);
    };
    while (x.foldable > 0 && falls_low(x.foldable - 1)) --x.foldable;
    product = B(Scalar{1});
    for (Index t = x.tokens; t-- > 0;) {
      const Index at = t * x.keys + i;
      simd::store(x.suffix + at, product);
      simd::store(x.write + at, B(simd::load<B>(x.k + at) * product));
      product = flushed(B(product * simd::load<B>(x.decay + at)));
    }
  }
  for (Index at = 0; at < x.foldable * x.keys; at += W) {
    const B inverse = simd::reciprocal(simd::load<B>(x.inverse + at));
    simd::store(x.inverse + at, inverse);
    simd::store(x.quotient + at, B(simd::load<B>(x.k + at) * inverse));
  }
}

}  // namespace sluice::gla::detail
