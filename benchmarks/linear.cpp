// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/linear_problem.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

namespace sluice::bench {

namespace {

template <class Scalar, class Run>
void form(const std::string& name, const Run& run, int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    LinearProblem<Scalar> p(s.range(0), s.range(1), s.range(2), threads(threads_used));
    measure<Scalar>(s, {.tokens = double(s.range(0)), .flop = p.flop(), .threads = threads_used},
                    [&] { run(p); });
  };
  auto* b = row("linear/" + name + scalar_name<Scalar>, body, threads_used);
  b->ArgNames({"rows", "in", "out"});
  b->Args({3072, 128, 128})->Args({3072, 128, 344})->Args({3072, 344, 128});
  b->Args({2048, 512, 2048})->Args({1, 512, 2048});
}

}  // namespace

void register_linear(int threads) {
  const auto forward = [](auto& p) { p.forward(); };
  const auto dx = [](auto& p) { p.backward_x(); };
  const auto dw = [](auto& p) { p.backward_weight(); };
  form<float>("forward", forward);
  form<float>("forward_eigen", [](auto& p) { p.forward_eigen(); });
  form<float>("dx", dx);
  form<float>("dweight", dw);
  form<double>("forward", forward);
  if (threads == 1) return;
  const std::string all_threads = "_" + std::to_string(threads) + "_threads";
  form<float>("forward" + all_threads, forward, threads);
  form<float>("dx" + all_threads, dx, threads);
  form<float>("dweight" + all_threads, dw, threads);
}

}  // namespace sluice::bench
