// SPDX-License-Identifier: MIT
/// \file
/// Products of matrices, computed on both sides; a product with a parameter is `linear`.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/kernels/matmul/matmul.hpp>
#include <sluice/ops/copy.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>

namespace sluice {

namespace detail {

/// x with rows of one stride as `count` matrices of M rows; one of rank 2 is repeated.
template <class T, int R>
View<T, 3> matrices(const View<T, R>& x, Index count, Index M) {
  const auto all = rows(x);
  const Index stride = all.stride(0);
  return {all.data(), {count, M, all.dim(1)}, {R == 2 && count != 1 ? 0 : M * stride, stride, 1}};
}

}  // namespace detail

/// a b for matrices in the last two axes, [.., M, K] times [.., K, N] gives [.., M, N], each side
/// transposed if the options say so.
///
///     scores = matmul(q, k, {.transpose_b = true});  // [B, H, T, K] of both -> [B, H, T, T]
///
/// Leading axes are equal, or one side has none and is shared by all matrices of the other; its
/// gradient is then the sum over them, in order.
///
/// \throws ShapeError  if the shapes do not agree.
template <class S, int A, int B>
requires(A >= 2 && B >= 2 && (A == B || A == 2 || B == 2)) Variable<S, (A > B ? A : B)> matmul(
    const Variable<S, A>& a, const Variable<S, B>& b, const MatmulOptions& options = {}) {
  constexpr int R = A > B ? A : B;
  const auto [ta, tb] = options;
  const auto left = with_rows(a);
  const auto right = with_rows(b);
  const Index M = a.dim(ta ? A - 1 : A - 2), K = a.dim(ta ? A - 2 : A - 1),
              N = b.dim(tb ? B - 2 : B - 1);
  auto expected = b.shape();
  if constexpr (A == B) std::copy_n(a.shape().begin(), B - 2, expected.begin());
  expected[B - 2] = tb ? N : K, expected[B - 1] = tb ? K : N;
  require_shape("matmul", "b", b.shape(), expected, "to match a");

  Shape<R> shape;
  if constexpr (A >= B)
    shape = a.shape();
  else
    shape = b.shape();
  shape[R - 2] = M, shape[R - 1] = N;
  Index batch = 1;
  for (std::size_t i = 0; i + 2 < shape.size(); ++i) batch *= shape[i];
  // Rows that all meet one b are one tall matrix.
  const bool tall = B == 2 && !ta;
  const auto of = [=](const auto& x) {
    constexpr int Q = std::remove_cvref_t<decltype(x)>::rank;
    return tall ? detail::matrices(x, 1, Q == R ? batch * x.dim(Q - 2) : x.dim(Q - 2))
                : detail::matrices(x, batch, x.dim(Q - 2));
  };
  return operation(
      shape,
      [&](const View<S, R>& y) {
        kernels::matmul(of(left.value), of(right.value), options, of(y), left.tape->workspace());
      },
      [=](auto, const View<const S, R>& dy) {
        kernels::matmul_backward(of(left.value), of(right.value), options, of(dy),
                                 of(left.gradient), of(right.gradient), left.tape->workspace());
      },
      left, right);
}

}  // namespace sluice
