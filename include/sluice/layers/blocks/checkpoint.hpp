// SPDX-License-Identifier: MIT
/// \file
/// Training memory traded for time.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/layers/layer.hpp>

namespace sluice {

/// y = block(x, state, conditions...), of which a recording tape keeps only x, the state and y: the
/// way back runs the block again, with the same random draws. A deep stack then trains in the
/// memory of one block, and of what lies between two, at the cost of one more forward pass; the
/// gradients are the same to rounding.
///
/// \param block  any layer; it and `state` must outlive the pass.
/// \throws ArgumentError  if the block changes the sizes of its state.
///
/// Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016 (arXiv:1604.06174).
template <class Block, int R, class State, class... Conditions>
Variable<typename Block::Scalar, R> checkpoint(const Block& block,
                                               const Variable<typename Block::Scalar, R>& x,
                                               State& state, const Conditions&... conditions) {
  return x.tape->recompute(state, [&block, x, &state, conditions...] {
    return Variable<typename Block::Scalar, R>(call(block, x, state, conditions...));
  });
}
template <class Block, int R, class State, class... Conditions>
void checkpoint(const Block&& block, const Variable<typename Block::Scalar, R>& x, State& state,
                const Conditions&... conditions) = delete;  // would dangle

}  // namespace sluice
