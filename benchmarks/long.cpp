// SPDX-License-Identifier: MIT
#include "long.hpp"

#include "rows.hpp"
#include "support/model_problem.hpp"
#include "support/report.hpp"
#include "support/threads.hpp"

#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/layers/blocks/mamba_block.hpp>
#include <sluice/layers/blocks/transformer_block.hpp>
#include <sluice/models/stream.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace sluice::bench {

namespace {

/// Megabytes that the program has in memory; 0 where the system does not tell.
double megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stod(line.substr(6)) / 1024;
  return 0;
}

/// What a token takes at some place of a long sequence.
struct Mark {
  Index tokens;       ///< read so far
  double read, step;  ///< seconds: together with many others, and alone
  double megabytes;   ///< of the program
};

constexpr Index width = 256, million = 1'000'000;

TransformerBlock<GatedLinearAttention<float>> gla_block() {
  Rng rng(1);
  GatedLinearAttentionConfig c;
  c.width = width, c.num_heads = 4;
  return transformer_block<GatedLinearAttention<float>>(c, 2 * width, rng);
}

MambaBlock<Mamba<float>> mamba_block() {
  Rng rng(1);
  MambaConfig c;
  c.width = width;
  return {RMSNorm<float>(width), Mamba<float>(c, rng)};
}

/// Reads one sequence piece by piece and looks at 1 K, 10 K, ... tokens.
template <class Block>
std::vector<Mark> read_long(const Block& block) {
  constexpr Index piece = 1000;
  constexpr int looks = 5, steps = 100;
  Tensor<float, 3> x(1, piece, width), one(1, 1, width);
  Rng rng(3);
  fill_uniform(x, rng, -1.f, 1.f);
  fill_uniform(one, rng, -1.f, 1.f);
  Stream stream(block, width);
  {
    auto warm = stream;
    warm.read(x, piece);
  }
  std::vector<Mark> marks;
  for (Index t = piece, next = piece; t <= million; t += piece) {
    const double begin = now(Clock::thread);
    stream.read(x, piece);
    const double read = (now(Clock::thread) - begin) / double(piece);
    if (t != next) continue;
    next *= 10;
    double step = INFINITY;
    auto aside = stream;
    for (int look = 0; look < looks; ++look) {
      const double start = now(Clock::thread);
      for (int i = 0; i < steps; ++i) aside.step(one);
      step = std::min(step, (now(Clock::thread) - start) / steps);
    }
    marks.push_back({t, read, step, megabytes()});
  }
  return marks;
}

template <class Block>
void print_long(const char* name, const Block& block) {
  std::printf("  %s, width %ld\n", name, long(width));
  for (const Mark& m : read_long(block))
    std::printf("    at token %9ld   read %6.2f us a token   step %6.2f us   %6.1f MB in memory\n",
                long(m.tokens), 1e6 * m.read, 1e6 * m.step, m.megabytes);
  std::fflush(stdout);
}

/// The same as a row.
template <class Make>
void long_row(const char* name, const Make& make) {
  const auto body = [=](benchmark::State& s) {
    const auto block = make();
    std::vector<Mark> marks;
    const double begin = now(Clock::thread);
    for (auto _ : s) marks = read_long(block);
    s.counters["tokens/s"] = double(million) / (now(Clock::thread) - begin);
    s.counters["us_at_10K"] = 1e6 * marks[1].read;
    s.counters["us_at_1M"] = 1e6 * marks.back().read;
    s.counters["step_us_at_1K"] = 1e6 * marks.front().step;
    s.counters["step_us_at_1M"] = 1e6 * marks.back().step;
    s.counters["MB"] = marks.back().megabytes;
  };
  row(std::string("long/") + name + "/f32", body)
      ->ArgNames({"T", "width"})
      ->Args({million, width})
      ->Iterations(1);
}

/// What the next token costs after long texts.
template <class Model>
void decode_long(const char* name, const Model& model) {
  const Index contexts[] = {1'000, 10'000, 100'000};
  const auto text = random_text(100'000, model.vocabulary());
  Stream stream(model, threads(machine().threads));
  std::printf("  %s, %.0f MB of weights\n", name, 1e-6 * bytes_of_weights(model));
  Index read = 0;
  for (const Index context : contexts) {
    stream.read({text.data() + read, std::size_t(context - read)});
    read = context;
    Stream alone(stream, {});
    double least = INFINITY;
    for (int look = 0; look < 20; ++look) {
      const double begin = now(Clock::thread);
      alone.step(7);
      least = std::min(least, now(Clock::thread) - begin);
    }
    std::printf(
        "    after %9ld tokens   %6.2f ms a token   %4.0f %% of the read bandwidth\n",
        long(context), 1e3 * least,
        100 * bytes_of_weights(model) / least / machine().level_of(bytes_of_weights(model)).read);
    std::fflush(stdout);
  }
}

}  // namespace

void register_long() {
  long_row("gla_block", gla_block);
  long_row("mamba_block", mamba_block);
}

void print_long_runs() {
  std::printf("One sequence of a million tokens, on one thread:\n\n");
  print_long("GLA block", gla_block());
  print_long("Mamba block", mamba_block());
  std::printf("\nDecoding on one thread, after texts that all threads have read:\n\n");
  decode_long("Mamba, 130M", mamba_130m());
}

}  // namespace sluice::bench
