// SPDX-License-Identifier: MIT
// A language model, trained by a step.
#include <sluice/models/language/gla_lm.hpp>
#include <sluice/ops/loss.hpp>
#include <sluice/train/adamw.hpp>

using namespace sluice;

float run(GLAForCausalLM<float>& model, AdamW<GLAForCausalLM<float>>& optimizer,
          const Tensor<std::int64_t, 2>& ids) {
  Tape<float> tape;
  auto gradient = zeros_like(model);
  auto state = model.initial_state(1);
  tape.record(model, gradient);
  const auto loss = cross_entropy(model(tape, ids, state), ids);
  tape.backward(loss);
  optimizer.step(model, gradient);
  return loss.value();
}
