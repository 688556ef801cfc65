// SPDX-License-Identifier: MIT
#include "../support/block_problem.hpp"

#include "../torch/peers.hpp"
#include "targets.hpp"

#include <string>

namespace sluice::bench {

void target_block(Score& score) {
  for (const Index T : {96, 336}) {
    const BlockShape shape{.T = T};
    BlockProblem p(shape);
    Contest c(
        "training step of a GLA block, batch 32, T " + std::to_string(T), [&] { p.step(); },
        shape.step_flop());
    c.of_peak();
    c.time_against("forward without gradients", [&] { p.forward(); });
    c.speed_against("LibTorch, autograd", libtorch::block_step(p), 2.3);
    c.run(score);
  }
}

}  // namespace sluice::bench
