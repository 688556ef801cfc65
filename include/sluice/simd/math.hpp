// SPDX-License-Identifier: MIT
/// \file
/// The functions behind gates and activations, each for a vector and for the scalar of its tail.
///
/// None returns a subnormal number for a normal or infinite argument: where the true value would
/// be closer to 0 than about 1e-38 (float) or 1e-307 (double), the result is a tiny normal number.
/// NaN gives NaN. Call these functions with their namespace, as those of exp.hpp.
#pragma once

#include <sluice/simd/erf.hpp>
#include <sluice/simd/exp.hpp>
#include <sluice/simd/log.hpp>

namespace sluice::simd {

/// The logistic function and its complement, both of full relative accuracy.
template <class B>
struct Logistic {
  B value;       ///< 1 / (1 + e^-x)
  B complement;  ///< 1 - value

  SLUICE_INLINE explicit Logistic(const B& x) noexcept {
    using S = ScalarOf<B>;
    const B e = exp_in_range(simd::clamp(B(-x), exp_lowest<S>, -exp_lowest<S>));
    value = divide(B(S(1)), B(B(S(1)) + e));
    complement = e * value;
  }

  /// d value / dx.
  SLUICE_INLINE B slope() const noexcept { return value * complement; }
};

/// 1 / (1 + e^-x). Largest error: 2.5 ulp.
template <class B>
SLUICE_INLINE B sigmoid(const B& x) noexcept {
  return Logistic<B>(x).value;
}

/// x sigmoid(x), with x raised to at least `exp_lowest`: minus infinity gives about -1e-36.
/// Largest error: 2.6 ulp.
template <class B>
SLUICE_INLINE B silu(const B& x) noexcept {
  const B bounded = simd::max(B(exp_lowest<ScalarOf<B>>), x);
  return bounded * simd::sigmoid(bounded);
}

/// d silu / dx = s (1 + x (1 - s)) with s = sigmoid(x). Largest error: 3.2 ulp for x of at least
/// -1/2. The slope crosses zero at -1.28; to the left its absolute error is 2 ulp of 1 at most.
template <class B>
SLUICE_INLINE B silu_slope(const B& x) noexcept {
  using S = ScalarOf<B>;
  const B bounded = simd::clamp(x, exp_lowest<S>, -exp_lowest<S>);
  const Logistic<B> s(bounded);
  return s.value * madd(bounded, s.complement, B(S(1)));
}

namespace detail {
/// log(1 + e^-|x|).
template <class B>
SLUICE_INLINE B softplus_tail(const B& x) noexcept {
  return log1p_unit(exp_in_range(simd::max(B(exp_lowest<ScalarOf<B>>), B(-simd::abs(x)))));
}
}  // namespace detail

/// log(1 + e^x) = max(x, 0) + log1p(e^-|x|); positive everywhere. Its slope is sigmoid(x).
/// Largest error: 2.9 ulp.
template <class B>
SLUICE_INLINE B softplus(const B& x) noexcept {
  return simd::max(B(ScalarOf<B>(0)), x) + detail::softplus_tail(x);
}

/// log(sigmoid(x)) = -softplus(-x); negative everywhere. Its slope is sigmoid(-x).
/// Largest error: 2.9 ulp.
template <class B>
SLUICE_INLINE B log_sigmoid(const B& x) noexcept {
  return simd::min(B(ScalarOf<B>(0)), x) - detail::softplus_tail(x);
}

/// tanh(x), with full relative accuracy near 0 as well.
///
///     tanh(x) = t / (t + 2),  t = e^2x - 1
///
/// Largest error: 3.5 ulp.
template <class B>
SLUICE_INLINE B tanh(const B& x) noexcept {
  using S = ScalarOf<B>;
  const B bounded = simd::min(B(S(20)), simd::abs(x));  // beyond 19.1 it rounds to 1
  const B t = expm1_in_range(B(bounded + bounded));
  return simd::copysign(divide(t, B(t + B(S(2)))), x);
}

/// x Phi(x) with the normal distribution Phi, of full relative accuracy in the left tail. x is
/// raised to at least -12.8 (double: -37), where the result is about -1e-36.
/// Largest error: as `Normal`.
template <class B>
SLUICE_INLINE B gelu(const B& x) noexcept {
  const B bounded = simd::max(B(-normal_limit<ScalarOf<B>>), x);
  return bounded * simd::normal_cdf(bounded);
}

/// d gelu / dx = Phi(x) + x phi(x). Largest error: as `Normal` for x of at least -0.3. The slope
/// crosses zero at -0.75; to the left its absolute error is 2 ulp of 1 at most.
template <class B>
SLUICE_INLINE B gelu_slope(const B& x) noexcept {
  using S = ScalarOf<B>;
  const B bounded = simd::clamp(x, -normal_limit<S>, normal_limit<S>);
  const Normal<B> normal(bounded);
  return madd(bounded, normal.density(), normal.cdf());
}

namespace detail {

/// gelu_tanh(x) = x sigmoid(argument(x)); beyond `limit` the logistic has reached its own bound.
template <class B>
struct GeluTanh {
  using S = ScalarOf<B>;
  static constexpr S limit = sizeof(S) == 4 ? S(10) : S(21);
  static constexpr S linear = S(1.5957691216057308), cubic = S(0.071354816272600247);

  SLUICE_INLINE static B argument(const B& x) noexcept {
    return x * madd(B(x * x), B(cubic), B(linear));
  }
  SLUICE_INLINE static B argument_slope(const B& x) noexcept {
    return madd(B(x * x), B(3 * cubic), B(linear));
  }
};

}  // namespace detail

/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the approximation of `gelu` that many
/// published models were trained with; differs from it by up to 5e-4. Computed as
/// x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which keeps the left tail.
/// Error: at most 4 + 3 |argument of the sigmoid| ulp for negative x, 4 ulp for positive.
template <class B>
SLUICE_INLINE B gelu_tanh(const B& x) noexcept {
  using F = detail::GeluTanh<B>;
  const B bounded = simd::max(B(-F::limit), x);
  return bounded * simd::sigmoid(F::argument(bounded));
}

/// d gelu_tanh / dx.
template <class B>
SLUICE_INLINE B gelu_tanh_slope(const B& x) noexcept {
  using F = detail::GeluTanh<B>;
  const B bounded = simd::clamp(x, -F::limit, F::limit);
  const Logistic<B> s(F::argument(bounded));
  return s.value * madd(B(bounded * s.complement), F::argument_slope(bounded), B(ScalarOf<B>(1)));
}

}  // namespace sluice::simd
