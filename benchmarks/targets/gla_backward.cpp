// SPDX-License-Identifier: MIT
#include "../torch/peers.hpp"
#include "gla.hpp"
#include "targets.hpp"

namespace sluice::bench {

namespace {

/// Ready for the backward pass.
struct Problem : GlaProblem<float> {
  explicit Problem(const GlaShape& s, const GlaKind& what = {}) : GlaProblem<float>(s, what) {
    prepare_backward();
  }
};

void backward(const GlaShape& shape, Contest::Target of_peak, Contest::Target times_forward,
              Score& score) {
  Problem p(shape);
  Contest c(
      title("backward", shape), [&] { p.backward(); }, shape.backward_flop());
  c.of_peak(of_peak);
  c.time_against(
      "its own forward pass", [&] { p.blocked(); }, times_forward);
  c.run(score);
}

void both_passes(const GlaShape& shape, double times_torch, Score& score) {
  Problem p(shape);
  const auto rival = libtorch::gla_forward_backward(p);
  if (!rival) return;
  Contest c(
      title("forward and backward", shape), [&] { p.saving(), p.backward(); },
      shape.forward_flop() + shape.backward_flop());
  c.speed_against("LibTorch, chunkwise by autograd", rival, times_torch);
  c.run(score);
}

}  // namespace

void target_gla_backward(Score& score) {
  backward(usual_heads, 0.28, 3.3, score);
  backward(heads_of(4, 128), 0.38, 3.0, score);
  backward(heads_of(16, 64), {}, 3.7, score);
  backward(heads_of(4, 64), {}, 3.3, score);
  for (const GlaShape& narrow : narrow_heads) backward(narrow, {}, {}, score);

  Problem mild(usual_heads);
  for (const double decay : strong_decays) {
    Problem strong(usual_heads, {.decay = decay});
    Contest c(
        title("backward", usual_heads, decay), [&] { strong.backward(); },
        usual_heads.backward_flop());
    c.time_against(
        "mild decay", [&] { mild.backward(); }, 1.6);
    c.run(score);
  }
  both_passes(usual_heads, 4, score);
  both_passes(heads_of(4, 128), 3.2, score);
}

}  // namespace sluice::bench
