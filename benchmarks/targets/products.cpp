// SPDX-License-Identifier: MIT
#include "../support/bursts.hpp"
#include "../support/linear_problem.hpp"
#include "../torch/peers.hpp"
#include "targets.hpp"

#include <string>
#include <vector>

namespace sluice::bench {

void target_exp(Score& score) {
  using B = simd::Batch<float, simd::DefaultArch>;
  const Index n = 2048;
  std::vector<float> x(n), y(n);
  for (Index i = 0; i < n; ++i) x[std::size_t(i)] = 8 * (float(i) / float(n) - 0.5f);
  const auto map = [&](auto f) { return [&, f] { map_span(f, x.data(), y.data(), n); }; };
  Contest c("exp, 2048 values in L1",
            map([](const B& b) SLUICE_INLINE_LAMBDA { return simd::exp(b); }), 0);
  c.speed_against("xsimd::exp", map([](const B& b) SLUICE_INLINE_LAMBDA { return xsimd::exp(b); }),
                  1.6);
  c.run(score);
}

void target_product(Score& score) {
  for (const Index n : {64, 128, 256})
    for (const Index m : {Index(16), n}) {
      ProductProblem<float> p(m, n, n);
      const std::string size = std::to_string(m) + " x " + std::to_string(n) + " x ";
      Contest c(
          "product, " + size + std::to_string(n), [&] { p.ours(); }, p.flop());
      c.of_peak(0.90);
      Contest::Target against_eigen;
      if (m == 64) against_eigen = 1.7;
      if (m == 128) against_eigen = 1.4;
      c.speed_against(
          "Eigen noalias()", [&] { p.eigen(); }, against_eigen);
      c.run(score);
    }
}

void target_linear(Score& score) {
  const struct {
    Index rows, in, out;
  } sizes[] = {{3072, 128, 128}, {3072, 128, 344}, {3072, 344, 128}, {2048, 512, 2048}};
  for (const auto& n : sizes) {
    LinearProblem<float> p(n.rows, n.in, n.out);
    const std::string name = "linear layer, " + std::to_string(n.rows) + " rows, " +
                             std::to_string(n.in) + " to " + std::to_string(n.out);
    Contest c(
        name, [&] { p.forward(); }, p.flop());
    c.of_peak();
    c.speed_against(
        "Eigen x * weight^T", [&] { p.forward_eigen(); }, 1.15);
    c.speed_against("LibTorch mm", libtorch::linear(p), 1.0);
    c.run(score);
  }
  LinearProblem<float> p(3072, 128, 128);
  Contest c(
      "linear layer, 3072 rows, 128 to 128, forward, dx and dweight",
      [&] { p.forward(), p.backward_x(), p.backward_weight(); }, 3 * p.flop());
  c.of_peak(0.60);
  c.run(score);
}

}  // namespace sluice::bench
