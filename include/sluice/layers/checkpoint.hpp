// SPDX-License-Identifier: MIT
/// \file
/// Training memory traded for time.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/layers/streamable.hpp>

namespace sluice {

/// y = block(x, state), of which a recording tape keeps only x, the state and y: the way back runs
/// the block again. A deep stack then trains in the memory of one block, and of what lies between
/// two, at the cost of one more forward pass; the gradients are the same to rounding.
///
/// \param block  any layer; it and `state` must outlive the pass.
///
/// Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016 (arXiv:1604.06174).
template <Streamable Block>
Variable<typename Block::Scalar, 3> checkpoint(const Block& block,
                                               const Variable<typename Block::Scalar, 3>& x,
                                               typename Block::State& state) {
  return x.tape->recompute(state, [&block, x, &state] { return block(x, state); });
}

}  // namespace sluice
