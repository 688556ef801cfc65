// SPDX-License-Identifier: MIT

#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/models/forecaster.hpp>

#include <type_traits>

using namespace sluice;

namespace {

// Rounding of about thirty operations in a row; a token alone and among others sums in other
// orders.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-12 : 2e-5;

const ForecasterConfig configs[] = {
    {.variates = 3,
     .covariates = 2,
     .horizon = 5,
     .recent_rows = 4,
     .own_rows = 9,
     .width = 12,
     .layers = 2,
     .heads = 3},
    {.variates = 1,
     .covariates = 0,
     .horizon = 1,
     .recent_rows = 1,
     .joint = false,
     .own_rows = 2,
     .width = 4,
     .layers = 1,
     .heads = 1},
    {.variates = 5, .covariates = 1, .horizon = 3, .recent_rows = 7, .width = 8, .layers = 0}};

template <class Scalar>
Forecaster<Scalar> forecaster(const ForecasterConfig& config) {
  Rng rng(5);
  Forecaster<Scalar> model(config, rng);
  fill_uniform(model.head.weight, rng, Scalar(-1), Scalar(1));  // the start hides the blocks
  return model;
}

template <class Scalar>
Tensor<Scalar, 3> read(const Forecaster<Scalar>& model, const Tensor<Scalar, 3>& x) {
  auto state = model.initial_state(x.dimension(0));
  Tape<Scalar> tape;
  tape.start();
  const auto y = model(tape.input(View<const Scalar, 3>(x)), state);
  Tensor<Scalar, 3> out(y.dim(0), y.dim(1), y.dim(2));
  std::copy_n(y.value.data(), out.size(), out.data());
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("forecaster: laws", "[models][law]", float, double) {
  const auto config = configs[GENERATE(0, 1, 2)];
  CAPTURE(config.variates);
  testing::LawOptions options;
  options.fold_tolerance = tolerance<TestType>;
  testing::require_layer_laws(forecaster<TestType>(config), config.variates + config.covariates,
                              options);
}

TEMPLATE_TEST_CASE("shared autoregression: laws", "[layers][law]", float, double) {
  Rng rng(3);
  testing::LawOptions options;
  options.fold_tolerance = tolerance<TestType>;
  testing::require_layer_laws(SharedAutoregression<TestType>(3, 9, 5, rng), 3, options);
}

TEST_CASE("the shared map is its formula", "[layers]") {
  Rng rng(3);
  const Index C = 3, rows = 5, H = 4, T = 17;
  const SharedAutoregression<double> layer(C, rows, H, rng);
  const auto x = testing::uniform<double, 3>({2, T, C}, -1, 1, 1);
  auto state = layer.initial_state(2);
  Tape<double> tape;
  tape.start();
  const auto y = layer(tape.input(View<const double, 3>(x)), state);
  REQUIRE(y.shape() == Shape<3>{2, T, H * C});
  for (Index t = rows; t < T; ++t)
    for (Index h = 0; h < H; ++h)
      for (Index c = 0; c < C; ++c) {
        double sum = (*layer.map.bias)(h);
        for (Index k = 1; k < rows; ++k)
          sum += layer.map.weight(h, k - 1) * (x(1, t - k, c) - x(1, t, c));
        CHECK(std::abs(y.value.row(1, t)[h * C + c] - sum) < 1e-13);
      }
}

TEST_CASE("without weights the last value is repeated", "[models]") {
  const auto config = configs[0];
  auto model = forecaster<double>(config);
  set_zero(model);
  const auto x = testing::uniform<double, 3>({2, 7, 5}, -1, 1, 1);
  const auto y = read(model, x);
  REQUIRE(y.dimension(2) == config.horizon * config.variates);
  for (Index t = 0; t < 7; ++t)
    for (Index i = 0; i < y.dimension(2); ++i) CHECK(y(1, t, i) == x(1, t, i % 3));
}

TEST_CASE("dropout acts while recording only, and as its generator has it", "[models]") {
  const auto model = forecaster<float>(configs[0]);
  auto gradient = zeros_like(model);
  const auto x = testing::uniform<float, 3>({2, 9, 5}, -1, 1, 1);
  Tape<float> tape;
  const auto run = [&](bool record, std::uint64_t seed, const ForecasterDropout& rates) {
    if (record)
      tape.record(model, gradient);
    else
      tape.start();
    Rng rng(seed);
    auto state = model.initial_state(2);
    const auto y = model(tape.input(View<const float, 3>(x)), state, rates, rng);
    return std::vector<float>(y.value.data(), y.value.data() + y.value.size());
  };
  const auto plain = read(model, x);
  const std::vector<float> expected(plain.data(), plain.data() + plain.size());
  CHECK(run(false, 1, {}) == expected);
  CHECK(run(true, 1, {0, 0, 0}) == expected);
  CHECK(run(true, 1, {}) != expected);
  CHECK(run(true, 1, {}) == run(true, 1, {}));
  CHECK(run(true, 1, {}) != run(true, 2, {}));
}

TEST_CASE("impossible forecasters are refused", "[models][error]") {
  Rng rng(1);
  CHECK_THROWS_WITH(Forecaster<float>({.variates = 0}, rng),
                    "Forecaster: variates must be at least 1, got 0");
  CHECK_THROWS_AS(Forecaster<float>({.width = 32, .heads = 5}, rng), ArgumentError);
  CHECK_THROWS_AS(Forecaster<float>({.own_rows = 1}, rng), ArgumentError);
}
