// SPDX-License-Identifier: MIT
/// \file
/// Activation functions by name, for options of layers and kernels.
#pragma once

namespace sluice {

/// An activation function chosen at run time. Formulas are in kernels/activation/functions.hpp.
enum class Activation {
  identity,
  relu,
  squared_relu,
  sigmoid,
  log_sigmoid,
  tanh,
  silu,
  gelu,
  gelu_tanh,
  elu_plus_one,  ///< the positive feature map of linear attention
  softplus
};

}  // namespace sluice
