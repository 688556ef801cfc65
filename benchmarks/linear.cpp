// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/linear_problem.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

namespace sluice::bench {

namespace {

template <class Scalar, class Run>
benchmark::internal::Benchmark* form(const std::string& name, const Run& run,
                                     int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    LinearProblem<Scalar> p(s.range(0), s.range(1), s.range(2), threads(threads_used));
    Work w{.tokens = double(s.range(0)), .flop = p.flop(), .threads = threads_used};
    if (s.range(0) == 1) w.bytes = w.working_set = double(sizeof(Scalar)) * double(p.weight.size());
    measure<Scalar>(s, w, [&] { run(p); });
  };
  auto* b = row("linear/" + name + scalar_name<Scalar>, body, threads_used);
  b->ArgNames({"rows", "in", "out"})->Args({3072, 128, 128})->Args({3072, 128, 344});
  return b->Args({3072, 344, 128})->Args({2048, 512, 2048});
}

}  // namespace

void register_linear(int threads) {
  const auto forward = [](auto& p) { p.forward(); };
  const auto dx = [](auto& p) { p.backward_x(); };
  const auto dw = [](auto& p) { p.backward_weight(); };
  form<float>("forward", forward)->Args({1, 512, 2048});
  form<float>("forward_eigen", [](auto& p) { p.forward_eigen(); })->Args({1, 512, 2048});
  form<float>("dx", dx);
  form<float>("dweight", dw);
  form<double>("forward", forward);
  if (threads == 1) return;
  form<float>(with_threads("forward", threads), forward, threads);
  form<float>(with_threads("dx", threads), dx, threads);
  form<float>(with_threads("dweight", threads), dw, threads);
}

}  // namespace sluice::bench
