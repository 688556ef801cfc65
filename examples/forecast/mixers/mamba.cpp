// SPDX-License-Identifier: MIT
#include "../run_model.hpp"

#include <sluice/layers/mixers/mamba.hpp>

namespace forecast {

Outcome run_mamba(const Task& task, const Entry& entry) {
  using Mixer = sluice::Mamba<float>;
  Mixer::Config mixer;
  return run_model<Mixer>(task, entry, mixer);
}

}  // namespace forecast
