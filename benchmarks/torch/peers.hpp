// SPDX-License-Identifier: MIT
/// \file
/// LibTorch's version of the same work, on one thread. Needs no header of LibTorch: where the
/// program is built without it, there are no peers.
#pragma once

#include "../support/block_problem.hpp"
#include "../support/gla_problem.hpp"
#include "../support/linear_problem.hpp"

#include <functional>
#include <string>

namespace sluice::bench::libtorch {

/// Works on the tensors of the problem, which must outlive it. Empty without LibTorch.
using Peer = std::function<void()>;

/// Which LibTorch, and on which BLAS; empty without.
std::string version();

// Each has computed the same numbers as sluice once before it is returned; else it throws a
// std::runtime_error. Where there is a choice of chunks, it is the one fastest here.
Peer linear(LinearProblem<float>& problem);
Peer gla_forward(GlaProblem<float>& problem);
Peer gla_forward_backward(GlaProblem<float>& problem);  ///< of one prepared for the backward pass
Peer block_step(BlockProblem& problem);

}  // namespace sluice::bench::libtorch
