// SPDX-License-Identifier: MIT
#include "../run_model.hpp"

#include <sluice/layers/mixers/mamba2.hpp>

namespace forecast {

Outcome run_mamba2(const Task& task, const Entry& entry) {
  using Mixer = sluice::Mamba2<float>;
  Mixer::Config mixer;
  mixer.num_heads = task.heads;
  mixer.head_dim = 2 * task.sizes.width / task.heads;
  mixer.state_size = 16;
  return run_model<Mixer>(task, entry, mixer);
}

}  // namespace forecast
