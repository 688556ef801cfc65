// SPDX-License-Identifier: MIT
/// \file
/// The normal distribution and the error function.
///
///     Phi(-a) = e^(-a^2 / 2) R(t) / (a + k),  t = (a - k) / (a + k),  a >= 0
///
/// R is smooth on the whole half-line, so one polynomial serves centre and tail.
#pragma once

#include <sluice/simd/exp.hpp>

#include <utility>

namespace sluice::simd {

namespace detail {

template <class Scalar>
struct NormalConstants;

template <>
struct NormalConstants<float> {
  static constexpr float limit = 12.8f;
  static constexpr float k = 4;
  // R for a in [0, 13], relative error 7e-9, highest power first.
  static constexpr std::array<float, 10> tail{
      -1.238778964e-04f, 1.972837653e-04f,  1.577396181e-03f, -3.519982276e-03f, -7.530297090e-03f,
      6.040462415e-02f,  -1.865226745e-01f, 3.871368839e-01f, -6.078966161e-01f, 7.552851354e-01f};
  // erf(x) / x in x^2 for |x| <= 1, relative error 1e-9.
  static constexpr std::array<float, 7> erf{7.853858231e-05f,  -8.010192794e-04f, 5.188327610e-03f,
                                            -2.685381191e-02f, 1.128358515e-01f,  -3.761262582e-01f,
                                            1.128379166e+00f};
};

template <>
struct NormalConstants<double> {
  static constexpr double limit = 37;
  static constexpr double k = 5;
  // R for a in [0, 38], relative error 1e-17.
  static constexpr std::array<double, 22> tail{
      2.04280523191911646e-09,  7.24991377398910320e-09,  -1.02499742860589122e-08,
      -6.55097464560678182e-08, 4.35912786091546486e-08,  4.32912287805987227e-07,
      -3.37667790146820306e-07, -2.76920449575112213e-06, 3.98142668181690337e-06,
      1.66812049603392027e-05,  -4.97629819243316078e-05, -5.93757264853081362e-05,
      5.44899098787822813e-04,  -7.97869399087311362e-04, -2.99337677468830164e-03,
      2.07950668000194266e-02,  -6.91186387060278712e-02, 1.65020366170372496e-01,
      -3.13533156671313207e-01, 4.95305615969976798e-01,  -6.65382502890056626e-01,
      7.69193049750062974e-01};
  // As above, relative error 7e-18.
  static constexpr std::array<double, 12> erf{
      -7.77948786413182399e-10, 1.37109914619624388e-08,  -1.62063164896348502e-07,
      1.64471319525368214e-06,  -1.49247123350607831e-05, 1.20552935787395727e-04,
      -8.54832592938005150e-04, 5.22397760611992452e-03,  -2.68661706431116525e-02,
      1.12837916709441863e-01,  -3.76126389031835207e-01, 1.12837916709551256e+00};
};

}  // namespace detail

/// Arguments of the normal distribution are drawn to within +-limit, so that its tail stays a
/// normal number: 12.8 (float) or 37 (double).
template <class Scalar>
inline constexpr Scalar normal_limit = detail::NormalConstants<Scalar>::limit;

/// The standard normal distribution at x, of full relative accuracy in both tails: largest
/// error 6.6 ulp (double: 8.6); without fused multiply-add it grows to 70 (530) at the limits.
template <class B>
class Normal {
 public:
  SLUICE_INLINE explicit Normal(const B& x) noexcept : negative_(x < B(S(0))) {
    const B a = simd::min(B(C::limit), simd::abs(x));
    const B square = a * a;
    const B low = madd(a, a, B(-square));  // what rounding took; 0 without fused multiply-add
    const B half(S(-0.5));
    bell_ = exp_in_range(B(square * half), B(low * half));
    const B inverse = divide(B(S(1)), B(a + B(C::k)));
    const B t = (a - B(C::k)) * inverse;
    tail_ = detail::polynomial(t, C::tail) * inverse * bell_;
  }

  /// Phi(-|x|).
  SLUICE_INLINE B tail() const noexcept { return tail_; }
  /// Phi(x), the probability of at most x.
  SLUICE_INLINE B cdf() const noexcept {
    return simd::select(negative_, tail_, B(B(S(1)) - tail_));
  }
  /// phi(x) = e^(-x^2 / 2) / sqrt(2 pi).
  SLUICE_INLINE B density() const noexcept { return bell_ * B(S(0.39894228040143267794)); }

 private:
  using S = ScalarOf<B>;
  using C = detail::NormalConstants<S>;
  decltype(std::declval<B>() < std::declval<B>()) negative_;
  B bell_, tail_;
};

/// Phi(x).
template <class B>
SLUICE_INLINE B normal_cdf(const B& x) noexcept {
  return Normal<B>(x).cdf();
}

/// erf(x), of full relative accuracy near 0 too. Largest error: 2.6 ulp.
template <class B>
SLUICE_INLINE B erf(const B& x) noexcept {
  using S = ScalarOf<B>;
  const B magnitude = simd::abs(x);
  const B bounded = simd::min(B(S(1)), magnitude);
  const B z = madd(bounded, bounded, B(S(1e-30)));  // the addend keeps it from being subnormal
  const B near = bounded * detail::polynomial(z, detail::NormalConstants<S>::erf);
  const B tail = Normal<B>(B(magnitude * B(S(1.4142135623730951)))).tail();
  const B far = madd(B(S(-2)), tail, B(S(1)));
  return simd::copysign(simd::select(magnitude < B(S(1)), near, far), x);
}

}  // namespace sluice::simd
