// SPDX-License-Identifier: MIT
/// \file
/// log(1 + u) for u in [0, 1], which is all that softplus and its relatives need.
#pragma once

#include <sluice/simd/exp.hpp>

namespace sluice::simd {

namespace detail {

/// (artanh(s) / s - 1) / s^2 as a polynomial in z = s^2 <= 1/9, minimax, highest power first.
template <class Scalar>
inline constexpr auto artanh_tail = [] {
  if constexpr (sizeof(Scalar) == 4)  // relative error 8e-9
    return std::array<float, 4>{1.408732862e-01f, 1.399012663e-01f, 2.001086384e-01f,
                                3.333322265e-01f};
  else  // relative error 3e-18
    return std::array<double, 10>{8.52828723993364762e-02, 4.16517639557437286e-02,
                                  6.05271783509378214e-02, 6.65074209258606497e-02,
                                  7.69324125615823695e-02, 9.09087485086014085e-02,
                                  1.11111118667216541e-01, 1.42857142765216744e-01,
                                  2.00000000000515182e-01, 3.33333333333332482e-01};
}();

}  // namespace detail

/// log(1 + u) for u in [0, 1], of full relative accuracy down to the smallest u; NaN of NaN.
///
///     log(1 + u) = 2 artanh(s),  s = u / (2 + u)
///
/// Largest error: 2 ulp.
template <class B>
SLUICE_INLINE B log1p_unit(const B& u) noexcept {
  using S = ScalarOf<B>;
  const B twice_s = divide(u, madd(u, B(S(0.5)), B(S(1))));
  const B s = twice_s * B(S(0.5));
  const B z = madd(s, s, B(S(1e-30)));  // the addend keeps a tiny square from being subnormal
  const B tail = detail::polynomial(z, detail::artanh_tail<S>);
  return madd(twice_s, z * tail, twice_s);
}

}  // namespace sluice::simd
