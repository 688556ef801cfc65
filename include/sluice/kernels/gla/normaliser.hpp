// SPDX-License-Identifier: MIT
/// \file
/// The normaliser of linear attention: how much weight the keys so far give a query.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::gla {

/// z_t = z_{t-1} + k_t,   weight_t = <q_t, z_t>.
///
/// \param q, k     [B, T, H, K].
/// \param key_sum  [B, 1, H, K]; z before the first token on entry, after the last on return.
/// \param weight   [B, T, H]; overwritten.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Katharopoulos et al., Transformers are RNNs, ICML 2020, eq. 9 (arXiv:2006.16236).
template <class Arch = simd::DefaultArch, std::floating_point Scalar>
void normaliser(const View<const Scalar, 4>& q,
                const std::type_identity_t<View<const Scalar, 4>>& k,
                const std::type_identity_t<View<Scalar, 4>>& key_sum,
                const std::type_identity_t<View<Scalar, 3>>& weight) {
  const Index B = q.dim(0), T = q.dim(1), H = q.dim(2), K = q.dim(3);
  require_shape("gla::normaliser", "k", k.shape(), q.shape(), "to match q");
  require_shape("gla::normaliser", "key_sum", key_sum.shape(), {B, 1, H, K}, "to match q");
  require_shape("gla::normaliser", "weight", weight.shape(), {B, T, H}, "to match q");
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < H; ++h) {
        const Scalar* queries = q.row(b, t, h);
        const Scalar* keys = k.row(b, t, h);
        Scalar* z = key_sum.row(b, 0, h);
        Scalar sum = 0;
        simd::for_each_lane<Arch, Scalar>(K, [&]<class L>(std::type_identity<L>, Index i) {
          const L next = simd::load<L>(z + i) + simd::load<L>(keys + i);
          simd::store(z + i, next);
          sum += simd::sum(L(simd::load<L>(queries + i) * next));
        });
        weight.row(b, t)[h] = sum;
      }
}

/// Gradients of `normaliser`, added to dq and dk where they have data.
///
/// \param key_sum   [B, 1, H, K]; z after the last token on entry, used up on return.
/// \param dweight   [B, T, H].
/// \param dkey_sum  [B, 1, H, K]; gradient by z after the last token on entry, before the first
///                  on return.
template <class Arch = simd::DefaultArch, std::floating_point Scalar>
void normaliser_backward(const View<const Scalar, 4>& q,
                         const std::type_identity_t<View<const Scalar, 4>>& k,
                         const std::type_identity_t<View<Scalar, 4>>& key_sum,
                         const std::type_identity_t<View<const Scalar, 3>>& dweight,
                         const std::type_identity_t<View<Scalar, 4>>& dkey_sum,
                         const std::type_identity_t<View<Scalar, 4>>& dq,
                         const std::type_identity_t<View<Scalar, 4>>& dk) {
  const Index B = q.dim(0), H = q.dim(2), K = q.dim(3);
  for (Index b = 0; b < B; ++b)
    for (Index t = q.dim(1); t-- > 0;)
      for (Index h = 0; h < H; ++h) {
        const Scalar d = dweight.row(b, t)[h];
        Scalar* z = key_sum.row(b, 0, h);
        Scalar* dz = dkey_sum.row(b, 0, h);
        simd::for_each_lane<Arch, Scalar>(K, [&]<class L>(std::type_identity<L>, Index i) {
          const L now = simd::load<L>(z + i), keys = simd::load<L>(k.row(b, t, h) + i);
          const L grown =
              simd::madd(L(d), simd::load<L>(q.row(b, t, h) + i), simd::load<L>(dz + i));
          simd::store(dz + i, grown);
          if (dq) {
            Scalar* to = dq.row(b, t, h) + i;
            simd::store(to, simd::madd(L(d), now, simd::load<L>(to)));
          }
          if (dk) {
            Scalar* to = dk.row(b, t, h) + i;
            simd::store(to, L(simd::load<L>(to) + grown));
          }
          simd::store(z + i, L(now - keys));
        });
      }
}

}  // namespace sluice::gla
