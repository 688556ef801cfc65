// SPDX-License-Identifier: MIT
/// \file
/// Softmax and the negative logarithm of one of its entries, together: neither overflows then.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/ids.hpp>
#include <sluice/core/view.hpp>
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

}  // namespace detail

/// Mean of -log softmax(logits)[id] over rows.
///
/// \param logits   [.., V], V at least 1.
/// \param ids      [..], each in [0, V) where its weight is not 0.
/// \param weights  [..]; without data, all 1.
/// \param norms    [rows], overwritten with log(sum(exp(logits))) for the way back.
/// \throws ShapeError, ArgumentError  if the shapes do not agree or an id is out of range.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
Mean cross_entropy(const View<const Scalar, Rank>& logits,
                   const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids,
                   const std::type_identity_t<View<const Scalar, Rank - 1>>& weights,
                   const std::type_identity_t<View<Scalar, 1>>& norms) {
  const Index V = logits.dim(Rank - 1);
  Shape<Rank - 1> outer;
  std::copy_n(logits.shape().begin(), Rank - 1, outer.begin());
  require_shape("cross_entropy", "ids", ids.shape(), outer, "to match the logits");
  if (weights)
    require_shape("cross_entropy", "weights", weights.shape(), outer, "to match the logits");
  require_shape("cross_entropy", "norms", norms.shape(), {ids.size()}, "to match the ids");
  require_ids<Rank - 1, Scalar>("cross_entropy", ids, V, weights);
  double sum = 0, total = 0;
  Scalar* norm = norms.data();
  for_each_row(
      [&](const Scalar* x, const std::int64_t* id, const Scalar* w) {
        const double weight = w ? double(*w) : 1;
        if (weight != 0) {
          *norm = detail::log_sum_exp<Arch>(x, V);
          sum += weight * (double(*norm) - double(x[*id]));
          total += weight;
        }
        ++norm;
      },
      logits, detail::with_column(ids), detail::with_column(weights));
  return {total == 0 ? 0 : sum / total, total};
}

/// Adjoint of `cross_entropy`: dlogits += scale w (softmax(logits) - onehot(id)), where scale is
/// the gradient by the loss divided by `Mean::weight`, and `norms` are those of the forward pass.
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void cross_entropy_backward(const View<const Scalar, Rank>& logits,
                            const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids,
                            const std::type_identity_t<View<const Scalar, Rank - 1>>& weights,
                            const std::type_identity_t<View<const Scalar, 1>>& norms, double scale,
                            const std::type_identity_t<View<Scalar, Rank>>& dlogits) {
  if (!dlogits) return;
  require_shape("cross_entropy_backward", "dlogits", dlogits.shape(), logits.shape(),
                "to match the logits");
  const Index V = logits.dim(Rank - 1);
  const Scalar* norm = norms.data();
  for_each_row(
      [&](const Scalar* x, const std::int64_t* id, const Scalar* w, Scalar* dx) {
        const Scalar factor = static_cast<Scalar>(scale * (w ? double(*w) : 1)), top = *norm++;
        if (factor == 0) return;
        simd::for_each_lane<Arch, Scalar>(V, [=]<class B>(std::type_identity<B>, Index i) {
          const B p = simd::exp(B(simd::load<B>(x + i) - B(top)));
          simd::store(dx + i, simd::madd(B(factor), p, simd::load<B>(dx + i)));
        });
        dx[*id] -= factor;
      },
      logits, detail::with_column(ids), detail::with_column(weights), dlogits);
}

}  // namespace sluice::kernels
