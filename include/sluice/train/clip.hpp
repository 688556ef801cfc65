// SPDX-License-Identifier: MIT
/// \file
/// The length of a gradient, and a limit to it.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/train/learned.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace sluice {

namespace detail {

/// Neither infinite nor NaN, by the bits: -ffast-math takes std::isfinite for true.
inline bool is_finite(double x) noexcept {
  constexpr std::uint64_t exponent = 0x7ff0'0000'0000'0000;
  return (std::bit_cast<std::uint64_t>(x) & exponent) != exponent;
}

/// The sum of f(x) over all numbers, in double.
template <Visitable Values, class F>
double sum_over(const Values& values, const F& f) {
  double total = 0;
  for_each_learned(values, [&](const auto& x) {
    constexpr Index ways = 8;  // sums side by side: the compiler may use vectors
    double sums[std::size_t(ways)] = {};
    Index i = 0;
    for (; i + ways <= x.size(); i += ways)
      for (Index j = 0; j < ways; ++j) sums[j] += f(double(x.data()[i + j]));
    for (; i < x.size(); ++i) sums[0] += f(double(x.data()[i]));
    for (const double sum : sums) total += sum;
  });
  return total;
}

}  // namespace detail

/// The Euclidean length of all tensors of `values` together, summed in double. Infinite or NaN only
/// if a number is, or if the length is beyond the range of double.
template <Visitable Values>
double global_norm(const Values& values) {
  const double squares = detail::sum_over(values, [](double x) { return x * x; });
  constexpr double least = 1e-280;  // below, squares may have lost digits
  if (detail::is_finite(squares) && squares >= least) return std::sqrt(squares);
  // Squares overflow or vanish: those of all numbers divided by the largest do not.
  double largest = 0;
  detail::for_each_learned(values, [&](const auto& x) {
    for (Index i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(double(x.data()[i])));
  });
  if (largest == 0 || !detail::is_finite(largest)) return std::sqrt(squares);
  const auto scaled = [=](double x) { return x / largest * (x / largest); };
  return largest * std::sqrt(detail::sum_over(values, scaled));
}

/// Scales `gradient` down to the length `max_norm` if it is longer.
///
/// \returns  the length before. When it is not finite nothing is scaled: an infinite length would
///           turn finite entries into zeros and infinite ones into NaN. The caller may then skip
///           the step.
template <Visitable Gradient>
double clip_by_global_norm(Gradient& gradient, double max_norm) {
  require(max_norm > 0, "clip_by_global_norm", "max_norm", "above 0", max_norm);
  const double norm = global_norm(gradient);
  if (!detail::is_finite(norm) || norm <= max_norm) return norm;
  const double factor = max_norm / norm;
  detail::for_each_learned(gradient, [&](auto& x) {
    using Scalar = typename std::remove_cvref_t<decltype(x)>::Scalar;
    Scalar* const p = x.data();
    const auto rounded = static_cast<Scalar>(factor);
    if (rounded >= std::numeric_limits<Scalar>::min())
      simd::for_each_lane<simd::DefaultArch, Scalar>(
          x.size(), [=]<class B>(std::type_identity<B>, Index i) {
            simd::store(p + i, B(simd::load<B>(p + i) * B(rounded)));
          });
    else  // as a subnormal number it would have lost digits
      for (Index i = 0; i < x.size(); ++i) p[i] = Scalar(double(p[i]) / norm * max_norm);
  });
  return norm;
}

}  // namespace sluice
