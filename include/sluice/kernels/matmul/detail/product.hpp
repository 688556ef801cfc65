// SPDX-License-Identifier: MIT
/// \file
/// One product of two matrices, by the way that suits its sizes: a small B is read where it lies, a
/// large one is packed, and few rows times a transposed B are dot products.
#pragma once

#include <sluice/core/executor.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/linear/detail/panels.hpp>
#include <sluice/kernels/linear/linear.hpp>
#include <sluice/simd/gemm.hpp>

#include <algorithm>

namespace sluice::kernels::detail {

/// Sizes of C [M, N] (+)= op(A) op(B) and where the rows of each lie.
template <class Scalar>
struct Product {
  Index M, N, K;
  Index a_stride, b_stride, c_stride;  ///< from row to row in memory
  bool transpose_a, transpose_b;
  simd::Write write;

  simd::Strided<Scalar> a(const Scalar* data) const noexcept {
    if (transpose_a) return {data, 1, a_stride};
    return {data, a_stride, 1};
  }
  simd::Strided<Scalar> b(const Scalar* data) const noexcept {
    if (transpose_b) return {data, 1, b_stride};
    return {data, b_stride, 1};
  }
};

/// Up to so many rows and columns B is best read where it lies.
inline constexpr Index small_side = 128;

/// C += A^T B for rows [i, i + rows) of C, with B packed.
template <class Arch, class Scalar>
void add_transposed_packed(const Product<Scalar>& p, Index i, Index rows, const Scalar* a,
                           const Scalar* packed, Scalar* c) noexcept {
  constexpr Index width = panel_width<Scalar, Arch>;
  for (Index k = 0; k < p.K; k += slice_rows)
    for (Index j = 0; j < p.N; j += width)
      transposed_times_panel<Arch>(rows, p.N - j, std::min(slice_rows, p.K - k),
                                   a + k * p.a_stride + i, p.a_stride, packed + j * p.K + k * width,
                                   c + i * p.c_stride + j, p.c_stride);
}

/// The product of one A, B and C; `packed` has room for the packed form of B.
template <class Arch, class Scalar>
void multiply(const Product<Scalar>& p, const Scalar* a, const Scalar* b, Scalar* c, Scalar* packed,
              const Executor& executor) {
  const bool replace = p.write == simd::Write::replace;
  const auto clear = [&] {
    for (Index i = 0; i < p.M; ++i) std::fill_n(c + i * p.c_stride, p.N, Scalar{0});
  };
  if (p.K == 0) return replace ? clear() : void();
  const Index blocks = (p.M + block_rows - 1) / block_rows;
  const auto each_block = [&](const auto& f) {
    executor.for_each(blocks, [&](Index task) {
      const Index i = task * block_rows;
      f(i, std::min(block_rows, p.M - i));
    });
  };
  if (!p.transpose_b && (p.M < few_rows || std::max(p.N, p.K) <= small_side))
    return each_block([&](Index i, Index rows) {
      const auto part = p.a(a);
      simd::product<Arch>(rows, p.N, p.K, {part.at(i, 0), part.row, part.column}, b, p.b_stride,
                          c + i * p.c_stride, p.c_stride, p.write);
    });
  if (p.transpose_b && !p.transpose_a && replace && p.M < few_rows)
    return linear_few<Arch, Scalar>({a, {p.M, p.K}, {p.a_stride, 1}},
                                    {b, {p.N, p.K}, {p.b_stride, 1}},
                                    {c, {p.M, p.N}, {p.c_stride, 1}}, executor);
  pack<Arch, Scalar>(p.K, p.N, p.b(b), packed);
  if (p.transpose_a && replace) clear();  // that way only adds
  each_block([&](Index i, Index rows) {
    if (p.transpose_a) return add_transposed_packed<Arch>(p, i, rows, a, packed, c);
    times_packed<Arch, Scalar>(rows, p.N, p.K, {a + i * p.a_stride, p.a_stride, 1}, packed,
                               c + i * p.c_stride, p.c_stride, p.write);
  });
}

}  // namespace sluice::kernels::detail
