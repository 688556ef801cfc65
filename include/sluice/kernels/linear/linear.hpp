// SPDX-License-Identifier: MIT
/// \file
/// The linear layer: packed weights for many tokens, plain dot products for a few.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/linear/detail/panels.hpp>

#include <concepts>

namespace sluice::kernels {

namespace detail {

/// Below this many rows packing the weights costs more than it saves.
inline constexpr Index few_rows = 8;

template <class Scalar>
void require_linear(std::string_view where, const View<const Scalar, 2>& x,
                    const View<const Scalar, 2>& weight, const View<const Scalar, 1>& bias,
                    const Shape<2>& y) {
  const Index in = x.dim(1), out = weight.dim(0);
  require_shape(where, "weight", weight.shape(), {out, in}, "to match x");
  require_shape(where, "y", y, {x.dim(0), out}, "to match x and weight");
  if (bias) require_shape(where, "bias", bias.shape(), {out}, "to match weight");
}

/// Rows of weights that share one pass over x: enough independent sums to hide their latency.
inline constexpr int dot_rows = 4;

/// Weights beyond this many bytes are not in a near cache when they are read.
inline constexpr Index near_bytes = Index{1} << 18;

/// y[0 .. Rows) = weight rows times x. With `Far` the rows behind these are asked for meanwhile:
/// the processor itself sees a new stream in every row, and begins each with a wait.
template <class Arch, int Rows, bool Far, class Scalar>
void dots(Index n, const Scalar* weight, Index stride, const Scalar* x, Scalar* y) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  B sum[std::size_t(Rows)];
  simd::unroll<Rows>([&](auto r) SLUICE_INLINE_LAMBDA { sum[r] = B(Scalar{0}); });
  Index k = 0;
  for (; k + simd::lanes<B> <= n; k += simd::lanes<B>) {
    const B xs = simd::load<B>(x + k);
    simd::unroll<Rows>([&](auto r) SLUICE_INLINE_LAMBDA {
      sum[r] = simd::madd(simd::load<B>(weight + r * stride + k), xs, sum[r]);
      if constexpr (Far) simd::prefetch(weight + (r + Rows) * stride + k);
    });
  }
  simd::unroll<Rows>([&](auto r) SLUICE_INLINE_LAMBDA {
    Scalar rest = simd::sum(sum[r]);
    for (Index t = k; t < n; ++t) rest = simd::madd(weight[r * stride + t], x[t], rest);
    y[r] = rest;
  });
}

/// Columns [from, to) of y [M, out] = x weight^T for few rows: reads every weight once from memory.
template <class Arch, bool Far, class Scalar>
void linear_few(const View<const Scalar, 2>& x, const View<const Scalar, 2>& weight, Index from,
                Index to, const View<Scalar, 2>& y) noexcept {
  const Index M = x.dim(0), in = x.dim(1), stride = weight.stride(0);
  Index j = from;
  for (; j + dot_rows <= to; j += dot_rows) {
    dots<Arch, dot_rows, Far>(in, weight.row(j), stride, x.row(0), y.row(0) + j);
    for (Index i = 1; i < M; ++i)
      dots<Arch, dot_rows, false>(in, weight.row(j), stride, x.row(i), y.row(i) + j);
  }
  for (; j < to; ++j)
    for (Index i = 0; i < M; ++i)
      dots<Arch, 1, false>(in, weight.row(j), stride, x.row(i), y.row(i) + j);
}

/// The same for all columns; many weights are shared among threads.
template <class Arch, class Scalar>
void linear_few(const View<const Scalar, 2>& x, const View<const Scalar, 2>& weight,
                const View<Scalar, 2>& y, const Executor& executor) {
  const Index in = x.dim(1), out = weight.dim(0);
  if (x.dim(0) == 0) return;
  if (in * out * Index{sizeof(Scalar)} <= near_bytes)
    return linear_few<Arch, false>(x, weight, 0, out, y);
  const Index part =
      std::max<Index>(dot_rows, near_bytes / (in * Index{sizeof(Scalar)}) / dot_rows * dot_rows);
  executor.for_each((out + part - 1) / part, [&](Index task) {
    linear_few<Arch, true>(x, weight, task * part, std::min(out, (task + 1) * part), y);
  });
}

}  // namespace detail

/// `linear` below for a scalar that is named: linear<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void linear(const std::type_identity_t<View<const Scalar, 2>>& x,
            const std::type_identity_t<View<const Scalar, 2>>& weight,
            const std::type_identity_t<View<const Scalar, 1>>& bias,
            const std::type_identity_t<View<Scalar, 2>>& y, const Workspace& workspace = {}) {
  detail::require_linear("linear", x, weight, bias, y.shape());
  const Index M = x.dim(0), in = x.dim(1), out = weight.dim(0);
  const auto add_bias = [&](Index from, Index to) {
    if (!bias) return;
    for (Index i = from; i < to; ++i)
      for (Index j = 0; j < out; ++j) y.row(i)[j] += bias.data()[j];
  };
  if (M < detail::few_rows) {
    detail::linear_few<Arch>(x, weight, y, workspace.executor);
    return add_bias(0, M);
  }
  Scratch scratch(workspace);
  Scalar* packed = scratch.allocate<Scalar>(detail::packed_size<Scalar, Arch>(in, out));
  detail::pack<Arch, Scalar>(in, out, {weight.data(), 1, weight.stride(0)}, packed);
  constexpr Index block = detail::block_rows;
  workspace.executor.for_each((M + block - 1) / block, [&](Index task) {
    const Index i = task * block, rows = std::min(block, M - i);
    detail::times_packed<Arch, Scalar>(rows, out, in, {x.row(i), x.stride(0), 1}, packed, y.row(i),
                                       y.stride(0), simd::Write::replace);
    add_bias(i, i + rows);
  });
}

SLUICE_COMPILED_KERNEL(linear);

/// The linear layer.
///
///     y = x weight^T + bias
///
/// \param x       [N, in]; one row a token.
/// \param weight  [out, in], the layout of published checkpoints.
/// \param bias    [out], or absent.
/// \param y       [N, out]; overwritten. Must not overlap an input.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void linear(const ConstViewOf<Y>& x, const ConstViewOf<Y>& weight, const ConstViewOf<Y, 1>& bias,
            Y&& y, const Workspace& workspace = {}) {
  linear<Arch, ElementOf<Y>>(x, weight, bias, y, workspace);
}

}  // namespace sluice::kernels
