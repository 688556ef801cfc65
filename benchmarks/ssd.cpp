// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

#include <sluice/core/random.hpp>
#include <sluice/ops/state_space_duality.hpp>

#include <cmath>
#include <tuple>

namespace sluice::bench {

namespace {

/// Sizes of a Mamba-2 mixer: H heads of P channels, N states, G groups of heads that share B and C.
struct SsdShape {
  Index T, H, P, N, G;

  double tokens() const { return double(T); }
  /// As for gated linear attention, which it is.
  double forward_flop() const { return 4 * tokens() * double(H * P * N); }
  double backward_flop() const { return 10 * tokens() * double(H * P * N); }
};

struct SsdParameters {
  Tensor<float, 1> A_log, dt_bias;
  static constexpr auto fields() {
    return std::tuple{field("A_log", &SsdParameters::A_log),
                      field("dt_bias", &SsdParameters::dt_bias)};
  }
};

/// The whole operation: step sizes, decays, recurrence.
struct SsdProblem {
  SsdShape shape;
  SsdParameters parameters, gradient;
  Tensor<float, 4> x, B, C, state, dx, dB, dC, dy;
  Tensor<float, 3> dt, ddt;
  Tape<float> tape;

  SsdProblem(const SsdShape& s, Executor executor)
      : shape(s),
        parameters{Tensor<float, 1>(s.H), Tensor<float, 1>(s.H)},
        gradient(zeros_like(parameters)),
        x(1, s.T, s.H, s.P),
        B(1, s.T, s.G, s.N),
        C(1, s.T, s.G, s.N),
        state(1, s.H, s.N, s.P),
        dx(1, s.T, s.H, s.P),
        dB(1, s.T, s.G, s.N),
        dC(1, s.T, s.G, s.N),
        dy(1, s.T, s.H, s.P),
        dt(1, s.T, s.H),
        ddt(1, s.T, s.H),
        tape(executor) {
    Rng rng(1);
    for (auto* t : {&x, &B, &C, &dy}) fill_uniform(*t, rng, -1.f, 1.f);
    for (auto* t : {&dx, &dB, &dC}) t->setZero();
    fill_uniform(dt, rng, -1.f, 1.f);
    ddt.setZero(), state.setZero();
    fill_uniform(parameters.A_log, rng, 0.f, 2.7f);
    parameters.dt_bias.setConstant(-4);  // steps near 0.02
  }

  Variable<float, 4> run() {
    const auto in = [&](const auto& value, auto& to) { return tape.input(View(value), View(to)); };
    return state_space_duality(in(x, dx), in(dt, ddt), parameters.A_log, in(B, dB), in(C, dC),
                               state, {.dt_bias = parameters.dt_bias});
  }
  void forward() {
    tape.start();
    run();
  }
  void step() {
    tape.record(parameters, gradient);
    const auto y = run();
    std::copy_n(dy.data(), dy.size(), y.gradient.data());
    tape.backward();
  }
};

template <class Run>
void form(const std::string& name, const SsdShape& shape, double flop, const Run& run,
          int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    SsdProblem p(shape, threads(threads_used));
    Work w{.tokens = shape.tokens(), .flop = flop, .threads = threads_used};
    if (shape.T == 1) {  // too little arithmetic for a state that is read and written once
      w.working_set = 4 * double(shape.H * shape.N * shape.P);
      w.bytes = 2 * w.working_set;
    }
    measure<float>(s, w, [&] { run(p); });
  };
  row("ssd/" + name + "/f32", body, threads_used)
      ->ArgNames({"T", "H", "P", "N", "G"})
      ->Args({shape.T, shape.H, shape.P, shape.N, shape.G});
}

}  // namespace

void register_ssd(int threads) {
  const auto forward = [](auto& p) { p.forward(); };
  const auto step = [](auto& p) { p.step(); };
  const SsdShape usual{2048, 24, 64, 128, 1}, one{1, 24, 64, 128, 1};
  const double both = usual.forward_flop() + usual.backward_flop();
  form("forward", usual, usual.forward_flop(), forward);
  form("forward_backward", usual, both, step);
  form("step", one, one.forward_flop(), forward);
  if (threads == 1) return;
  form(with_threads("forward", threads), usual, usual.forward_flop(), forward, threads);
  form(with_threads("forward_backward", threads), usual, both, step, threads);
}

}  // namespace sluice::bench
