// SPDX-License-Identifier: MIT
#include "../support/bursts.hpp"
#include "../support/model_problem.hpp"
#include "targets.hpp"

namespace sluice::bench {

namespace {

/// Reads all weights of a model, and does no more.
template <class Model>
void read_weights(const Model& model) {
  for_each_tensor(
      [](std::string_view, const auto& t) {
        constexpr Index unit = 8 * simd::lanes<simd::Batch<float, simd::DefaultArch>>;
        keep(read_span(t.data(), t.size() / unit * unit));
      },
      model);
}

template <class Model>
void decode(const std::string& name, const Model& model, Contest::Target target, Score& score) {
  Stream stream(model);
  stream.read(random_text(100, model.vocabulary()));
  Contest c(
      "decode, " + name, [&] { stream.step(7); }, 2 * double(count(model)));
  c.speed_against(
      "reading its weights alone", [&] { read_weights(model); }, target);
  c.run(score);
}

}  // namespace

void target_decode(Score& score) {
  decode("Mamba, 130M", mamba_130m(), 0.85, score);
  decode("Mamba-2, 130M", mamba2_130m(), 0.85, score);
}

}  // namespace sluice::bench
