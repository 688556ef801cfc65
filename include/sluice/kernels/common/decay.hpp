// SPDX-License-Identifier: MIT
/// \file
/// What a gate does to a state: decays, the exponentials of its logarithms.
#pragma once

#include <sluice/kernels/common/gate.hpp>
#include <sluice/kernels/common/tokens.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/exp.hpp>

#include <algorithm>

namespace sluice::common {

/// Decays below this are exactly 0: e^-60 in float. Bare products of decays and states would
/// otherwise be subnormal, at some hundred cycles a vector, long before they matter to a sum.
template <class Scalar>
inline constexpr Scalar smallest_decay = sizeof(Scalar) == 4 ? Scalar(8.7e-27) : Scalar(1e-260);

/// exp(g), exactly 0 when too small to matter.
template <class B>
SLUICE_INLINE B decay_of(const B& g) noexcept {
  using Scalar = simd::ScalarOf<B>;
  const B decay = simd::exp_or_zero(g);
  return simd::select(decay < B(smallest_decay<Scalar>), B(Scalar{0}), decay);
}

/// Decays exp(g) of a head as `d` [count, stride], K of them a token and 1 beyond.
template <class Arch, class Scalar>
void load_decays(const Gate<const Scalar>& g, const Span& tokens, Index head, Index K, Scalar* d,
                 Index stride) noexcept {
  const Index count = length(tokens);
  for (Index t = 0; t < count; ++t) {
    Scalar* out = d + t * stride;
    if (g.kind() == GateKind::vector) {
      const Scalar* from = g.row(tokens.row, tokens.begin + t, head);
      simd::for_each_lane<Arch, Scalar>(K, [&]<class B>(std::type_identity<B>, Index i) {
        simd::store(out + i, decay_of(simd::load<B>(from + i)));
      });
      std::fill(out + K, out + stride, Scalar{1});
    } else {
      const Scalar decay = g.kind() == GateKind::none
                               ? Scalar{1}
                               : decay_of(*g.row(tokens.row, tokens.begin + t, head));
      std::fill(out, out + stride, decay);
    }
  }
}

}  // namespace sluice::common
