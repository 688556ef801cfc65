// SPDX-License-Identifier: MIT
/// \file
/// A training step of one GLA block: norm, mixer, norm, SwiGLU, forward and backward.
#pragma once

#include <sluice/core/random.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/models/language/gla_lm.hpp>

namespace sluice::bench {

struct BlockShape {
  Index B = 32, T = 96, width = 128, heads = 2, hidden = 344, rank = 16;

  double tokens() const { return double(B * T); }
  /// Weights of all products: q, k, v, gate, output; the gate of low rank; SwiGLU.
  double weights() const {
    return double(5 * width * width + 2 * width * rank + 3 * width * hidden);
  }
  /// Three products for every weight and token, and 4KV + 10KV a head and token.
  double step_flop() const {
    return tokens() * (6 * weights() + 14 * double(width * width) / double(heads));
  }
};

struct BlockProblem {
  BlockShape shape;
  Rng rng{1};
  GLABlock<float> block;
  GLABlock<float> gradient;
  Tensor<float, 3> x, dx, dy;
  GLABlock<float>::State zero, state;
  Tape<float> tape;

  explicit BlockProblem(const BlockShape& s, Executor executor = {})
      : shape(s),
        block(transformer_block<GatedLinearAttention<float>>(mixer(s), s.hidden, rng)),
        gradient(zeros_like(block)),
        x(s.B, s.T, s.width),
        dx(zeros<float>(Shape<3>{s.B, s.T, s.width})),
        dy(s.B, s.T, s.width),
        zero(block.initial_state(s.B)),
        state(zero),
        tape(executor) {
    fill_uniform(x, rng, -1.f, 1.f);
    fill_uniform(dy, rng, -1.f, 1.f);
  }

  static GatedLinearAttentionConfig mixer(const BlockShape& s) {
    GatedLinearAttentionConfig c;
    c.width = s.width, c.num_heads = s.heads, c.expand_k = 1, c.expand_v = 1;
    c.gate_low_rank_dim = s.rank;
    return c;
  }

  void forward() {
    state = zero;
    tape.start();
    block(tape.input(View<const float, 3>(x)), state);
  }

  /// Forward, then back to every weight and to x.
  void step() {
    state = zero;
    tape.record(block, gradient);
    const auto y = block(tape.input(View<const float, 3>(x), View<float, 3>(dx)), state);
    std::copy_n(dy.data(), dy.size(), y.gradient.data());
    tape.backward();
  }
};

}  // namespace sluice::bench
