// SPDX-License-Identifier: MIT
/// \file
/// Transposing a matrix in registers, a square of one vector width at a time.
#pragma once

#include <sluice/simd/gemm.hpp>

#include <bit>
#include <cstddef>

namespace sluice::simd {

namespace detail {

/// Interleaves the lower or the upper halves of two vectors: a0 b0 a1 b1 ...
template <bool Upper, class B>
SLUICE_INLINE B interleave(const B& a, const B& b) noexcept {
#if defined(__AVX512F__)
  if constexpr (std::is_base_of_v<xsimd::avx512f, typename B::arch_type>) {
    constexpr int u = Upper ? lanes<B> / 2 : 0;
    if constexpr (sizeof(ScalarOf<B>) == 4) {
      const __m512i from =
          _mm512_setr_epi32(u, u + 16, u + 1, u + 17, u + 2, u + 18, u + 3, u + 19, u + 4, u + 20,
                            u + 5, u + 21, u + 6, u + 22, u + 7, u + 23);
      return _mm512_permutex2var_ps(a, from, b);
    } else {
      const __m512i from = _mm512_setr_epi64(u, u + 8, u + 1, u + 9, u + 2, u + 10, u + 3, u + 11);
      return _mm512_permutex2var_pd(a, from, b);
    }
  } else
#endif
#if defined(__AVX__)
      if constexpr (std::is_base_of_v<xsimd::avx, typename B::arch_type>) {
    // The zip of xsimd 8 stays within each half of such a vector.
    constexpr int halves = Upper ? 0x31 : 0x20;
    if constexpr (sizeof(ScalarOf<B>) == 4)
      return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), halves);
    else
      return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), halves);
  } else
#endif
      if constexpr (Upper)
    return xsimd::zip_hi(a, b);
  else
    return xsimd::zip_lo(a, b);
}

/// `Stages` perfect shuffles of the rows turn rows into columns.
template <int Stages, class B, std::size_t N>
SLUICE_INLINE void shuffle(B (&rows)[N]) noexcept {
  if constexpr (Stages > 0) {
    constexpr int all = static_cast<int>(N), half = all / 2;
    B next[N];
    unroll<half>([&](auto i) SLUICE_INLINE_LAMBDA {
      next[2 * i] = interleave<false>(rows[i], rows[i + half]);
      next[2 * i + 1] = interleave<true>(rows[i], rows[i + half]);
    });
    shuffle<Stages - 1>(next);
    unroll<all>([&](auto i) SLUICE_INLINE_LAMBDA { rows[i] = next[i]; });
  }
}

template <class B, class Scalar = ScalarOf<B>>
inline void transpose_square(const Scalar* from, Index from_stride, Scalar* to,
                             Index to_stride) noexcept {
  constexpr int W = static_cast<int>(lanes<B>);
  B rows[std::size_t(W)];
  unroll<W>([&](auto i) SLUICE_INLINE_LAMBDA { rows[i] = load<B>(from + i * from_stride); });
  shuffle<std::countr_zero(unsigned(W))>(rows);
  unroll<W>([&](auto i) SLUICE_INLINE_LAMBDA { store(to + i * to_stride, rows[i]); });
}

}  // namespace detail

/// to [N, M] = from [M, N] transposed; rows `from_stride` and `to_stride` apart.
template <class Arch = DefaultArch, class Scalar>
void transpose(Index M, Index N, const Scalar* from, Index from_stride, Scalar* to,
               Index to_stride) noexcept {
  using B = Batch<Scalar, Arch>;
  constexpr Index W = lanes<B>;
  const Index m = M / W * W, n = N / W * W;
  for (Index i = 0; i < m; i += W)
    for (Index j = 0; j < n; j += W)
      detail::transpose_square<B>(from + i * from_stride + j, from_stride, to + j * to_stride + i,
                                  to_stride);
  for (Index i = 0; i < M; ++i)
    for (Index j = i < m ? n : 0; j < N; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

}  // namespace sluice::simd
