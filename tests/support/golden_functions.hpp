// SPDX-License-Identifier: MIT
/// \file
/// Activation functions and feature maps by the names that configurations give them.
#pragma once

#include "support/golden_case.hpp"

#include <sluice/kernels/activation/functions.hpp>

#include <string>

namespace sluice::testing {

/// Calls use(f) with the function of that name.
template <class Use>
void with_function(const std::string& name, const Use& use) {
  const auto is = [&](const auto&... names) { return ((name == names) || ...); };
  if (is("silu", "swish")) return use(kernels::Silu{});
  if (is("gelu", "gelu_erf")) return use(kernels::Gelu{});
  if (is("gelu_tanh", "gelu_new", "gelu_pytorch_tanh")) return use(kernels::GeluTanh{});
  if (is("sigmoid")) return use(kernels::Sigmoid{});
  if (is("relu")) return use(kernels::Relu{});
  if (is("relu2", "squared_relu")) return use(kernels::SquaredRelu{});
  if (is("tanh")) return use(kernels::Tanh{});
  if (is("softplus")) return use(kernels::Softplus{});
  if (is("exp")) return use(kernels::Exp{});
  if (is("elu_plus_one")) return use(kernels::EluPlusOne{});
  if (is("identity", "linear", "none")) return use(kernels::Identity{});
  throw NotAvailable("there is no function " + name + " yet");
}

}  // namespace sluice::testing
