// SPDX-License-Identifier: MIT
/// \file
/// The normaliser of linear attention: how much weight the keys so far give a query.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/sums.hpp>

#include <concepts>
#include <string_view>
#include <type_traits>

namespace sluice::gla {

namespace detail {

template <class Scalar, class Weight>
void require_normaliser(std::string_view where, const View<const Scalar, 4>& q,
                        const View<const Scalar, 4>& k, const View<Scalar, 4>& key_sum,
                        std::string_view name, const View<Weight, 3>& weight) {
  const auto& s = q.shape();
  require_shape(where, "k", k.shape(), s, "to match q");
  require_shape(where, "key_sum", key_sum.shape(), {s[0], 1, s[2], s[3]}, "to match q");
  require_shape(where, name, weight.shape(), {s[0], s[1], s[2]}, "to match q");
}

/// Denominators [B, T, H] for numerators [B, T, HV, V].
inline void require_divisor(std::string_view where, const Shape<4>& numerator,
                            const Shape<3>& denominator) {
  const Index HV = numerator[2], H = denominator[2];
  require_shape(where, "denominator", denominator, {numerator[0], numerator[1], H},
                "to match the numerator");
  require(H > 0 ? HV % H == 0 : HV == 0, where, "the heads of the denominator",
          text("a divisor of the ", HV, " of the numerator"), H);
}

}  // namespace detail

/// z_t = z_{t-1} + k_t,   weight_t = <q_t, z_t>.
///
/// \param q, k     [B, T, H, K].
/// \param key_sum  [B, 1, H, K]; z before the first token on entry, after the last on return.
/// \param weight   [B, T, H]; overwritten.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Katharopoulos et al., Transformers are RNNs, ICML 2020, eq. 9 (arXiv:2006.16236).
template <class Arch = simd::DefaultArch, Operand Output>
void normaliser(const ConstViewOf<Output, 4>& q, const ConstViewOf<Output, 4>& k,
                const ViewOf<Output, 4>& key_sum, Output&& output, const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 3> weight(output);
  detail::require_normaliser("gla::normaliser", q, k, key_sum, "weight", weight);
  const Index B = q.dim(0), T = q.dim(1), H = q.dim(2), K = q.dim(3);
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < H; ++h) {
        const Scalar* queries = q.row(b, t, h);
        const Scalar* keys = k.row(b, t, h);
        Scalar* z = key_sum.row(b, 0, h);
        const auto add = [=]<class L>(std::type_identity<L>, Index i, L* sum) {
          const L next = simd::load<L>(z + i) + simd::load<L>(keys + i);
          simd::store(z + i, next);
          sum[0] = simd::madd(simd::load<L>(queries + i), next, sum[0]);
        };
        weight.row(b, t)[h] = simd::sums<Arch, Scalar, 1>(K, add)[0];
      }
}

/// Adjoint of `normaliser`; dq and dk are added to, and skipped when they have no data.
///
///     dq_t += dweight_t z_t,   dz_{t-1} = dz_t + dweight_t q_t,   dk_t += dz_{t-1}
///
/// \param key_sum   [B, 1, H, K]; z before the first token on entry, used up on return. It is
///                  summed again rather than taken apart: a difference would leave the rounding of
///                  the last and largest z in the first.
/// \param dweight   [B, T, H].
/// \param dkey_sum  [B, 1, H, K]; gradient by z after the last token on entry, before the first
///                  on return.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Output>
void normaliser_backward(const ConstViewOf<Output, 4>& q, const ConstViewOf<Output, 4>& k,
                         const ViewOf<Output, 4>& key_sum, const Output& doutput,
                         const ViewOf<Output, 4>& dkey_sum, const ViewOf<Output, 4>& dq,
                         const ViewOf<Output, 4>& dk, const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<const Scalar, 3> dweight(doutput);
  const auto where = "gla::normaliser_backward";
  detail::require_normaliser(where, q, k, key_sum, "dweight", dweight);
  require_shape(where, "dkey_sum", dkey_sum.shape(), key_sum.shape(), "to match key_sum");
  if (dq) require_shape(where, "dq", dq.shape(), q.shape(), "to match q");
  if (dk) require_shape(where, "dk", dk.shape(), q.shape(), "to match k");
  const Index B = q.dim(0), T = q.dim(1), H = q.dim(2), K = q.dim(3);
  for (Index b = 0; b < B; ++b) {
    for (Index t = 0; dq && t < T; ++t)
      for (Index h = 0; h < H; ++h) {
        const Scalar d = dweight.row(b, t)[h];
        const Scalar* keys = k.row(b, t, h);
        Scalar *z = key_sum.row(b, 0, h), *to = dq.row(b, t, h);
        simd::for_each_lane<Arch, Scalar>(K, [=]<class L>(std::type_identity<L>, Index i) {
          const L next = simd::load<L>(z + i) + simd::load<L>(keys + i);
          simd::store(z + i, next);
          simd::store(to + i, simd::madd(L(d), next, simd::load<L>(to + i)));
        });
      }
    for (Index t = T; t-- > 0;)
      for (Index h = 0; h < H; ++h) {
        const Scalar d = dweight.row(b, t)[h];
        const Scalar* queries = q.row(b, t, h);
        Scalar *dz = dkey_sum.row(b, 0, h), *to = dk ? dk.row(b, t, h) : nullptr;
        simd::for_each_lane<Arch, Scalar>(K, [=]<class L>(std::type_identity<L>, Index i) {
          const L grown = simd::madd(L(d), simd::load<L>(queries + i), simd::load<L>(dz + i));
          simd::store(dz + i, grown);
          if (to) simd::store(to + i, L(simd::load<L>(to + i) + grown));
        });
      }
  }
}

/// o = numerator / denominator, head by head.
///
/// \param numerator    [B, T, HV, V].
/// \param denominator  [B, T, H]; head hv of o divides by that of head hv / (HV / H).
/// \param o            [B, T, HV, V]; overwritten.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Output>
void divide_heads(const ConstViewOf<Output>& numerator, const ConstViewOf<Output, 3>& denominator,
                  Output&& output, const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 4> o(output);
  const auto [B, T, HV, V] = numerator.shape();
  const Index H = denominator.dim(2);
  detail::require_divisor("gla::divide_heads", numerator.shape(), denominator.shape());
  require_shape("gla::divide_heads", "o", o.shape(), {B, T, HV, V}, "to match the numerator");
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < HV; ++h) {
        const Scalar one_over = 1 / denominator.row(b, t)[h / (HV / H)];
        const Scalar* from = numerator.row(b, t, h);
        Scalar* to = o.row(b, t, h);
        simd::for_each_lane<Arch, Scalar>(o.dim(3), [=]<class L>(std::type_identity<L>, Index j) {
          simd::store(to + j, L(simd::load<L>(from + j) * L(one_over)));
        });
      }
}

/// Adjoint of `divide_heads`; gradients are added to, and skipped when they have no data.
///
///     dnumerator += do / denominator,   ddenominator -= <do, o> / denominator
///
/// \param o             as `divide_heads` has made it, [B, T, HV, V]; `dout` is its gradient.
/// \param denominator   [B, T, H].
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Output>
void divide_heads_backward(const ConstViewOf<Output>& o, const ConstViewOf<Output, 3>& denominator,
                           const Output& doutput, const ViewOf<Output>& dnumerator,
                           const ViewOf<Output, 3>& ddenominator, const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<const Scalar, 4> dout(doutput);
  const auto where = "gla::divide_heads_backward";
  const Index B = o.dim(0), T = o.dim(1), HV = o.dim(2), V = o.dim(3), H = denominator.dim(2);
  detail::require_divisor(where, o.shape(), denominator.shape());
  require_shape(where, "dout", dout.shape(), o.shape(), "to match o");
  if (dnumerator) require_shape(where, "dnumerator", dnumerator.shape(), o.shape(), "to match o");
  if (ddenominator)
    require_shape(where, "ddenominator", ddenominator.shape(), denominator.shape(),
                  "to match the denominator");
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < HV; ++h) {
        const Index hq = h / (HV / H);
        const Scalar one_over = 1 / denominator.row(b, t)[hq];
        const Scalar *out = o.row(b, t, h), *d = dout.row(b, t, h);
        Scalar* to = dnumerator ? dnumerator.row(b, t, h) : nullptr;
        const auto add = [=]<class L>(std::type_identity<L>, Index j, L* sum) {
          const L share = simd::load<L>(d + j) * L(one_over);
          if (to) simd::store(to + j, L(simd::load<L>(to + j) + share));
          sum[0] = simd::madd(share, simd::load<L>(out + j), sum[0]);
        };
        const Scalar all = simd::sums<Arch, Scalar, 1>(V, add)[0];
        if (ddenominator) ddenominator.row(b, t)[hq] -= all;
      }
}

}  // namespace sluice::gla
