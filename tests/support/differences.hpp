// SPDX-License-Identifier: MIT
/// \file
/// Central differences: the slope of a number by every element of a tensor, one at a time.
#pragma once

#include <sluice/core/tensor.hpp>

namespace sluice::testing {

/// (loss(x + h) - loss(x - h)) / 2h for every element of x, which `loss()` reads and which is left
/// as it was.
template <int Rank, class Loss>
Tensor<double, Rank> differences(Tensor<double, Rank>& x, const Loss& loss, double h = 1e-6) {
  Tensor<double, Rank> slope(x.dimensions());
  for (Index i = 0; i < x.size(); ++i) {
    const double old = x.data()[i];
    x.data()[i] = old + h;
    const double above = loss();
    x.data()[i] = old - h;
    slope.data()[i] = (above - loss()) / (2 * h);
    x.data()[i] = old;
  }
  return slope;
}

}  // namespace sluice::testing
