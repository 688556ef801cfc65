// SPDX-License-Identifier: MIT
/// \file
/// The large product of linear layers: B packed once into panels, A and C walked in place.
///
/// A panel is one register tile wide: its K rows lie one behind the other, so that the inner loop
/// reads memory in order whatever the leading dimension of the matrix was.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/gemm.hpp>

#include <algorithm>

namespace sluice::kernels::detail {

/// Width of a panel in columns.
template <class Scalar, class Arch>
inline constexpr Index panel_width = simd::tile_vectors<Arch>* simd::width<Scalar, Arch>;

/// Inner dimension handled at a time: a slice of a panel stays in the first-level cache.
inline constexpr Index slice_rows = 128;

/// Rows of C handled at a time: their part of A stays in the second-level cache.
inline constexpr Index block_rows = 16 * simd::tile_rows;

/// Scalars in the packed form of a [K, N] matrix.
template <class Scalar, class Arch>
constexpr Index packed_size(Index K, Index N) noexcept {
  constexpr Index width = panel_width<Scalar, Arch>;
  return (N + width - 1) / width * width * K;
}

/// Packs columns [j, j + width) of the [K, N] matrix b, zeros beyond N.
template <class Arch, class Scalar>
void pack_panel(Index K, Index N, Index j, simd::Strided<Scalar> b, Scalar* to) noexcept {
  constexpr Index width = panel_width<Scalar, Arch>;
  const Index columns = std::min(width, N - j);
  if (b.column == 1) {
    for (Index k = 0; k < K; ++k) {
      std::copy_n(b.at(k, j), columns, to + k * width);
      std::fill_n(to + k * width + columns, width - columns, Scalar{0});
    }
    return;
  }
  // Transposed: a few columns at a time, so that the lines read are used up before they leave.
  constexpr Index few = std::min<Index>(8, width);
  static_assert(width % few == 0);
  for (Index first = 0; first < width; first += few)
    for (Index k = 0; k < K; ++k)
      for (Index c = first; c < first + few; ++c)
        to[k * width + c] = c < columns ? *b.at(k, j + c) : Scalar{0};
}
SLUICE_COMPILED_KERNEL(pack_panel);

/// Packs the whole [K, N] matrix b, panel behind panel.
template <class Arch, class Scalar>
void pack(Index K, Index N, simd::Strided<Scalar> b, Scalar* to) noexcept {
  constexpr Index width = panel_width<Scalar, Arch>;
  for (Index j = 0; j < N; j += width) pack_panel<Arch>(K, N, j, b, to + j * K);
}
SLUICE_COMPILED_KERNEL(pack);

/// c [M, columns] (+)= a [M, K] times one packed panel, of which only the vectors that are needed
/// are multiplied.
template <class Arch, class Scalar>
void times_panel(Index M, Index columns, Index K, simd::Strided<Scalar> a, const Scalar* panel,
                 Scalar* c, Index ldc, simd::Write write) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  constexpr Index width = panel_width<Scalar, Arch>;
  const auto run = [&]<int Vectors>(std::integral_constant<int, Vectors>) {
    if (columns >= Vectors * simd::lanes<B>)
      simd::detail::panel<B, Vectors>(M, K, a, panel, width, c, ldc, write);
    else
      simd::detail::ragged_panel<B, Vectors>(M, columns, K, a, panel, width, c, ldc, write);
  };
  constexpr int most = simd::tile_vectors<Arch>;
  if constexpr (most > 2) {
    if (columns <= simd::lanes<B>) return run(std::integral_constant<int, 1>{});
    if (columns <= 2 * simd::lanes<B>) return run(std::integral_constant<int, 2>{});
    if (columns <= 3 * simd::lanes<B>) return run(std::integral_constant<int, 3>{});
  }
  run(std::integral_constant<int, most>{});
}
SLUICE_COMPILED_KERNEL(times_panel);

/// C [M, N] (+)= A [M, K] times the packed form of B [K, N].
template <class Arch, class Scalar>
void times_packed(Index M, Index N, Index K, simd::Strided<Scalar> a, const Scalar* packed,
                  Scalar* c, Index ldc, simd::Write write) noexcept {
  constexpr Index width = panel_width<Scalar, Arch>;
  for (Index k = 0; k < K || k == 0; k += slice_rows)
    for (Index i = 0; i < M; i += block_rows)
      for (Index j = 0; j < N; j += width)
        times_panel<Arch>(std::min(block_rows, M - i), N - j, std::min(slice_rows, K - k),
                          {a.at(i, k), a.row, a.column}, packed + j * K + k * width,
                          c + i * ldc + j, ldc, k == 0 ? write : simd::Write::add);
}

/// Columns of a transposed A that are copied together where its rows would evict each other from
/// the first-level cache, being a large power of two apart.
inline constexpr Index transposed_rows = 8 * simd::tile_rows;

/// c [M, columns] (+)= a^T times one packed panel, a [K, M] with K at most `slice_rows`.
template <class Arch, class Scalar>
void transposed_times_panel(Index M, Index columns, Index K, const Scalar* a, Index lda,
                            const Scalar* panel, Scalar* c, Index ldc) noexcept {
  if (lda * Index{sizeof(Scalar)} % 2048 != 0)
    return times_panel<Arch, Scalar>(M, columns, K, {a, 1, lda}, panel, c, ldc, simd::Write::add);
  alignas(64) Scalar copy[slice_rows * transposed_rows];
  for (Index i = 0; i < M; i += transposed_rows) {
    const Index count = std::min(transposed_rows, M - i);
    for (Index k = 0; k < K; ++k) std::copy_n(a + k * lda + i, count, copy + k * transposed_rows);
    times_panel<Arch, Scalar>(count, columns, K, {copy, 1, transposed_rows}, panel, c + i * ldc,
                              ldc, simd::Write::add);
  }
}

}  // namespace sluice::kernels::detail
