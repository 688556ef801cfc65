// SPDX-License-Identifier: MIT
/// \file
/// The length of a gradient, and a limit to it.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/view.hpp>

#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice {

/// The Euclidean length of all tensors of `values` together, summed in double.
template <Visitable Values>
double global_norm(const Values& values) {
  double squares = 0;
  for_each_tensor(
      [&](std::string_view, const auto& x) {
        constexpr Index ways = 8;  // sums side by side: the compiler may use vectors
        double sums[ways] = {};
        Index i = 0;
        for (; i + ways <= x.size(); i += ways)
          for (Index j = 0; j < ways; ++j)
            sums[j] += double(x.data()[i + j]) * double(x.data()[i + j]);
        for (; i < x.size(); ++i) sums[0] += double(x.data()[i]) * double(x.data()[i]);
        for (const double sum : sums) squares += sum;
      },
      values);
  return std::sqrt(squares);
}

/// Scales `gradient` down to the length `max_norm` if it is longer.
///
/// \returns  the length before. When it is not finite nothing is scaled: an infinite length would
///           turn finite entries into zeros and infinite ones into NaN. The caller may then skip
///           the step.
template <Visitable Gradient>
double clip_by_global_norm(Gradient& gradient, double max_norm) {
  require(max_norm > 0, "clip_by_global_norm", "max_norm", "above 0", std::to_string(max_norm));
  const double norm = global_norm(gradient);
  if (!(norm > max_norm) || !std::isfinite(norm)) return norm;
  const double factor = max_norm / norm;
  for_each_tensor(
      [&](std::string_view, auto& x) {
        using Scalar = typename std::remove_cvref_t<decltype(x)>::Scalar;
        for (Index i = 0; i < x.size(); ++i) x.data()[i] *= Scalar(factor);
      },
      gradient);
  return norm;
}

}  // namespace sluice
