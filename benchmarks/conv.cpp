// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/conv/backward.hpp>
#include <sluice/kernels/conv/forward.hpp>

namespace sluice::bench {

namespace {

struct ConvShape {
  Index B, T, D, W;
  double tokens() const { return double(B * T); }
};

/// As a Mamba block uses it: with bias, and silu behind it.
struct ConvProblem {
  Tensor<float, 3> x, y, state, dy, dx, dstate;
  Tensor<float, 2> weight, dweight;
  Tensor<float, 1> bias, dbias;
  Arena arena;
  Workspace workspace;

  ConvProblem(const ConvShape& s, Executor executor)
      : x(s.B, s.T, s.D),
        y(s.B, s.T, s.D),
        state(s.B, s.W - 1, s.D),
        dy(s.B, s.T, s.D),
        dx(s.B, s.T, s.D),
        dstate(s.B, s.W - 1, s.D),
        weight(s.D, s.W),
        dweight(s.D, s.W),
        bias(s.D),
        dbias(s.D),
        workspace(executor, &arena) {
    Rng rng(1);
    for (auto* t : {&x, &dy, &state}) fill_uniform(*t, rng, -1.f, 1.f);
    fill_uniform(weight, rng, -0.5f, 0.5f);
    bias.setZero(), dbias.setZero(), dweight.setZero(), dstate.setZero();
  }

  conv::Inputs<float> inputs() const {
    return {.x = x, .weight = weight, .bias = bias, .activation = Activation::silu};
  }
  void forward() { conv::forward(inputs(), state, y, workspace); }
  void backward() {
    conv::backward(inputs(), state, dy, dstate, {.dx = dx, .dweight = dweight, .dbias = dbias},
                   workspace);
  }
};

/// \param streams  tensors as large as x that are read or written.
template <class Run>
void form(const std::string& name, const ConvShape& shape, int streams, const Run& run,
          int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    ConvProblem p(shape, threads(threads_used));
    Work w{.tokens = shape.tokens(), .threads = threads_used};
    if (threads_used == 1) {  // the limit is of one core
      w.bytes = 4.0 * streams * shape.tokens() * double(shape.D);
      w.working_set = w.bytes;
    }
    measure<float>(s, w, [&] { run(p); });
  };
  row("conv/" + name + "/f32", body, threads_used)
      ->ArgNames({"B", "T", "D", "W"})
      ->Args({shape.B, shape.T, shape.D, shape.W});
}

}  // namespace

void register_conv(int threads) {
  const auto forward = [](auto& p) { p.forward(); };
  const auto backward = [](auto& p) { p.backward(); };
  const ConvShape usual{1, 2048, 1536, 4};
  for (const ConvShape& shape : {usual, ConvShape{1, 64, 256, 4}}) {
    form("forward", shape, 2, forward);
    form("backward", shape, 3, backward);
  }
  form("step", {1, 1, 1536, 4}, 2, forward);
  if (threads == 1) return;
  form(with_threads("forward", threads), usual, 2, forward, threads);
  form(with_threads("backward", threads), usual, 3, backward, threads);
}

}  // namespace sluice::bench
