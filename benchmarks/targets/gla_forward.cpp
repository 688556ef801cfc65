// SPDX-License-Identifier: MIT
#include "../support/eigen_gla.hpp"
#include "../torch/peers.hpp"
#include "gla.hpp"
#include "targets.hpp"

#include <sluice/parallel/thread_team.hpp>

#include <thread>

namespace sluice::bench {

namespace {

void prefill(const GlaShape& shape, double of_peak, Score& score) {
  GlaProblem<float> p(shape);
  Contest c(
      title("forward", shape), [&] { p.blocked(); }, shape.forward_flop());
  c.of_peak(of_peak);
  c.speed_against(
      "one token at a time", [&] { p.recurrent(); }, 1.4);
  c.speed_against("our own chunkwise form", [&] { p.chunkwise(32); });
  c.speed_against("Eigen, chunkwise", eigen_gla(p), 2.3);
  c.speed_against("LibTorch, chunkwise", libtorch::gla_forward(p), 4);
  c.run(score);
}

/// Against the peak alone.
void efficiency(const GlaShape& shape, Contest::Target of_peak, Score& score) {
  GlaProblem<float> p(shape);
  Contest c(
      title("forward", shape), [&] { p.blocked(); }, shape.forward_flop());
  c.of_peak(of_peak);
  c.run(score);
}

}  // namespace

void target_gla_forward(Score& score) {
  prefill(usual_heads, 0.30, score);
  prefill(heads_of(4, 128), 0.38, score);
  efficiency(heads_of(8, 64, 64), 0.45, score);  // all in cache
  for (const GlaShape& narrow : narrow_heads) efficiency(narrow, {}, score);

  GlaProblem<float> mild(usual_heads);
  for (const double decay : strong_decays) {
    GlaProblem<float> strong(usual_heads, {.decay = decay});
    Contest c(
        title("forward", usual_heads, decay), [&] { strong.blocked(); },
        usual_heads.forward_flop());
    c.time_against(
        "mild decay", [&] { mild.blocked(); }, 1.4);
    c.run(score);
  }
}

void target_gla_threads(Score& score) {
  if (std::thread::hardware_concurrency() < 2) return;
  ThreadTeam team(2);
  for (const GlaShape& shape : {usual_heads, heads_of(4, 128)}) {
    GlaProblem<float> one(shape), two(shape, {}, team);
    Contest c(
        title("forward", shape) + ", two threads", [&] { two.blocked(); }, shape.forward_flop(),
        Clock::wall);
    c.speed_against(
        "one thread, both cores free", [&] { one.blocked(); }, 1.6);
    c.run(score);
  }
}

}  // namespace sluice::bench
