// SPDX-License-Identifier: MIT
/// \file
/// The functions behind gates and activations, each for a vector and for the scalar of its tail.
///
/// None returns a subnormal number for a normal or infinite argument: where the true value would
/// be closer to 0 than about 1e-38 (float) or 1e-307 (double), the result is a tiny normal number.
/// NaN gives NaN. Call these functions with their namespace, as those of exp.hpp.
#pragma once

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
    value = B(S(1)) / (B(S(1)) + e);
    complement = e * value;
  }

  /// d value / dx.
  SLUICE_INLINE B slope() const noexcept { return value * complement; }
};

/// 1 / (1 + e^-x).
template <class B>
SLUICE_INLINE B sigmoid(const B& x) noexcept {
  return Logistic<B>(x).value;
}

/// x sigmoid(x), with x raised to at least `exp_lowest`: minus infinity gives about -1e-36.
template <class B>
SLUICE_INLINE B silu(const B& x) noexcept {
  const B bounded = simd::max(B(exp_lowest<ScalarOf<B>>), x);
  return bounded * simd::sigmoid(bounded);
}

/// d silu / dx = s (1 + x (1 - s)) with s = sigmoid(x).
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
template <class B>
SLUICE_INLINE B softplus(const B& x) noexcept {
  return simd::max(B(ScalarOf<B>(0)), x) + detail::softplus_tail(x);
}

/// log(sigmoid(x)) = -softplus(-x); negative everywhere. Its slope is sigmoid(-x).
template <class B>
SLUICE_INLINE B log_sigmoid(const B& x) noexcept {
  return simd::min(B(ScalarOf<B>(0)), x) - detail::softplus_tail(x);
}

}  // namespace sluice::simd
