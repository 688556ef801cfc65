// SPDX-License-Identifier: MIT
// One kernel family, forward and backward.
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/gla/backward.hpp>
#include <sluice/kernels/gla/forward.hpp>

using namespace sluice;

void run(const gla::Inputs<float>& in, Tensor<float, 4>& state, Tensor<float, 4>& o,
         Tensor<float, 4>& saved, const gla::Gradients<float>& gradients) {
  gla::forward(in, 1, state, o, {}, saved);
  gla::backward(in, 1, saved, o, state, gradients);
}
