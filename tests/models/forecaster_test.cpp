// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/models/forecasting/forecaster.hpp>
#include <sluice/models/stream.hpp>

using namespace sluice;

namespace {

ForecasterConfig small() {
  ForecasterConfig c;
  c.variates = 2, c.covariates = 3, c.horizon = 4, c.recent = 3, c.past = 5, c.width = 8,
  c.layers = 2;
  return c;
}

/// The head begins near zero; a test wants all paths to carry signal.
template <class S>
auto loud(const ForecasterConfig& c) {
  Rng rng(5);
  GatedLinearAttentionConfig mixer;
  mixer.num_heads = 2;
  Forecaster<GatedLinearAttention<S>> model(c, mixer, rng);
  fill_normal(model.head.weight, rng, S(0.5));
  if (model.own) fill_normal(model.own->weight, rng, S(0.5));
  return model;
}

}  // namespace

TEST_CASE("the forecaster keeps the laws of streamable layers", "[forecaster]") {
  testing::require_layer_laws(loud<double>(small()), 5);
  auto plain = small();
  plain.covariates = plain.past = 0;
  testing::require_layer_laws(loud<double>(plain), 2);
}

TEST_CASE("dropout acts in training only", "[forecaster]") {
  auto c = small();
  c.input_dropout = c.dropout = c.head_dropout = 0.5;
  const auto model = loud<double>(c);
  auto gradient = zeros_like(model);
  const auto x = testing::uniform<double, 3>({1, 9, 5}, -1, 1, 1);
  const auto run = [&](bool recording, bool training) {
    Tape<double> tape;
    auto state = model.initial_state(1);
    if (recording)
      tape.record(model, gradient);
    else
      tape.start();
    if (training) tape.train(Rng(3));
    const auto y = model(tape.input(x), state);
    return std::vector<double>(y.value.data(), y.value.data() + y.value.size());
  };
  CHECK(run(true, false) == run(false, false));
  CHECK(run(false, true) != run(false, false));
  CHECK(run(true, true) == run(false, true));
}

TEST_CASE("a stream answers as the whole pass does, forks, and allocates nothing", "[stream]") {
  const auto model = loud<double>(small());
  const Index T = 40, history = 29;
  const auto x = testing::uniform<double, 3>({2, T, 5}, -1, 1, 2);
  Tape<double> tape;
  tape.start();
  auto state = model.initial_state(2);
  const auto whole = model(tape.input(View<const double, 3>(x)), state);

  Stream stream(model, 5, 2);
  stream.read(testing::slice_tokens(x, 0, history), 7);
  auto fork = stream;
  for (Index t = history; t < T; ++t) {
    const auto row = testing::slice_tokens(x, t, t + 1);
    const auto before = testing::allocations();
    const auto y = stream.step(View<const double, 3>(row));
    CHECK(testing::allocations() == before);
    for (Index b = 0; b < 2; ++b)
      for (Index i = 0; i < 8; ++i)
        CHECK(std::abs(y.row(b, 0)[i] - whole.value.row(b, t)[i]) < 1e-12);
  }
  const auto other = testing::uniform<double, 3>({2, 1, 5}, -1, 1, 3);
  const double told = fork.step(View<const double, 3>(other)).row(0, 0)[0];
  CHECK(told != whole.value.row(0, history)[0]);  // another row, another answer
  CHECK_THROWS_WITH(stream.step(View<const double, 3>(x)),
                    "Stream::step: x must be [2, 1, 5] to fit the stream, got [2, 40, 5]");
}
