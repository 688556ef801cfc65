// SPDX-License-Identifier: MIT
/// \file
/// What the language models of the Mamba family have in common.
#pragma once

#include <sluice/layers/pre_norm.hpp>
#include <sluice/models/causal_lm.hpp>

#include <string_view>

namespace sluice {

namespace detail {

struct MambaNames {
  static constexpr std::string_view backbone = "backbone", norm = "norm_f";
};

}  // namespace detail

/// A stack of mixers, each beside its input, under the names of published checkpoints.
template <Streamable Mixer>
using MambaBackbone = CausalLM<PreNorm<Mixer>, detail::MambaNames>;

}  // namespace sluice
