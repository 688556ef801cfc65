// SPDX-License-Identifier: MIT
#include "../run_model.hpp"

#include <sluice/layers/mixers/retention.hpp>

namespace forecast {

Outcome run_retention(const Task& task, const Entry& entry) {
  using Mixer = sluice::Retention<float>;
  Mixer::Config mixer;
  mixer.num_heads = task.heads;
  mixer.deviation = std::sqrt(1 / (3.0 * double(task.sizes.width)));
  return run_model<Mixer>(task, entry, mixer);
}

}  // namespace forecast
