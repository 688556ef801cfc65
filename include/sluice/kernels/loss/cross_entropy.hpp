// SPDX-License-Identifier: MIT
/// \file
/// Softmax and the negative logarithm of one of its entries, together: neither overflows then.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/ids.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/kernels/loss/pointwise.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/math.hpp>
#include <sluice/simd/sums.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace sluice::kernels {

namespace detail {

/// [...] seen as [..., 1], so that it is walked row by row beside [..., V].
template <class T, int Rank>
View<T, Rank + 1> with_column(const View<T, Rank>& x) noexcept {
  Shape<Rank + 1> shape, stride;
  for (int i = 0; i < Rank; ++i) {
    shape[std::size_t(i)] = x.dim(i);
    stride[std::size_t(i)] = x.stride(i);
  }
  shape[Rank] = stride[Rank] = 1;
  return {x.data(), shape, stride};
}

/// log(sum(exp(x))) of one row.
template <class Arch, class Scalar>
Scalar log_sum_exp(const Scalar* x, Index n) noexcept {
  const Scalar top = *std::max_element(x, x + n);
  constexpr Index block = 1024;  // longer sums are added up in double
  double total = 0;
  for (Index from = 0; from < n; from += block) {
    const Scalar* part = x + from;
    const auto [sum] = simd::sums<Arch, Scalar, 1>(
        std::min(block, n - from), [=]<class B>(std::type_identity<B>, Index i, B* acc) {
          acc[0] = acc[0] + simd::exp(B(simd::load<B>(part + i) - B(top)));
        });
    total += double(sum);
  }
  return static_cast<Scalar>(double(top) + std::log(total));
}

/// The leading axes of logits.
template <class T, int Rank>
Shape<Rank - 1> leading(const View<T, Rank>& x) noexcept {
  Shape<Rank - 1> outer;
  std::copy_n(x.shape().begin(), Rank - 1, outer.begin());
  return outer;
}

template <class Arch, std::floating_point Scalar>
Mean cross_entropy_rows(const common::Rows<3>& rows, const Scalar* logits, const std::int64_t* ids,
                        const Scalar* weights, Scalar* norm) {
  double sum = 0, total = 0;
  common::for_each_row(
      rows, 0, rows.count(),
      [&](const Scalar* x, const std::int64_t* id, const Scalar* w) {
        const double weight = w ? double(*w) : 1;
        if (weight != 0) {
          *norm = log_sum_exp<Arch>(x, rows.width);
          sum += weight * (double(*norm) - double(x[*id]));
          total += weight;
        }
        ++norm;
      },
      logits, ids, weights);
  return {total == 0 ? 0 : sum / total, total};
}
SLUICE_COMPILED_KERNEL(cross_entropy_rows);

template <class Arch, std::floating_point Scalar>
void cross_entropy_rows_backward(const common::Rows<4>& rows, const Scalar* logits,
                                 const std::int64_t* ids, const Scalar* weights, const Scalar* norm,
                                 double scale, Scalar* dlogits) {
  common::for_each_row(
      rows, 0, rows.count(),
      [&](const Scalar* x, const std::int64_t* id, const Scalar* w, Scalar* dx) {
        const Scalar factor = static_cast<Scalar>(scale * (w ? double(*w) : 1)), top = *norm++;
        if (factor == 0) return;
        simd::for_each_lane<Arch, Scalar>(rows.width, [=]<class B>(std::type_identity<B>, Index i) {
          const B p = simd::exp(B(simd::load<B>(x + i) - B(top)));
          simd::store(dx + i, simd::madd(B(factor), p, simd::load<B>(dx + i)));
        });
        dx[*id] -= factor;
      },
      logits, ids, weights, dlogits);
}
SLUICE_COMPILED_KERNEL(cross_entropy_rows_backward);

}  // namespace detail

/// Mean of -log softmax(logits)[id] over rows.
///
/// \param logits   [.., V], V at least 1, of rank 5 at most.
/// \param ids      [..], each in [0, V) where its weight is not 0.
/// \param weights  [..]; without data, all 1.
/// \param norms    [rows], overwritten with log(sum(exp(logits))) for the way back.
/// \throws ShapeError, ArgumentError  if the shapes do not agree or an id is out of range.
template <class Arch = simd::DefaultArch, Operand X, int Rank = rank_of<X>>
Mean cross_entropy(const X& logits,
                   const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids,
                   const ConstViewOf<X, Rank - 1>& weights, const ViewOf<X, 1>& norms,
                   const Workspace& = {}) {
  using Scalar = ElementOf<X>;
  const View<const Scalar, Rank> x(logits);
  const auto where = "cross_entropy";
  const auto outer = detail::leading(x);
  require_shape(where, "ids", ids.shape(), outer, "to match the logits");
  if (weights) require_shape(where, "weights", weights.shape(), outer, "to match the logits");
  require_shape(where, "norms", norms.shape(), {ids.size()}, "to match the ids");
  require_ids<Rank - 1, Scalar>(where, ids, x.dim(Rank - 1), weights);
  return detail::cross_entropy_rows<Arch, Scalar>(
      common::rows_of(x, detail::with_column(ids), detail::with_column(weights)), x.data(),
      ids.data(), weights.data(), norms.data());
}

/// Adjoint of `cross_entropy`: dlogits += scale w (softmax(logits) - onehot(id)), where scale is
/// the gradient by the loss divided by `Mean::weight`, and `norms` are those of the forward pass.
/// Skipped when dlogits has no data.
///
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand X, int Rank = rank_of<X>>
void cross_entropy_backward(const X& logits,
                            const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids,
                            const ConstViewOf<X, Rank - 1>& weights, const ConstViewOf<X, 1>& norms,
                            double scale, const ViewOf<X>& dlogits, const Workspace& = {}) {
  if (!dlogits) return;
  using Scalar = ElementOf<X>;
  const View<const Scalar, Rank> x(logits);
  const auto where = "cross_entropy_backward";
  const auto outer = detail::leading(x);
  require_shape(where, "ids", ids.shape(), outer, "to match the logits");
  if (weights) require_shape(where, "weights", weights.shape(), outer, "to match the logits");
  require_shape(where, "norms", norms.shape(), {ids.size()}, "to match the ids");
  require_shape(where, "dlogits", dlogits.shape(), x.shape(), "to match the logits");
  detail::cross_entropy_rows_backward<Arch, Scalar>(
      common::rows_of(x, detail::with_column(ids), detail::with_column(weights), dlogits), x.data(),
      ids.data(), weights.data(), norms.data(), scale, dlogits.data());
}

}  // namespace sluice::kernels
