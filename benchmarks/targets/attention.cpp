// SPDX-License-Identifier: MIT
#include "contest.hpp"
#include "targets.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/attention.hpp>

#include <string>
#include <utility>

namespace sluice::bench {

namespace {

/// Causal attention of a sequence with itself: 8 heads of 64.
struct AttentionProblem {
  static constexpr Index heads = 8, width = 64;

  Index T;
  Tensor<float, 4> q, k, v, o, dout, dq, dk, dv;
  Tensor<float, 3> lse;
  Arena arena;

  explicit AttentionProblem(Index tokens) : T(tokens), lse(1, heads, tokens) {
    Rng rng(1);
    for (auto* x : {&q, &k, &v, &o, &dout, &dq, &dk, &dv}) {
      x->resize(1, T, heads, width);
      fill_normal(*x, rng, 1.f);
    }
    forward();
  }
  attention::Inputs<float> inputs() const { return {.q = q, .k = k, .v = v, .causal = true}; }
  Workspace workspace() { return {Executor{}, &arena}; }
  void forward() { attention::forward(inputs(), 0.125, o, workspace(), lse); }
  void backward() {
    attention::backward(inputs(), 0.125, o, lse, dout, {.dq = dq, .dk = dk, .dv = dv}, workspace());
  }
  /// The half of all pairs that is seen, two products forward and five backward.
  double forward_flop() const { return 2. * double(heads * T * (T + 1) * width); }
  double backward_flop() const { return 2.5 * forward_flop(); }
};

}  // namespace

void target_attention(Score& score) {
  for (const auto& [T, of_peak] :
       {std::pair<Index, Contest::Target>{256, 0.48}, {1024, 0.60}, {4096, {}}}) {
    AttentionProblem p(T);
    const std::string sizes = ", causal, T " + std::to_string(T) + ", 8 heads of 64";
    Contest forward(
        "attention forward" + sizes, [&] { p.forward(); }, p.forward_flop());
    forward.of_peak(of_peak);
    forward.run(score);
    Contest backward(
        "attention backward" + sizes, [&] { p.backward(); }, p.backward_flop());
    backward.of_peak();
    backward.time_against(
        "its own forward pass", [&] { p.forward(); }, 2.6);
    backward.run(score);
  }
}

}  // namespace sluice::bench
