// SPDX-License-Identifier: MIT
/// \file
/// Powers of 2, for decays: what is too small to matter is exactly 0.
///
///     n = round(x),  r = x - n,  2^x = (1 + r P(r)) 2^n,  P(r) = (2^r - 1) / r
///
/// Cheaper than `exp` by the reduction of the argument, and by one step of the polynomial in float.
#pragma once

#include <sluice/simd/exp.hpp>

#include <array>

namespace sluice::simd {

namespace detail {

/// P on |r| <= 1/2 with P(0) = ln 2, so that decays near 1 keep their rate; highest power first.
template <class Scalar>
inline constexpr auto exp2_growth = [] {
  if constexpr (sizeof(Scalar) == 4)  // relative error of the power 1.1e-7
    return std::array<float, 5>{1.330018862e-03f, 9.669809331e-03f, 5.550560406e-02f,
                                2.402227983e-01f, 6.931471806e-01f};
  else  // relative error 4e-17
    return std::array<double, 11>{
        4.4558731210627245e-10, 7.0742979189451440e-09, 1.0178057317910490e-07,
        1.3215432967507464e-06, 1.5252733839441505e-05, 1.5403530459756463e-04,
        1.3333558146410270e-03, 9.6181291075943860e-03, 5.5504108664821600e-02,
        2.4022650695910117e-01, 6.9314718055994530e-01};
}();

}  // namespace detail

/// 2^x, exactly 0 for x below `lowest` (at least -126, double -1022); NaN of NaN. For x of at
/// least 128 (1024) the result is infinite, or the largest number. Error: 2.6 ulp, in double 1, or
/// 1.1 without fused multiply-add.
template <class B>
SLUICE_INLINE B exp2_or_zero(const B& x, ScalarOf<B> lowest) noexcept {
  using S = ScalarOf<B>;
  const auto power = [](const B& r) SLUICE_INLINE_LAMBDA {
    return madd(detail::polynomial(r, detail::exp2_growth<S>), r, B(S(1)));
  };
#if defined(__AVX512F__)
  if constexpr (detail::Reduced<B>::has_scale) {
    const B n = xsimd::nearbyint(x);
    if constexpr (sizeof(S) == 4) {
      const __mmask16 keep = _mm512_cmp_ps_mask(x, _mm512_set1_ps(lowest), _CMP_NLT_UQ);
      return B(_mm512_maskz_scalef_ps(keep, power(B(x - n)), n));
    } else {
      const __mmask8 keep = _mm512_cmp_pd_mask(x, _mm512_set1_pd(lowest), _CMP_NLT_UQ);
      return B(_mm512_maskz_scalef_pd(keep, power(B(x - n)), n));
    }
  } else
#endif
  {
    using C = detail::ExpConstants<S>;
    using I = IntegerOf<B>;
    constexpr S highest = sizeof(S) == 4 ? S(127.49999) : S(1023.49999999999);
    const B bounded = simd::min(B(highest), x);
    B shifted = bounded + B(C::round);
    fence(shifted);
    B n = shifted - B(C::round);
    fence(n);
    const B p = power(B(bounded - n));
    const I bits = simd::bit_cast<I>(p) + (simd::bit_cast<I>(shifted) << C::mantissa_bits);
    const B y = madd(bounded, B(S(0)), simd::bit_cast<B>(bits));  // integers know no NaN
    return simd::select(x < B(lowest), B(S(0)), y);
  }
}

}  // namespace sluice::simd
