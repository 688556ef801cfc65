// SPDX-License-Identifier: MIT
// For two sources that are compiled for two instruction sets: the same text, two functions.
#pragma once

#include <sluice/core/tensor.hpp>
#include <sluice/kernels/gla/recurrent.hpp>

using Output = sluice::Tensor<float, 4>;  // Eigen's, whatever the namespace is called

/// The output of a small recurrence [1, 9, 2, 7].
static Output recurrence() {
  sluice::Tensor<float, 4> q(1, 9, 2, 5), k(1, 9, 2, 5), v(1, 9, 2, 7), g(1, 9, 2, 5);
  sluice::Tensor<float, 4> o(1, 9, 2, 7), state(1, 2, 5, 7);
  for (sluice::Index i = 0; i < q.size(); ++i) {
    q.data()[i] = float(i % 7) - 3, k.data()[i] = float(i % 5) - 2;
    g.data()[i] = -0.1f * float(i % 3);
  }
  for (sluice::Index i = 0; i < v.size(); ++i) v.data()[i] = float(i % 11) - 5;
  state.setZero();
  sluice::gla::recurrent({.q = q, .k = k, .v = v, .g = g}, 0.1f, state, o);
  return o;
}
