// SPDX-License-Identifier: MIT
/// \file
/// The exponential, faster than that of xsimd and never subnormal: a subnormal result
/// costs some hundred cycles a vector.
///
///     n = round(x log2(e)),  r = x - n ln 2,  exp(x) = (1 + r P(r)) 2^n,  P(r) = (e^r - 1) / r
///
/// The same steps serve a vector and a scalar, so a row's lanes and its tail agree to the bit.
/// Call these functions with their namespace: an unqualified exp(batch) finds that of xsimd.
#pragma once

#include <sluice/simd/batch.hpp>

#include <array>
#include <limits>
#include <utility>

namespace sluice::simd {

namespace detail {

template <class Scalar>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float lowest = -87.0f;
  static constexpr float highest = 88.7228317f;
  static constexpr float ln2_high = 0.693359375f;  // 9 bits, so that n * ln2_high is exact
  static constexpr float ln2_low = -2.12194440e-4f;
  static constexpr float round = 0x1.8p23f;  // x + round has the integer part of x in its last bits
  static constexpr int mantissa_bits = 23;
  // Minimax for 1 + r P on |r| <= 0.347 with P(0) = 1, highest power first.
  static constexpr std::array<float, 6> growth{1.38144672e-3f, 8.36878084e-3f, 4.16683927e-2f,
                                               1.66665196e-1f, 4.99999940e-1f, 1.0f};
};

template <>
struct ExpConstants<double> {
  static constexpr double lowest = -708.0;
  static constexpr double highest = 709.78271289338397;
  static constexpr double ln2_high = 0.693145751953125;  // 20 bits
  static constexpr double ln2_low = 1.42860682030941723212e-6;
  static constexpr double round = 0x1.8p52;
  static constexpr int mantissa_bits = 52;
  // Minimax for P itself, relative error 4e-17.
  static constexpr std::array<double, 11> growth{2.51103487483110021e-08,
                                                 2.76330443974878600e-07,
                                                 2.75572415417854088e-06,
                                                 2.48014862923057182e-05,
                                                 1.98412698872955055e-04,
                                                 1.38888889487370510e-03,
                                                 8.33333333332197598e-03,
                                                 4.16666666665189839e-02,
                                                 1.66666666666666741e-01,
                                                 5.00000000000000999e-01,
                                                 1.0};
};

/// c[0] x^(N-1) + ... + c[N-1].
template <class B, std::size_t N>
SLUICE_INLINE B polynomial(const B& x, const std::array<ScalarOf<B>, N>& c) noexcept {
  B sum(c[0]);
  [&]<std::size_t... I>(std::index_sequence<I...>) SLUICE_INLINE_LAMBDA {
    ((sum = madd(sum, x, B(c[I + 1]))), ...);
  }
  (std::make_index_sequence<N - 1>{});
  return sum;
}

/// x = n ln 2 + r.
template <class B>
struct Reduced {
  B shifted, n, r;  // shifted = n + round

  SLUICE_INLINE explicit Reduced(const B& x) noexcept {
    using C = ExpConstants<ScalarOf<B>>;
    shifted = madd(x, B(ScalarOf<B>(1.44269504088896341)), B(C::round));
    fence(shifted);
    n = shifted - B(C::round);
    fence(n);
    r = madd(n, B(-C::ln2_high), x);
    fence(r);
    r = madd(n, B(-C::ln2_low), r);
  }

  /// p 2^n, which must be zero or a normal number unless `has_scale`; p lies near 1.
  SLUICE_INLINE B scaled(const B& p) const noexcept {
#if defined(__AVX512F__)
    if constexpr (has_scale) {
      if constexpr (sizeof(ScalarOf<B>) == 4)
        return _mm512_scalef_ps(p, n);
      else
        return _mm512_scalef_pd(p, n);
    } else
#endif
    {
      using I = IntegerOf<B>;
      constexpr int bits = ExpConstants<ScalarOf<B>>::mantissa_bits;
      return simd::bit_cast<B>(I(simd::bit_cast<I>(p) + (simd::bit_cast<I>(shifted) << bits)));
    }
  }

  /// e^x, where x is the number that was reduced.
  SLUICE_INLINE B finish(const B& x) const noexcept {
    using S = ScalarOf<B>;
    const B y = scaled(madd(polynomial(r, ExpConstants<S>::growth), r, B(S(1))));
    if constexpr (has_scale)
      return y;
    else
      return madd(x, B(S(0)), y);  // integers know no NaN
  }

  /// Whether the instruction set multiplies by 2^n, overflow and NaN included.
  static constexpr bool has_scale = [] {
#if defined(__AVX512F__)
    if constexpr (is_batch<B>) return std::is_base_of_v<xsimd::avx512f, typename B::arch_type>;
#endif
    return false;
  }();
};

}  // namespace detail

/// Arguments below give the exponential of this number: e^-87 = 1.6e-38 or e^-708 = 3.3e-308.
template <class Scalar>
inline constexpr Scalar exp_lowest = detail::ExpConstants<Scalar>::lowest;

/// The largest argument whose exponential is finite.
template <class Scalar>
inline constexpr Scalar exp_highest = detail::ExpConstants<Scalar>::highest;

/// e^x for x known to lie in [exp_lowest, exp_highest]; NaN of NaN. Error as `exp`.
template <class B>
SLUICE_INLINE B exp_in_range(const B& x) noexcept {
  return detail::Reduced<B>(x).finish(x);
}

/// e^(x + low), as above, where `low` is no more than the rounding error of x.
template <class B>
SLUICE_INLINE B exp_in_range(const B& x, const B& low) noexcept {
  detail::Reduced<B> e(x);
  e.r = e.r + low;
  return e.finish(x);
}

/// e^x, with arguments below `exp_lowest` raised to it, so that the result is never subnormal.
/// Infinite above `exp_highest`, NaN of NaN. Largest error: 0.95 ulp, 1.25 without fused
/// multiply-add.
template <class B>
SLUICE_INLINE B exp(const B& x) noexcept {
  using S = ScalarOf<B>;
  if constexpr (detail::Reduced<B>::has_scale) {
    return exp_in_range(simd::clamp(x, exp_lowest<S>, exp_highest<S> + 1));
  } else {
    const B y = exp_in_range(simd::clamp(x, exp_lowest<S>, exp_highest<S>));
    return simd::select(x > B(exp_highest<S>), B(std::numeric_limits<S>::infinity()), y);
  }
}

/// e^x, exactly 0 for x below `exp_lowest` and so for minus infinity: the decay of a gate that is
/// shut. Elsewhere as `exp`.
template <class B>
SLUICE_INLINE B exp_or_zero(const B& x) noexcept {
  using S = ScalarOf<B>;
  return simd::select(x < B(exp_lowest<S>), B(S(0)), simd::exp(x));
}

/// e^x - 1 without cancellation near 0, for x in [-1/2, 64]; NaN of NaN. Largest error: 2.4 ulp.
template <class B>
SLUICE_INLINE B expm1_in_range(const B& x) noexcept {
  const detail::Reduced<B> e(x);
  const B one(ScalarOf<B>(1));
  const B power = e.scaled(one);
  const B p = detail::polynomial(e.r, detail::ExpConstants<ScalarOf<B>>::growth);
  B less = power - one;
  fence(less);
  return madd(e.r * p, power, less);
}

}  // namespace sluice::simd
