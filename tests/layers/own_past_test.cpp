// SPDX-License-Identifier: MIT

#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/own_past.hpp>

#include <vector>

using namespace sluice;

namespace {

template <class S>
OwnPast<S> filled(Index variates, Index past, Index horizon) {
  Rng rng(3);
  OwnPast<S> layer(variates, past, horizon);
  fill_normal(layer.weight, rng, S(0.5));
  fill_normal(layer.bias, rng, S(0.5));
  return layer;
}

Tensor<double, 3> run(const OwnPast<double>& layer, const Tensor<double, 3>& x,
                      OwnPast<double>::State& state) {
  Tape<double> tape;
  tape.start();
  const auto y = layer(tape.input(View<const double, 3>(x)), state).value;
  Tensor<double, 3> out(y.dim(0), y.dim(1), y.dim(2));
  std::copy_n(y.data(), y.size(), out.data());
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("own past: laws", "[layers][law]", float, double) {
  const auto variates = GENERATE(Index(1), Index(3));
  const auto past = GENERATE(Index(1), Index(7), Index(70));
  const auto horizon = GENERATE(Index(1), Index(9));
  CAPTURE(variates, past, horizon);
  testing::LawOptions options;
  if (std::is_same_v<TestType, float>) options.fold_tolerance = 1e-5;
  testing::require_layer_laws(filled<TestType>(variates, past, horizon), variates, options);
}

TEST_CASE("own past is what its formula says", "[layers]") {
  const auto layer = filled<double>(3, 4, 2);
  const auto x = testing::uniform<double, 3>({2, 17, 3}, -1, 1, 1);
  auto state = layer.initial_state(2);
  const auto y = run(layer, x, state);
  REQUIRE(shape_of(y) == Shape<3>{2, 17, 6});
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 17; ++t)
      for (Index h = 0; h < 2; ++h)
        for (Index c = 0; c < 3; ++c) {
          double expected = layer.bias(h);
          for (Index i = 0; i < 4; ++i) {
            const Index s = t - 4 + i;
            expected += layer.weight(h, i) * ((s >= 0 ? x(b, s, c) : 0) - x(b, t, c));
          }
          CHECK(std::abs(y(b, t, h * 3 + c) - expected) < 1e-13);
        }
  CHECK(state.series(1, 2, 3) == x(1, 16, 2));  // the newest
  CHECK(state.series(1, 0, 0) == x(1, 13, 0));
}

TEST_CASE("own past: a shift of one variate moves no forecast", "[layers]") {
  const auto layer = filled<double>(2, 5, 3);
  const auto x = testing::uniform<double, 3>({1, 20, 2}, -1, 1, 1);
  auto shifted = x;
  for (Index t = 0; t < 20; ++t) shifted(0, t, 1) += 8;
  auto state = layer.initial_state(1), other = state;
  const auto y = run(layer, x, state), z = run(layer, shifted, other);
  for (Index t = 5; t < 20; ++t)
    for (Index i = 0; i < 6; ++i) CHECK(std::abs(y(0, t, i) - z(0, t, i)) < 1e-12);
}

TEST_CASE("own past refuses what does not fit", "[layers][error]") {
  CHECK_THROWS_AS(OwnPast<float>(0, 4, 2), ArgumentError);
  CHECK_THROWS_AS(OwnPast<float>(3, 0, 2), ArgumentError);
  CHECK_THROWS_AS(OwnPast<float>(3, 4, 0), ArgumentError);
  const auto layer = filled<double>(3, 4, 2);
  auto state = layer.initial_state(2);
  CHECK_THROWS_WITH(
      run(layer, testing::uniform<double, 3>({2, 5, 4}, -1, 1, 1), state),
      "OwnPast: x must be [2, 5, 3] to have the variates of the layer, got [2, 5, 4]");
  CHECK_THROWS_AS(run(layer, testing::uniform<double, 3>({1, 5, 3}, -1, 1, 1), state), ShapeError);
}

TEST_CASE("own past refuses sequences that are packed wrongly", "[layers][error]") {
  const auto layer = filled<double>(3, 4, 2);
  const auto x = testing::uniform<double, 3>({1, 5, 3}, -1, 1, 1);
  auto state = layer.initial_state(2);
  Tape<double> tape;
  tape.start();
  tape.pack(std::vector<Index>{0, 2, 4});
  CHECK_THROWS_WITH(layer(tape.input(x), state),
                    "OwnPast: cu_seqlens must be from 0 to T = 5, got 0 to 4");
}
