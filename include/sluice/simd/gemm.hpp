// SPDX-License-Identifier: MIT
/// \file
/// The register-blocked matrix product under everything dense: linear layers and chunkwise forms.
///
/// A tile of 6 rows and 4 vectors (2 where there are 16 registers) stays in registers while the
/// inner dimension runs; operands are read in place, B as whole rows and A by broadcasts.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/simd/batch.hpp>

#include <algorithm>
#include <utility>

namespace sluice::simd {

/// Calls f(std::integral_constant<int, 0>{}), ..., f(<N - 1>), with no loop left at run time.
template <int N, class F>
SLUICE_INLINE void unroll(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) SLUICE_INLINE_LAMBDA {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// A matrix read element by element: a(i, k) = data[i * row + k * column].
template <class Scalar>
struct Strided {
  const Scalar* data;
  Index row, column;

  const Scalar* at(Index i, Index k) const noexcept { return data + i * row + k * column; }
};

/// Whether a product replaces its target or is added to it.
enum class Write { replace, add };

/// Rows and vectors of the register tile.
inline constexpr int tile_rows = 6;
template <class Arch>
inline constexpr int tile_vectors = registers<Arch> == 32 ? 4 : 2;

namespace detail {

/// c[Rows x Vectors] (+)= sum_k a(:, k) b[k, :].
template <class B, int Rows, int Vectors, class Scalar = ScalarOf<B>>
SLUICE_INLINE void tile(Index K, Strided<Scalar> a, const Scalar* b, Index ldb, Scalar* c,
                        Index ldc, Write write) noexcept {
  B sum[std::size_t(Rows)][std::size_t(Vectors)];
  unroll<Rows>([&](auto i) SLUICE_INLINE_LAMBDA {
    unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA { sum[i][j] = B(Scalar{0}); });
  });
  for (Index k = 0; k < K; ++k) {
    B row[std::size_t(Vectors)];
    unroll<Vectors>([&](auto j)
                        SLUICE_INLINE_LAMBDA { row[j] = load<B>(b + k * ldb + j * lanes<B>); });
    unroll<Rows>([&](auto i) SLUICE_INLINE_LAMBDA {
      const B factor(*a.at(i, k));
      unroll<Vectors>([&](auto j)
                          SLUICE_INLINE_LAMBDA { sum[i][j] = madd(factor, row[j], sum[i][j]); });
    });
  }
  unroll<Rows>([&](auto i) SLUICE_INLINE_LAMBDA {
    unroll<Vectors>([&](auto j) SLUICE_INLINE_LAMBDA {
      Scalar* p = c + i * ldc + j * lanes<B>;
      store(p, write == Write::add ? B(load<B>(p) + sum[i][j]) : sum[i][j]);
    });
  });
}

/// All rows of one panel of `Vectors` vectors: tiles of 6 rows, then one of what is left.
template <class B, int Vectors, class Scalar = ScalarOf<B>>
void panel(Index M, Index K, Strided<Scalar> a, const Scalar* b, Index ldb, Scalar* c, Index ldc,
           Write write) noexcept {
  Index i = 0;
  for (; i + tile_rows <= M; i += tile_rows)
    tile<B, tile_rows, Vectors>(K, {a.at(i, 0), a.row, a.column}, b, ldb, c + i * ldc, ldc, write);
  const Strided<Scalar> rest{a.at(i, 0), a.row, a.column};
  Scalar* const to = c + i * ldc;
  switch (M - i) {
    case 5:
      return tile<B, 5, Vectors>(K, rest, b, ldb, to, ldc, write);
    case 4:
      return tile<B, 4, Vectors>(K, rest, b, ldb, to, ldc, write);
    case 3:
      return tile<B, 3, Vectors>(K, rest, b, ldb, to, ldc, write);
    case 2:
      return tile<B, 2, Vectors>(K, rest, b, ldb, to, ldc, write);
    case 1:
      return tile<B, 1, Vectors>(K, rest, b, ldb, to, ldc, write);
    default:
      return;
  }
}

/// As `panel` for fewer columns than whole vectors: through a padded copy of C.
template <class B, int Vectors, class Scalar = ScalarOf<B>>
void ragged_panel(Index M, Index N, Index K, Strided<Scalar> a, const Scalar* b, Index ldb,
                  Scalar* c, Index ldc, Write write) noexcept {
  constexpr Index width = Vectors * lanes<B>;
  alignas(64) Scalar tile[std::size_t(tile_rows * width)];
  for (Index i = 0; i < M; i += tile_rows) {
    const Index rows = std::min<Index>(tile_rows, M - i);
    panel<B, Vectors>(rows, K, {a.at(i, 0), a.row, a.column}, b, ldb, tile, width, Write::replace);
    for (Index r = 0; r < rows; ++r)
      for (Index j = 0; j < N; ++j) {
        Scalar& to = c[(i + r) * ldc + j];
        to = (write == Write::add ? to : Scalar{0}) + tile[r * width + j];
      }
  }
}

}  // namespace detail

/// The small product: C [M, N] (+)= A [M, K] B [K, N], row by row in memory, operands in place.
///
/// Best for K and N up to about 256 and rows of B that are not a large power of two apart; a
/// larger or a repeated B is worth packing (kernels/linear). A may be transposed by its strides.
///
/// \param b    K rows of N contiguous scalars, `ldb` apart.
/// \param c    M rows of N contiguous scalars, `ldc` apart; must not overlap an input.
template <class Arch = DefaultArch, class Scalar>
void product(Index M, Index N, Index K, Strided<std::type_identity_t<Scalar>> a, const Scalar* b,
             Index ldb, std::type_identity_t<Scalar>* c, Index ldc,
             Write write = Write::replace) noexcept {
  using B = Batch<Scalar, Arch>;
  constexpr Index W = lanes<B>;
  constexpr int most = tile_vectors<Arch>;
  if (M == 0 || N == 0) return;
  if (K == 0) a = {c, 0, 0}, b = c;  // nothing of them is read, but addresses are formed
  Index j = 0;
  for (; j + most * W <= N; j += most * W)
    detail::panel<B, most>(M, K, a, b + j, ldb, c + j, ldc, write);
  if constexpr (most > 2)
    for (; j + 2 * W <= N; j += 2 * W) detail::panel<B, 2>(M, K, a, b + j, ldb, c + j, ldc, write);
  for (; j + W <= N; j += W) detail::panel<B, 1>(M, K, a, b + j, ldb, c + j, ldc, write);
  if (j == N) return;
  // The last columns do not fill a vector: a padded copy of B's, a slice of K at a time.
  constexpr Index slice = 128;
  alignas(64) Scalar padded[std::size_t(slice * W)];
  for (Index k = 0; k < K || k == 0; k += slice) {
    const Index count = std::min(slice, K - k);
    for (Index s = 0; s < count; ++s)
      for (Index l = 0; l < W; ++l)
        padded[s * W + l] = j + l < N ? b[(k + s) * ldb + j + l] : Scalar{0};
    detail::ragged_panel<B, 1>(M, N - j, count, {a.at(0, k), a.row, a.column}, padded, W, c + j,
                               ldc, k == 0 ? write : Write::add);
  }
}
SLUICE_COMPILED_KERNEL(product);

}  // namespace sluice::simd
