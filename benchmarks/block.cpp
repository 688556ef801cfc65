// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/block_problem.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

namespace sluice::bench {

namespace {

template <class Run>
void form(const std::string& name, double share_of_step, const Run& run, int threads_used = 1) {
  const auto body = [=](benchmark::State& s) {
    const BlockShape shape{.T = s.range(1)};
    BlockProblem p(shape, threads(threads_used));
    measure<float>(s,
                   {.tokens = shape.tokens(),
                    .flop = share_of_step * shape.step_flop(),
                    .threads = threads_used},
                   [&] { run(p); });
  };
  row("block/" + name + "/f32", body, threads_used)
      ->ArgNames({"B", "T"})
      ->Args({32, 96})
      ->Args({32, 336});
}

}  // namespace

void register_block(int threads) {
  const auto step = [](auto& p) { p.step(); };
  form("training_step", 1, step);
  if (threads > 1) form(with_threads("training_step", threads), 1, step, threads);
}

}  // namespace sluice::bench
