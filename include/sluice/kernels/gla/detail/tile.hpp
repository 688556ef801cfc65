// SPDX-License-Identifier: MIT
/// \file
/// The inner loop of the blocked form: a tile of the state stays in registers for a whole block.
///
/// With the decay folded into q and k a token costs two multiply-adds an element; with explicit
/// decays, exact at any strength, a third operation.
#pragma once

#include <sluice/kernels/common/look_ahead.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/gemm.hpp>

#include <algorithm>

namespace sluice::gla::detail {

using common::LookAhead;

/// Operands of a block of tokens for one head: contiguous scratch, rows `keys` or `values` apart.
template <class Scalar>
struct TileOperands {
  Index tokens, keys, values;
  const Scalar* q;      ///< [tokens, keys], scaled; with folded decay times the running product
  const Scalar* k;      ///< [tokens, keys]; with folded decay divided by the running product
  const Scalar* decay;  ///< explicit: [tokens, keys]; folded: [keys], that of the whole block
  const Scalar* v;      ///< [tokens, values]
  Scalar* o;            ///< [tokens, values]
  bool folded, bonus;   ///< with a bonus, o reads the state before the update
};

/// Accumulators that fill the registers of an instruction set and leave room for operands.
template <class Arch>
inline constexpr int state_vectors = simd::registers<Arch> == 32 ? 16 : 8;

/// Rows [i, i + Rows) and `Vectors` vectors of columns of the state, through the whole block.
template <class B, int Rows, int Vectors, bool Folded, bool Bonus, class Scalar = simd::ScalarOf<B>>
SLUICE_INLINE void carry_tile(const TileOperands<Scalar>& x, Index i, Index column, Scalar* state,
                              Index stride) noexcept {
  constexpr Index W = simd::lanes<B>;
  B s[std::size_t(Rows)][std::size_t(Vectors)];
  simd::unroll<Rows>([&](auto r) SLUICE_INLINE_LAMBDA {
    simd::unroll<Vectors>(
        [&](auto j) SLUICE_INLINE_LAMBDA { s[r][j] = simd::load<B>(state + r * stride + j * W); });
  });
  for (Index t = 0; t < x.tokens; ++t) {
    const Scalar* q = x.q + t * x.keys + i;
    const Scalar* k = x.k + t * x.keys + i;
    const Scalar* d = x.decay + (Folded ? 0 : t * x.keys) + i;
    const Scalar* v = x.v + t * x.values + column;
    Scalar* o = x.o + t * x.values + column;
    B value[std::size_t(Vectors)], out[std::size_t(Vectors)];
    simd::unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA {
      value[j] = simd::load<B>(v + j * W);
      out[j] = simd::load<B>(o + j * W);
    });
    simd::unroll<Rows>([&](auto r) SLUICE_INLINE_LAMBDA {
      const B qr(q[r]), kr(k[r]);
      simd::unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA {
        if constexpr (Bonus) out[j] = simd::madd(qr, s[r][j], out[j]);
        if constexpr (!Folded) s[r][j] = s[r][j] * B(d[r]);
        s[r][j] = simd::madd(kr, value[j], s[r][j]);
        if constexpr (!Bonus) out[j] = simd::madd(qr, s[r][j], out[j]);
      });
    });
    simd::unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA { simd::store(o + j * W, out[j]); });
  }
  simd::unroll<Rows>([&](auto r) SLUICE_INLINE_LAMBDA {
    const B last(Folded ? x.decay[i + r] : Scalar{1});
    simd::unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA {
      simd::store(state + r * stride + j * W, Folded ? B(s[r][j] * last) : s[r][j]);
    });
  });
}

/// All K rows of a few vectors of columns: as many rows at once as registers allow, then fewer.
template <class B, class Arch, int Vectors, bool Folded, bool Bonus, class Scalar>
void carry_columns(const TileOperands<Scalar>& x, Index K, Index column, Scalar* state,
                   Index stride, LookAhead& ahead, Index requests) noexcept {
  constexpr int most = state_vectors<Arch> / Vectors;
  Index i = 0;
  for (; i + most <= K; i += most) {
    ahead.request(requests);
    carry_tile<B, most, Vectors, Folded, Bonus>(x, i, column, state + i * stride, stride);
  }
  if constexpr (most > 4)
    for (; i + 4 <= K; i += 4)
      carry_tile<B, 4, Vectors, Folded, Bonus>(x, i, column, state + i * stride, stride);
  for (; i < K; ++i)
    carry_tile<B, 1, Vectors, Folded, Bonus>(x, i, column, state + i * stride, stride);
}

template <class Arch, bool Folded, bool Bonus, class Scalar>
void carry_all(const TileOperands<Scalar>& x, Index K, Index from, Index to, Scalar* state,
               Index stride, LookAhead ahead) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  constexpr Index W = simd::lanes<B>;
  const Index tiles = std::max<Index>(1, K * ((to - from) / W) / state_vectors<Arch>);
  const Index requests = (ahead.tokens() + tiles - 1) / tiles;
  Index j = from;
  if constexpr (simd::registers<Arch> == 32)
    for (; j + 4 * W <= to; j += 4 * W)
      carry_columns<B, Arch, 4, Folded, Bonus>(x, K, j, state + j, stride, ahead, requests);
  for (; j + 2 * W <= to; j += 2 * W)
    carry_columns<B, Arch, 2, Folded, Bonus>(x, K, j, state + j, stride, ahead, requests);
  for (; j < to; j += W)
    carry_columns<B, Arch, 1, Folded, Bonus>(x, K, j, state + j, stride, ahead, requests);
}

/// Carries columns [from, to) of the state [K, stride], whole vectors, through a block of tokens:
/// updates the state and adds what the tokens read to `o`. Every column is computed alike
/// whatever the tile it falls into, so columns may be divided among threads at will.
template <class Arch, class Scalar>
void carry(const TileOperands<Scalar>& x, Index K, Index from, Index to, Scalar* state,
           Index stride, const LookAhead& ahead = {}) noexcept {
  if (x.folded && x.bonus)
    carry_all<Arch, true, true>(x, K, from, to, state, stride, ahead);
  else if (x.folded)
    carry_all<Arch, true, false>(x, K, from, to, state, stride, ahead);
  else if (x.bonus)
    carry_all<Arch, false, true>(x, K, from, to, state, stride, ahead);
  else
    carry_all<Arch, false, false>(x, K, from, to, state, stride, ahead);
}

}  // namespace sluice::gla::detail
