// SPDX-License-Identifier: MIT
#include "long.hpp"

#include "support/model_problem.hpp"
#include "support/race.hpp"
#include "support/threads.hpp"

#include <sluice/layers/gated_linear_attention.hpp>
#include <sluice/layers/mamba.hpp>
#include <sluice/layers/pre_norm.hpp>
#include <sluice/layers/transformer_block.hpp>
#include <sluice/models/stream.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>

namespace sluice::bench {

namespace {

/// Megabytes that the program has in memory; 0 where the system does not tell.
double megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stod(line.substr(6)) / 1024;
  return 0;
}

/// Reads a sequence piece by piece and tells, at 1 K, 10 K, ... tokens, what a token takes there:
/// read with many others, and alone.
template <class Block>
void read_long(const char* name, const Block& block, Index width) {
  constexpr Index piece = 1000, end = 1'000'000;
  Tensor<float, 3> x(1, piece, width), one(1, 1, width);
  Rng rng(3);
  fill_uniform(x, rng, -1.f, 1.f);
  fill_uniform(one, rng, -1.f, 1.f);
  Stream stream(block, width);
  std::printf("  %s, width %ld\n", name, long(width));
  for (Index t = 0, mark = piece; t < end; t += piece) {
    constexpr int looks = 5;
    const bool marked = t + piece == mark;
    double many = 0, alone = INFINITY;
    const double begin = now(Clock::thread);
    stream.read(x, piece);
    many = (now(Clock::thread) - begin) / double(piece);
    if (!marked) continue;
    auto aside = stream;
    for (int look = 0; look < looks; ++look) {
      const double start = now(Clock::thread);
      for (int i = 0; i < 100; ++i) aside.step(one);
      alone = std::min(alone, (now(Clock::thread) - start) / 100);
    }
    std::printf("    at token %9ld   read %6.2f us a token   step %6.2f us   %6.1f MB in memory\n",
                long(mark), 1e6 * many, 1e6 * alone, megabytes());
    std::fflush(stdout);
    mark *= 10;
  }
}

/// What the next token costs after long texts.
template <class Model>
void decode_long(const char* name, const Model& model) {
  const Index contexts[] = {1'000, 10'000, 100'000};
  const auto text = random_text(100'000, model.vocabulary());
  TokenStream stream(model, threads(machine().threads));
  std::printf("  %s, %.0f MB of weights\n", name, 1e-6 * bytes_of_weights(model));
  Index read = 0;
  for (const Index context : contexts) {
    stream.read({text.data() + read, std::size_t(context - read)});
    read = context;
    TokenStream alone(stream, {});
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

void print_long_runs() {
  std::printf("One sequence of a million tokens, on one thread:\n\n");
  Rng rng(1);
  constexpr Index width = 256;
  GatedLinearAttentionConfig gla;
  gla.width = width, gla.num_heads = 4;
  read_long("GLA block", TransformerBlock<GatedLinearAttention<float>>(gla, 2 * width, rng), width);
  MambaConfig mamba;
  mamba.width = width;
  read_long("Mamba block", PreNorm<Mamba<float>>{RMSNorm<float>(width), Mamba<float>(mamba, rng)},
            width);
  std::printf("\nDecoding on one thread, after texts that all threads have read:\n\n");
  decode_long("Mamba, 130M", mamba_130m());
}

}  // namespace sluice::bench
