// SPDX-License-Identifier: MIT
/// \file
/// The block of the Mamba family: a mixer beside its input.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/rms_norm.hpp>
#include <sluice/layers/streamable.hpp>
#include <sluice/ops/arithmetic.hpp>

#include <tuple>

namespace sluice {

/// y = x + mixer(norm(x)).
template <Streamable Mixer>
struct PreNorm {
  using Scalar = typename Mixer::Scalar;
  using State = typename Mixer::State;

  RMSNorm<Scalar> norm;
  Mixer mixer;

  static constexpr auto fields() {
    return std::tuple{field("norm", &PreNorm::norm), field("mixer", &PreNorm::mixer)};
  }

  State initial_state(Index batch) const { return mixer.initial_state(batch); }

  /// x [B, T, D] -> [B, T, D].
  Variable<Scalar, 3> operator()(const Variable<Scalar, 3>& x, State& state) const {
    return x + mixer(norm(x), state);
  }
};

}  // namespace sluice
