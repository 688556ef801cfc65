// SPDX-License-Identifier: MIT
#include "../rows.hpp"

#include "../support/report.hpp"
#include "peers.hpp"

namespace sluice::bench {

namespace {

GlaShape gla_shape(const benchmark::State& s) {
  return {1, s.range(0), s.range(1), s.range(2), s.range(3)};
}

void linear(benchmark::State& s) {
  LinearProblem<float> p(s.range(0), s.range(1), s.range(2));
  measure<float>(s, {.tokens = double(s.range(0)), .flop = p.flop()}, libtorch::linear(p));
}

void gla_forward(benchmark::State& s) {
  const GlaShape shape = gla_shape(s);
  GlaProblem<float> p(shape);
  measure<float>(s, {.tokens = shape.tokens(), .flop = shape.forward_flop()},
                 libtorch::gla_forward(p));
}

void gla_both(benchmark::State& s) {
  const GlaShape shape = gla_shape(s);
  GlaProblem<float> p(shape);
  p.prepare_backward();
  measure<float>(s,
                 {.tokens = shape.tokens(), .flop = shape.forward_flop() + shape.backward_flop()},
                 libtorch::gla_forward_backward(p));
}

void block(benchmark::State& s) {
  const BlockShape shape{.B = s.range(0), .T = s.range(1)};
  BlockProblem p(shape);
  measure<float>(s, {.tokens = shape.tokens(), .flop = shape.step_flop()}, libtorch::block_step(p));
}

}  // namespace

void register_torch() {
  if (libtorch::version().empty()) return;
  row("linear/forward_torch/f32", linear)
      ->ArgNames({"rows", "in", "out"})
      ->Args({3072, 128, 128})
      ->Args({3072, 128, 344})
      ->Args({3072, 344, 128})
      ->Args({2048, 512, 2048});
  for (const auto& [name, body] : {std::pair{"gla/chunkwise_torch/f32", &gla_forward},
                                   std::pair{"gla/forward_backward_torch/f32", &gla_both}})
    row(name, body)
        ->ArgNames({"T", "H", "K", "V"})
        ->Args({2048, 8, 64, 64})
        ->Args({2048, 4, 128, 128});
  row("block/training_step_torch/f32", block)
      ->ArgNames({"B", "T"})
      ->Args({32, 96})
      ->Args({32, 336});
}

}  // namespace sluice::bench
