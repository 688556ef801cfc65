// SPDX-License-Identifier: MIT
/// \file
/// What a causal layer owes.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/view.hpp>

#include <concepts>

namespace sluice {

/// A causal map of sequences with its memory outside. The law: T tokens at once equal T calls with
/// one token, from the same state, to rounding.
///
/// A layer that is not causal takes no state, so it cannot be streamed by mistake.
template <class L>
concept Streamable = Visitable<L> && Visitable<typename L::State> &&
    requires(const L& layer, Variable<typename L::Scalar, 3> x, typename L::State& state) {
  { layer.initial_state(Index{1}) } -> std::same_as<typename L::State>;
  { layer(x, state) } -> std::same_as<Variable<typename L::Scalar, 3>>;
};

}  // namespace sluice
