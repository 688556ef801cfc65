// SPDX-License-Identifier: MIT
/// \file
/// The loops of activations and gates, over rows of any rank.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/executor.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/activation/function.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/simd/batch.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace sluice::kernels::detail {

/// Whether there is anything to do.
template <class Scalar, int Rank>
bool require_activation_backward(const View<const Scalar, Rank>& x,
                                 const View<const Scalar, Rank>& dy, const View<Scalar, Rank>& dx) {
  require_shape("activation_backward", "dy", dy.shape(), x.shape(), "to match x");
  if (!dx) return false;
  require_shape("activation_backward", "dx", dx.shape(), x.shape(), "to match x");
  return true;
}

template <class Scalar, int Rank>
void require_gated(const View<const Scalar, Rank>& a, const View<const Scalar, Rank>& b,
                   const View<Scalar, Rank>& y) {
  require_shape("gated", "b", b.shape(), a.shape(), "to match a");
  require_shape("gated", "y", y.shape(), a.shape(), "to match a");
}

template <class Scalar, int Rank>
void require_gated_backward(const View<const Scalar, Rank>& a, const View<const Scalar, Rank>& b,
                            const View<const Scalar, Rank>& dy, const View<Scalar, Rank>& da,
                            const View<Scalar, Rank>& db) {
  require_shape("gated_backward", "b", b.shape(), a.shape(), "to match a");
  require_shape("gated_backward", "dy", dy.shape(), a.shape(), "to match a");
  if (da) require_shape("gated_backward", "da", da.shape(), a.shape(), "to match a");
  if (db) require_shape("gated_backward", "db", db.shape(), a.shape(), "to match a");
}

/// y = f(a) (.) b, or f(a) where b is absent.
template <class Arch, std::floating_point Scalar>
void gate(const Function<Scalar, Arch>& f, const common::Rows<3>& rows, const Scalar* a,
          const Scalar* b, Scalar* y, const Executor& executor) {
  common::share_each_span(
      executor, rows, 2,
      [&f](Index n, const Scalar* gate, const Scalar* value, Scalar* out) {
        f.for_each_value(n, gate, [&](Index from, Index m, const Scalar* opened) {
          if (value == nullptr) return void(std::copy_n(opened, m, out + from));
          simd::for_each_lane<Arch, Scalar>(
              m, [&]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
                simd::store(out + from + i,
                            B(simd::load<B>(opened + i) * simd::load<B>(value + from + i)));
              });
        });
      },
      a, b, y);
}
SLUICE_COMPILED_KERNEL(gate);

/// da += dy (.) b (.) f'(a) and db += dy (.) f(a); where b is absent, da += dy (.) f'(a).
template <class Arch, std::floating_point Scalar>
void gate_backward(const Function<Scalar, Arch>& f, const common::Rows<5>& rows, const Scalar* a,
                   const Scalar* b, const Scalar* dy, Scalar* da, Scalar* db,
                   const Executor& executor) {
  const bool apart = (!da || rows.distinct(3)) && (!db || rows.distinct(4));
  common::share_each_span(
      apart ? executor : Executor{}, rows, da ? 3 : 4,
      [&f](Index n, const Scalar* gate, const Scalar* value, const Scalar* grad, Scalar* dgate,
           Scalar* dvalue) {
        f.for_each_jet(
            n, gate, [&](Index from, Index m, const Scalar* opened, const Scalar* slopes) {
              simd::for_each_lane<Arch, Scalar>(
                  m, [&]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
                    const Index at = from + i;
                    const B dy_i = simd::load<B>(grad + at), slope = simd::load<B>(slopes + i);
                    if (dgate) {
                      const B before = simd::load<B>(dgate + at);
                      simd::store(dgate + at, value ? simd::madd(B(dy_i * slope),
                                                                 simd::load<B>(value + at), before)
                                                    : simd::madd(dy_i, slope, before));
                    }
                    if (dvalue)
                      simd::store(dvalue + at, simd::madd(dy_i, simd::load<B>(opened + i),
                                                          simd::load<B>(dvalue + at)));
                  });
            });
      },
      a, b, dy, da, db);
}
SLUICE_COMPILED_KERNEL(gate_backward);

}  // namespace sluice::kernels::detail
