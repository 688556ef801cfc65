// SPDX-License-Identifier: MIT
/// \file
/// Random tensors and the one comparison every test uses.
#pragma once

#include "catch.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>

#include <cmath>
#include <string>

namespace sluice::testing {

/// Uniform in [low, high), from a fixed seed: a failing test fails again.
template <class Scalar, int Rank>
Tensor<Scalar, Rank> uniform(const Shape<Rank>& shape, Scalar low, Scalar high, unsigned seed) {
  Tensor<Scalar, Rank> t(shape);
  Rng rng(seed);
  fill_uniform(t, rng, low, high);
  return t;
}

/// Tokens [from, to) of x [B, T, ...].
template <class Scalar, int Rank>
Tensor<Scalar, Rank> slice_tokens(const Tensor<Scalar, Rank>& x, Index from, Index to) {
  auto size = x.dimensions();
  Eigen::array<Index, std::size_t(Rank)> begin{};
  begin[1] = from;
  size[1] = to - from;
  return x.slice(begin, size);
}

/// Root-mean-square of the difference relative to that of `expected`; infinite on NaN.
template <class Expected, class Actual>
double relative_error(const Expected& expected, const Actual& actual) {
  double error = 0, norm = 0;
  for (Index i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual.data()[i])) return HUGE_VAL;
    const double e = double(expected.data()[i]), d = double(actual.data()[i]) - e;
    error += d * d;
    norm += e * e;
  }
  return std::sqrt(error / (norm + 1e-30));
}

/// Relative root-mean-square error, reported under the tensor's own name.
template <class A, class B, int Rank>
void require_close(const std::string& name, const Tensor<A, Rank>& expected,
                   const Tensor<B, Rank>& actual, double tolerance) {
  REQUIRE(expected.dimensions() == actual.dimensions());
  const double relative = relative_error(expected, actual);
  INFO(name << ": relative error " << relative << ", tolerance " << tolerance);
  REQUIRE(relative <= tolerance);
}

}  // namespace sluice::testing
