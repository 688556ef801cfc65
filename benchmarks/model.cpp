// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/model_problem.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

namespace sluice::bench {

namespace {

template <class Make>
void rows_of(const std::string& name, const Make& make, int threads_used) {
  const auto decode = [=](benchmark::State& s) {
    const auto model = make();
    const auto text = random_text(s.range(0), model.vocabulary());
    Stream stream(model, threads(threads_used));
    stream.read(text);
    Work w{.tokens = 1, .threads = threads_used};
    if (threads_used == 1) w.reads = bytes_of_weights(model);  // the limit is of one core
    measure<float>(s, w, [&] { stream.step(7); });
  };
  const auto prefill = [=](benchmark::State& s) {
    const auto model = make();
    const auto text = random_text(s.range(0), model.vocabulary());
    Stream stream(model, threads(threads_used));
    const double tokens = double(text.size());
    measure<float>(
        s, {.tokens = tokens, .flop = tokens * prefill_flop(model), .threads = threads_used},
        [&] { stream.read(text); });
  };
  const auto form = [&](const std::string& what, const auto& body) {
    const auto full = threads_used == 1 ? what : with_threads(what, threads_used);
    return row("model/" + name + "/" + full + "/f32", body, threads_used);
  };
  form("decode", decode)->ArgName("context")->Arg(1000);
  form("prefill", prefill)->ArgName("T")->Arg(512);
}

}  // namespace

void register_model(int threads) {
  rows_of("mamba_130m", mamba_130m, 1);
  rows_of("mamba2_130m", mamba2_130m, 1);
  if (threads > 1) rows_of("mamba_130m", mamba_130m, threads);
}

}  // namespace sluice::bench
