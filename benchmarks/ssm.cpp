// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/report.hpp"
#include "support/ssm_problem.hpp"
#include "support/threads.hpp"

namespace sluice::bench {

namespace {

/// One form on one shape, [B, T, D, N] from the arguments of the row.
template <class Scalar, class Run>
void form(const std::string& name, const SsmShape& shape, bool strong, bool backward,
          const Run& run, int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    SsmProblem<Scalar> p(shape, strong, threads(threads_used));
    if (backward) p.prepare_backward();
    Work w{.tokens = shape.tokens(), .threads = threads_used};
    w.elements = shape.exps();
    if (sizeof(Scalar) == 4 && threads_used == 1)
      w.exps = shape.exps();  // the limit is of one core
    measure<Scalar>(s, w, [&] { run(p); });
  };
  row("ssm/" + name + scalar_name<Scalar>, body, threads_used)
      ->ArgNames({"B", "T", "D", "N"})
      ->Args({shape.B, shape.T, shape.D, shape.N});
}

}  // namespace

void register_ssm(int threads) {
  const auto recurrent = [](auto& p) { p.recurrent(); };
  const auto forward = [](auto& p) { p.forward(); };
  const auto chunks = [](auto& p) { p.chunkwise(256); };
  const auto saving = [](auto& p) { p.saving(); };
  const auto backward = [](auto& p) { p.backward(); };
  const auto step = [](auto& p) { p.step(); };

  const SsmShape usual{1, 2048, 1536, 16}, narrow{1, 2048, 32, 16};
  const SsmShape shapes[] = {usual, {1, 64, 256, 16}, {8, 256, 256, 16}, narrow};
  for (const SsmShape& shape : shapes) {
    form<float>("recurrent", shape, false, false, recurrent);
    form<float>("forward", shape, false, false, forward);
    form<float>("forward_saving", shape, false, true, saving);
    form<float>("backward", shape, false, true, backward);
  }
  form<float>("forward_strong_dt", usual, true, false, forward);
  form<float>("backward_strong_dt", usual, true, true, backward);
  form<float>("step", {1, 1, 1536, 16}, false, false, step);
  form<double>("forward", usual, false, false, forward);
  form<double>("backward", usual, false, true, backward);
  form<double>("step", {1, 1, 1536, 16}, false, false, step);

  if (threads == 1) return;
  form<float>(with_threads("forward", threads), usual, false, false, forward, threads);
  form<float>(with_threads("chunks_of_256", threads), narrow, false, false, chunks, threads);
  form<float>(with_threads("backward", threads), usual, false, true, backward, threads);
}

}  // namespace sluice::bench
