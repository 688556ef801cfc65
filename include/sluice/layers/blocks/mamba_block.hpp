// SPDX-License-Identifier: MIT
/// \file
/// The block of the Mamba family: a mixer beside its input.
#pragma once

#include <sluice/layers/blocks/branch.hpp>
#include <sluice/layers/norms/rms_norm.hpp>

#include <string_view>

namespace sluice {

struct MambaNames {
  static constexpr std::string_view norm = "norm", inner = "mixer", gate = "gate";
};

/// y = x + mixer(norm(x)).
template <class Mixer>
using MambaBlock = Branch<RMSNorm<typename Mixer::Scalar>, Mixer, Add, MambaNames>;

}  // namespace sluice
