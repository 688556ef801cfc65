// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/linear_problem.hpp"
#include "support/report.hpp"

namespace sluice::bench {

namespace {

template <class Scalar, class Run>
void form(const std::string& name, const Run& run) {
  const auto body = [=](benchmark::State& s) {
    ProductProblem<Scalar> p(s.range(0), s.range(1), s.range(1));
    measure<Scalar>(s, {.flop = p.flop()}, [&] { run(p); });
  };
  auto* b = row("product/" + name + scalar_name<Scalar>, body);
  b->ArgNames({"M", "NK"});
  for (const Index n : {16, 32, 64, 128, 256})
    for (const Index m : {16, 64}) b->Args({m, n});
}

}  // namespace

void register_product() {
  const auto ours = [](auto& p) { p.ours(); };
  form<float>("sluice", ours);
  form<float>("eigen", [](auto& p) { p.eigen(); });
  form<double>("sluice", ours);
}

}  // namespace sluice::bench
