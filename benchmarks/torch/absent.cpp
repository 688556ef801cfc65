// SPDX-License-Identifier: MIT
#include "peers.hpp"

namespace sluice::bench::libtorch {

std::string version() { return {}; }
Peer linear(LinearProblem<float>&) { return {}; }
Peer gla_forward(GlaProblem<float>&) { return {}; }
Peer gla_forward_backward(GlaProblem<float>&) { return {}; }
Peer block_step(BlockProblem&) { return {}; }

}  // namespace sluice::bench::libtorch
