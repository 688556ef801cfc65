// SPDX-License-Identifier: MIT
// One layer, read and trained.
#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/ops/loss.hpp>

using namespace sluice;

float run(const GatedLinearAttention<float>& layer, GatedLinearAttention<float>& gradient,
          const Tensor<float, 3>& x) {
  Tape<float> tape;
  auto state = layer.initial_state(1);
  tape.record(layer, gradient);
  const auto loss = mean_squared_error(layer(tape.input(x), state), x);
  tape.backward(loss);
  return loss.value();
}
