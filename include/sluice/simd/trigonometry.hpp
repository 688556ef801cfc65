// SPDX-License-Identifier: MIT
/// \file
/// Sine and cosine, of moderate angles.
///
///     n = round(x 2 / pi),  r = x - n pi / 2,  |r| <= pi / 4;  n mod 4 chooses +-sin(r), +-cos(r)
///
/// As in exp.hpp the same steps serve a vector and a scalar. Larger angles go to the standard
/// library, one by one.
#pragma once

#include <sluice/simd/exp.hpp>

#include <array>
#include <cmath>

namespace sluice::simd {

namespace detail {

template <class Scalar>
struct TurnConstants;

template <>
struct TurnConstants<float> {
  static constexpr float largest = 8000;  // beyond, the products below lose too many bits
  // pi / 2 in pieces of few bits, so that their products with n are exact or tiny.
  static constexpr std::array<float, 3> quarter{1.5703125f, 4.837512970e-4f, 7.549789955e-8f};
  // (sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2, highest power first.
  static constexpr std::array<float, 3> sine{-1.9515295891e-4f, 8.3321608736e-3f,
                                             -1.6666654611e-1f};
  static constexpr std::array<float, 3> cosine{2.443315711809948e-5f, -1.388731625493765e-3f,
                                               4.166664568298827e-2f};
};

template <>
struct TurnConstants<double> {
  static constexpr double largest = 1e6;
  static constexpr std::array<double, 3> quarter{
      1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624871116645580e-21};
  static constexpr std::array<double, 6> sine{
      1.58962301576546568060e-10, -2.50507477628578072866e-8, 2.75573136213857245213e-6,
      -1.98412698295895385996e-4, 8.33333333332211858878e-3,  -1.66666666666666307295e-1};
  static constexpr std::array<double, 6> cosine{
      -1.13585365213876817300e-11, 2.08757008419747316778e-9,  -2.75573141792967388112e-7,
      2.48015872888517045348e-5,   -1.38888888888730564116e-3, 4.16666666666665929218e-2};
};

/// sin(x + shift pi / 2) for |x| up to `largest`.
template <unsigned Shift, class B>
SLUICE_INLINE B turned(const B& x) noexcept {
  using S = ScalarOf<B>;
  using I = IntegerOf<B>;
  using C = TurnConstants<S>;
  const B round(ExpConstants<S>::round);
  B shifted = madd(x, B(S(0.63661977236758134308)), round);
  fence(shifted);
  B n = shifted - round;
  fence(n);
  B r = x;
  for (const S part : C::quarter) {
    r = madd(n, B(-part), r);
    fence(r);
  }
  const B z = r * r;
  const B sine = madd(B(r * z), polynomial(z, C::sine), r);
  const B cosine = madd(B(z * z), polynomial(z, C::cosine), madd(z, B(S(-0.5)), B(S(1))));
  const I quadrant = simd::bit_cast<I>(shifted) + I(Shift);
  const I odd = I(0) - I(quadrant & I(1)), s = simd::bit_cast<I>(sine);
  const I chosen = s ^ I(odd & I(s ^ simd::bit_cast<I>(cosine)));
  return simd::bit_cast<B>(I(chosen ^ I(I(quadrant & I(2)) << int(8 * sizeof(S) - 2))));
}

/// f of each lane by itself; rarely called.
template <class B, class F>
SLUICE_OUTLINE B each_lane(const B& x, const F& f) noexcept {
  if constexpr (is_batch<B>) {
    ScalarOf<B> all[static_cast<std::size_t>(lanes<B>)];
    store(all, x);
    for (auto& one : all) one = f(one);
    return load<B>(all);
  } else {
    return f(x);
  }
}

/// Whether an angle is too large for `turned`.
template <class B>
SLUICE_INLINE bool too_large(const B& x) noexcept {
  const auto beyond = simd::abs(x) > B(TurnConstants<ScalarOf<B>>::largest);
  if constexpr (is_batch<B>)
    return xsimd::any(beyond);
  else
    return beyond;
}

}  // namespace detail

/// sin(x). Error: 1 ulp of 1; NaN of what is not finite.
template <class B>
SLUICE_INLINE B sin(const B& x) noexcept {
  if (detail::too_large(x)) return detail::each_lane(x, [](auto a) { return std::sin(a); });
  return detail::turned<0>(x);
}

/// cos(x). Error as `sin`.
template <class B>
SLUICE_INLINE B cos(const B& x) noexcept {
  if (detail::too_large(x)) return detail::each_lane(x, [](auto a) { return std::cos(a); });
  return detail::turned<1>(x);
}

}  // namespace sluice::simd
