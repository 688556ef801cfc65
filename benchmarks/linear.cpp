// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/linear_problem.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

namespace sluice::bench {

namespace {

struct Size {
  Index rows, in, out;
};

template <class Scalar, class Run>
void form(const std::string& name, const Size& n, const Run& run, int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    LinearProblem<Scalar> p(n.rows, n.in, n.out, threads(threads_used));
    Work w{.tokens = double(n.rows), .flop = p.flop(), .threads = threads_used};
    if (n.rows == 1) w.bytes = w.working_set = double(sizeof(Scalar)) * double(p.weight.size());
    measure<Scalar>(s, w, [&] { run(p); });
  };
  row("linear/" + name + scalar_name<Scalar>, body, threads_used)
      ->ArgNames({"rows", "in", "out"})
      ->Args({n.rows, n.in, n.out});
}

}  // namespace

void register_linear(int threads) {
  const auto forward = [](auto& p) { p.forward(); };
  const auto eigen = [](auto& p) { p.forward_eigen(); };
  const auto dx = [](auto& p) { p.backward_x(); };
  const auto dw = [](auto& p) { p.backward_weight(); };
  for (const Size& n :
       {Size{3072, 128, 128}, {3072, 128, 344}, {3072, 344, 128}, {2048, 512, 2048}}) {
    form<float>("forward", n, forward);
    form<float>("forward_eigen", n, eigen);
    form<float>("dx", n, dx);
    form<float>("dweight", n, dw);
    form<double>("forward", n, forward);
    if (threads == 1) continue;
    form<float>(with_threads("forward", threads), n, forward, threads);
    form<float>(with_threads("dx", threads), n, dx, threads);
    form<float>(with_threads("dweight", threads), n, dw, threads);
  }
  const Size step{1, 512, 2048};
  form<float>("forward", step, forward);
  form<float>("forward_eigen", step, eigen);
}

}  // namespace sluice::bench
