// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/eigen_gla.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

#include <limits>

namespace sluice::bench {

namespace {

/// One form on one kind of problem, [B = 1, T, H, K, V] from the arguments of the row.
template <class Scalar, class Run>
void form(const std::string& name, const GlaKind& kind, const std::vector<GlaShape>& shapes,
          bool backward, const Run& run, int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    const GlaShape shape{1, s.range(0), s.range(1), s.range(2), s.range(3)};
    GlaProblem<Scalar> p(shape, kind, threads(threads_used));
    if (backward) p.prepare_backward();
    Work w{.tokens = shape.tokens(), .threads = threads_used};
    w.flop = backward ? shape.backward_flop() : shape.forward_flop();
    if (shape.T == 1) {  // too little arithmetic for a state that is read and written once
      w.working_set = double(sizeof(Scalar)) * shape.state_size();
      w.bytes = 2 * w.working_set;
    }
    measure<Scalar>(s, w, [&] { run(p); });
  };
  auto* b = row("gla/" + name + scalar_name<Scalar>, body, threads_used);
  b->ArgNames({"T", "H", "K", "V"});
  for (const GlaShape& n : shapes) b->Args({n.T, n.H, n.K, n.V});
}

/// The same work, and nearly the same form, in Eigen.
void rival(const GlaShape& shape) {
  const auto body = [=](benchmark::State& s) {
    GlaProblem<float> p(shape);
    measure<float>(s, {.tokens = shape.tokens(), .flop = shape.forward_flop()}, eigen_gla(p));
  };
  row("gla/chunkwise_eigen/f32", body)
      ->ArgNames({"T", "H", "K", "V"})
      ->Args({shape.T, shape.H, shape.K, shape.V});
}

GlaShape square(Index T, Index H, Index D) { return {1, T, H, D, D}; }

}  // namespace

void register_gla(int threads) {
  const auto recurrent = [](auto& p) { p.recurrent(); };
  const auto blocked = [](auto& p) { p.blocked(); };
  const auto chunkwise = [](auto& p) { p.chunkwise(32); };
  const auto saving = [](auto& p) { p.saving(); };
  const auto backward = [](auto& p) { p.backward(); };
  const auto step = [](auto& p) { p.step(); };

  const std::vector<GlaShape> wide{square(2048, 8, 64), square(2048, 4, 128), square(2048, 16, 64),
                                   square(2048, 4, 64)};
  std::vector<GlaShape> all = wide;
  all.insert(all.end(), {square(2048, 16, 32), square(2048, 32, 16), GlaShape{1, 2048, 8, 16, 32},
                         GlaShape{1, 2048, 8, 32, 16}, square(64, 8, 64), square(64, 4, 128)});

  for (const GlaShape& shape : all) {  // the forms of one shape stand side by side
    form<float>("recurrent", {}, {shape}, false, recurrent);
    form<float>("chunkwise", {}, {shape}, false, chunkwise);
    rival(shape);
    form<float>("blocked", {}, {shape}, false, blocked);
    form<float>("blocked_saving", {}, {shape}, false, saving);
    form<float>("backward", {}, {shape}, true, backward);
  }
  form<float>("step", {}, {square(1, 8, 64), square(1, 4, 128), square(1, 16, 64)}, false, step);

  const std::vector<GlaShape> one{square(2048, 8, 64)};
  const double infinity = std::numeric_limits<double>::infinity();
  const std::pair<const char*, GlaKind> kinds[] = {
      {"_decay_120", {.decay = -120}},
      {"_decay_infinite", {.decay = -infinity}},
      {"_scalar_gate", {.gate = gla::GateKind::scalar}},
      {"_no_gate", {.gate = gla::GateKind::none}},
      {"_bonus", {.bonus = true}}};
  for (const auto& [name, kind] : kinds) {
    form<float>(std::string("blocked") + name, kind, one, false, blocked);
    form<float>(std::string("backward") + name, kind, one, true, backward);
  }
  form<double>("recurrent", {}, one, false, recurrent);
  form<double>("blocked", {}, one, false, blocked);
  form<double>("backward", {}, one, true, backward);

  if (threads == 1) return;
  for (const GlaShape& shape : wide) {
    form<float>(with_threads("blocked", threads), {}, {shape}, false, blocked, threads);
    form<float>(with_threads("chunkwise", threads), {}, {shape}, false, chunkwise, threads);
    form<float>(with_threads("backward", threads), {}, {shape}, true, backward, threads);
  }
}

}  // namespace sluice::bench
