// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/linear_problem.hpp"
#include "support/report.hpp"

namespace sluice::bench {

namespace {

template <class Scalar, class Run>
void form(const std::string& name, Index m, Index n, const Run& run) {
  const auto body = [=](benchmark::State& s) {
    ProductProblem<Scalar> p(s.range(0), s.range(1), s.range(1));
    measure<Scalar>(s, {.flop = p.flop()}, [&] { run(p); });
  };
  row("product/" + name + scalar_name<Scalar>, body)->ArgNames({"M", "NK"})->Args({m, n});
}

}  // namespace

void register_product() {
  const auto ours = [](auto& p) { p.ours(); };
  for (const Index n : {16, 32, 64, 128, 256})
    for (const Index m : {16, 64}) {
      form<float>("sluice", m, n, ours);
      form<float>("eigen", m, n, [](auto& p) { p.eigen(); });
      form<double>("sluice", m, n, ours);
    }
}

}  // namespace sluice::bench
