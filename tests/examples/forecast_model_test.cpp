// SPDX-License-Identifier: MIT
/// \file
/// The forecaster on a series: how its linear paths begin, and what a batch of training holds.

#include "support/catch.hpp"

#include <forecast/task.hpp>
#include <forecast/training.hpp>

#include <sluice/layers/mixers/gated_linear_attention.hpp>

using namespace forecast;

namespace {

using Mixer = sluice::GatedLinearAttention<float>;
using Model = sluice::Forecaster<Mixer>;

struct Problem {
  Matrix values;
  Split borders;
  Matrix rows;
  ModelInputs inputs;

  Problem(const std::string& file, Index lookback, Index season)
      : values(to_series(read_csv(std::string(FORECAST_DATA_FOLDER) + "/" + file)).values),
        borders(split(values.rows(), lookback)),
        rows(Scaler(values, borders.train).scale(values)),
        inputs(model_inputs(rows, season)) {}

  sluice::ForecasterConfig config(Index horizon, Index recent, Index past) const {
    sluice::ForecasterConfig c;
    c.variates = inputs.variates, c.covariates = inputs.covariates, c.horizon = horizon;
    c.recent = recent, c.past = past, c.width = 8, c.layers = 0;
    return c;
  }
};

const Index lookback = 30, horizon = 7, recent = 5;

}  // namespace

TEST_CASE("the model begins as the regressions it was given", "[examples][model]") {
  const Problem p("seattle_newyork_daily.csv", lookback, 7);
  const bool with_own = GENERATE(false, true);
  CAPTURE(with_own);
  LinearStart start;
  if (with_own)
    start.own =
        choose_strength(NLinear{lookback, horizon}, p.rows, p.borders, lookback, lookback, {0.1})
            .model;
  const RecentRegression blank{&p.inputs, with_own ? &*start.own : nullptr, recent, horizon};
  const auto fitted =
      choose_strength(blank, p.rows, p.borders, lookback, blank.lookback(), {1}).model;
  start.recent = recent, start.recent_weight = fitted.weight;

  sluice::Rng rng(1);
  Model model(p.config(horizon, recent, start.past()), {}, rng);
  begin(model, start);
  set_zero(model.head);
  const Index first = 1000, count = 100;
  Forecasts expected(count * horizon, p.rows.cols()), told(expected);
  fitted.predict(p.rows, first, count, expected);
  predictor(all_forecasts(model, p.inputs, p.rows.rows()), p.rows, horizon)(first, count, told);
  CHECK((told - expected).cwiseAbs().maxCoeff() < 1e-5);
}

TEST_CASE("validation chooses the linear start", "[examples][model]") {
  // Four variates that drive each other, and one with a trend and a year.
  const Problem weather("nyc_weather_2013.csv", 48, 24);
  const auto joint = choose_linear_start(weather.inputs, weather.rows, weather.borders, 48, 24, 24);
  CHECK_FALSE(joint.own);
  CHECK(joint.past() == 0);
  CHECK(joint.recent_strength == 0.1);

  const Problem co2("co2_mauna_loa_weekly.csv", 104, 52);
  const auto alone = choose_linear_start(co2.inputs, co2.rows, co2.borders, 104, 26, 24);
  REQUIRE(alone.own);
  CHECK(alone.past() + 1 == alone.own->lookback);
  const auto nlinear = choose_nlinear(co2.rows, co2.borders, 104, 26);
  CHECK(alone.own->weight == nlinear.model.weight);
  CHECK(alone.validation_mse < 1.05 * nlinear.validation_mse);
}

TEST_CASE("a batch brings the rows before its windows", "[examples][model]") {
  const Problem p("seattle_newyork_daily.csv", lookback, 7);
  sluice::Rng rng(1);
  Model model(p.config(horizon, recent, lookback - 1), {}, rng);
  fill_normal(model.own->weight, rng, 0.1f);
  fill_normal(model.skip.weight, rng, 0.1f);
  const Matrix all = all_forecasts(model, p.inputs, 200);

  const Index tokens = 11, begin = Batch<Model>::before(model);
  CHECK(begin == lookback - 1);
  Batch<Model> batch(2, tokens, p.inputs, model);
  batch.fill(0, begin, p.inputs, horizon);
  batch.fill(1, begin + 60, p.inputs, horizon);
  Tape<float> tape;
  tape.start();
  auto state = batch.start;
  const auto y = model(tape.input(View<const float, 3>(batch.x)), state).value;
  for (Index t = 0; t < tokens; ++t)
    for (Index i = 0; i < y.dim(2); ++i) {
      CHECK(std::abs(y.row(0, t)[i] - all(begin + t, i)) < 1e-5);
      CHECK(std::abs(y.row(1, t)[i] - all(begin + 60 + t, i)) < 1e-5);
      const Index h = i / 8, c = i % 8;
      CHECK(batch.target(1, t, i) ==
            p.inputs.rows(0, begin + 61 + t + h, c) - p.inputs.rows(0, begin + 60 + t, c));
    }
}
