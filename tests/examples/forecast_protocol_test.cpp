// SPDX-License-Identifier: MIT
/// \file
/// The rules by which forecasters are judged, as integers, and baselines against published errors.

#include "support/catch.hpp"

#include <forecast/baseline_set.hpp>
#include <forecast/intervals.hpp>

using namespace forecast;

namespace {

// Errors of the baselines are known to three digits.
constexpr double printed = 1e-3;

const std::string folder = FORECAST_DATA_FOLDER;

struct Problem {
  Matrix values;
  Split borders;
  Matrix rows;

  Problem(const std::string& file, Index lookback)
      : values(to_series(read_csv(folder + "/" + file)).values),
        borders(split(values.rows(), lookback, borders_of(file))),
        rows(Scaler(values, borders.train).scale(values)) {}

  template <class Predict>
  Scores score(Index lookback, Index horizon, Predict&& predict, Index block = 64) const {
    return evaluate(rows, borders.test.begin + lookback, windows(borders.test, lookback, horizon),
                    horizon, predict, block);
  }
};

void check(const Scores& scores, double mse, double mae) {
  CHECK(std::abs(scores.mse() - mse) <= printed);
  CHECK(std::abs(scores.mae() - mae) <= printed);
}

/// Row t of variate c is 100 t + c.
Matrix counting(Index rows, Index variates) {
  Matrix x(rows, variates);
  for (Index t = 0; t < rows; ++t)
    for (Index c = 0; c < variates; ++c) x(t, c) = double(100 * t + c);
  return x;
}

}  // namespace

TEST_CASE("split borders", "[examples][protocol]") {
  const Split ett = split(17420, 336, borders_of("data/ETTh1.csv"));
  CHECK(ett.train == Range{0, 8640});
  CHECK(ett.validation == Range{8640 - 336, 11520});
  CHECK(ett.test == Range{11520 - 336, 14400});

  const Split quarter = split(69680, 96, borders_of("ETTm2.csv"));
  CHECK(quarter.train == Range{0, 34560});
  CHECK(quarter.validation == Range{34560 - 96, 46080});
  CHECK(quarter.test == Range{46080 - 96, 57600});

  const Split weather = split(8400, 168, borders_of("nyc_weather_2013.csv"));
  CHECK(weather.train == Range{0, 5880});
  CHECK(weather.validation == Range{5880 - 168, 6720});
  CHECK(weather.test == Range{6720 - 168, 8400});

  const Split exchange = split(7588, 96);  // 5311, 760, 1517
  CHECK(exchange.train == Range{0, 5311});
  CHECK(exchange.validation == Range{5311 - 96, 6071});
  CHECK(exchange.test == Range{6071 - 96, 7588});
}

TEST_CASE("number of windows", "[examples][protocol]") {
  const Index lookback = GENERATE(1, 96, 336);
  const auto test = [&](Index rows, Borders borders, Index horizon) {
    return windows(split(rows, lookback, borders).test, lookback, horizon);
  };
  const std::array<Index, 4> horizons{96, 192, 336, 720};
  const std::array<Index, 4> ett{2785, 2689, 2545, 2161}, exchange{1422, 1326, 1182, 798};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(test(17420, Borders::ett_hourly, horizons[i]) == ett[i]);
    CHECK(test(7588, Borders::ratio, horizons[i]) == exchange[i]);
  }
  CHECK(test(8400, Borders::ratio, 24) == 1657);
  CHECK(test(8400, Borders::ratio, 48) == 1633);
  CHECK(test(8400, Borders::ratio, 96) == 1585);
  CHECK(windows({0, 10}, 8, 3) == 0);
}

TEST_CASE("too few rows", "[examples][protocol]") {
  Series series;
  series.file = "a.csv";
  series.values = counting(120, 1);
  CHECK_THROWS_WITH(require_enough_rows(series, split(120, 168), 168, 24),
                    "a.csv: has 120 rows; --lookback 168 and --horizon 24 need about 275 for "
                    "training, validation and test (lower --lookback or --horizon, or bring more "
                    "rows)");
  series.values = counting(275, 1);
  CHECK_NOTHROW(require_enough_rows(series, split(275, 168), 168, 24));
}

TEST_CASE("the scaler sees training rows only", "[examples][protocol]") {
  Matrix x = counting(20, 2);
  x.col(1).setConstant(3.1);
  const Scaler before(x, {0, 14});
  x.bottomRows(6).setConstant(1e9);
  const Scaler after(x, {0, 14});
  CHECK(before.mean == after.mean);
  CHECK(before.deviation == after.deviation);
  CHECK(before.mean[0] == 650);
  CHECK(std::abs(before.deviation[0] - 100 * std::sqrt(195.0 / 12)) < 1e-10);  // population
  CHECK(before.mean[1] == 3.1);
  CHECK(before.deviation[1] == 1);
  CHECK((after.unscale(after.scale(x)) - x).cwiseAbs().maxCoeff() < 1e-6);

  const Problem weather("nyc_weather_2013.csv", 168);
  const Scaler scaler(weather.values, weather.borders.train);
  const Eigen::RowVector4d mean(14.028, 7.058, 10.137, 1016.647), std(10.048, 11.481, 5.195, 7.110);
  CHECK((scaler.mean - mean).cwiseAbs().maxCoeff() < 6e-4);
  CHECK((scaler.deviation - std).cwiseAbs().maxCoeff() < 6e-4);
}

TEST_CASE("windows are what direct indexing says", "[examples][protocol]") {
  const Matrix x = counting(30, 3);
  const NLinear shared{5, 2};
  const VectorAutoregression joint{5, 2};
  const Index first = 11;  // the first target of the first window
  const Matrix a = shared.inputs(x, first, 4), b = joint.inputs(x, first, 4);
  const Matrix u = shared.targets(x, first, 4), v = joint.targets(x, first, 4);
  for (Index w = 0; w < 4; ++w)
    for (Index c = 0; c < 3; ++c) {
      for (Index i = 0; i < 5; ++i) {
        const double relative = x(first + w - 5 + i, c) - x(first + w - 1, c);
        CHECK(a(w * 3 + c, i) == relative);
        CHECK(b(w, i * 3 + c) == (i == 4 ? x(first + w - 1, c) : relative));
      }
      for (Index h = 0; h < 2; ++h) {
        CHECK(u(w * 3 + c, h) == double(100 * (h + 1)));
        CHECK(v(w, h * 3 + c) == double(100 * (h + 1)));
      }
      CHECK(a(w * 3 + c, 5) == 1);
      CHECK(b(w, 15) == 1);
    }
}

TEST_CASE("metrics by hand, whatever the block", "[examples][metrics]") {
  const Matrix x = counting(10, 2);
  const auto last = evaluate(x, 4, 5, 2, last_value(x, 2));  // errors 100 and 200
  CHECK(last.mse() == (100.0 * 100 + 200 * 200) / 2);
  CHECK(last.mae() == 150);
  CHECK(last.mae(1) == 150);
  CHECK(last.skill(50000) == 0.5);

  const Problem weather("nyc_weather_2013.csv", 168);
  const auto a = weather.score(168, 24, last_value(weather.rows, 24), 1);
  const auto b = weather.score(168, 24, last_value(weather.rows, 24), 500);
  CHECK(a.squared == b.squared);
  CHECK(a.absolute == b.absolute);
  CHECK(a.windows == 1657);
}

TEST_CASE("simple baselines on the shipped weather", "[examples][baselines]") {
  const Problem p("nyc_weather_2013.csv", 168);
  check(p.score(168, 24, last_value(p.rows, 24)), 0.620, 0.531);
  check(p.score(168, 24, seasonal(p.rows, 24, 24)), 1.100, 0.757);
  check(p.score(168, 48, seasonal(p.rows, 24, 48)), 1.471, 0.876);
}

TEST_CASE("linear baselines on the shipped weather", "[examples][baselines]") {
  const Problem p("nyc_weather_2013.csv", 96);
  NLinear shared{96, 24};
  shared.weight = Ridge(shared, p.rows, 96, windows(p.borders.train, 96, 24)).solve(0.1);
  const auto predict = [&](const auto& model) {
    return
        [&](Index first, Index count, Forecasts& out) { model.predict(p.rows, first, count, out); };
  };
  check(p.score(96, 24, predict(shared)), 0.529, 0.503);

  const auto joint = choose_by_validation<VectorAutoregression>(p.rows, p.borders, 96, 24, {24},
                                                                {1e-3, 1e-2, 0.1, 1, 3});
  check(p.score(96, 24, predict(joint.model)), 0.375, 0.412);

  // A shift of the series is a shift of the forecast.
  Forecasts here(24, 4), there(24, 4);
  shared.predict(p.rows, 7000, 1, here);
  shared.predict((p.rows.array() + 3).matrix(), 7000, 1, there);
  CHECK((there - here).isApproxToConstant(3, 1e-10));
}

TEST_CASE("every baseline looks back only", "[examples][baselines]") {
  Problem p("seattle_newyork_daily.csv", 60);
  const auto all = baselines(p.rows, p.borders, 60, 7, 7);
  REQUIRE(all.size() == 4);
  const Index first = 1200;
  std::vector<Forecasts> before;
  for (const auto& c : all) c.predict(first, 1, before.emplace_back(7, 8));
  p.rows.bottomRows(p.rows.rows() - first).setConstant(1e6);
  for (std::size_t i = 0; i < all.size(); ++i) {
    Forecasts after(7, 8);
    all[i].predict(first, 1, after);
    CHECK(after == before[i]);
  }
}

TEST_CASE("quantiles and coverage", "[examples][intervals]") {
  CHECK(quantile({1, 2, 4}, 0) == 1);
  CHECK(quantile({1, 2, 4}, 0.75) == 3);
  CHECK(quantile({1, 2, 4}, 1) == 4);

  const Problem p("nyc_weather_2013.csv", 168);
  const auto predict = last_value(p.rows, 24);
  const auto intervals = error_quantiles(p.rows, 5880, 817, 24, predict);
  CHECK(std::abs(coverage(p.rows, 5880, 817, 24, intervals, 0, 4, predict) - 0.9) < 0.02);
  CHECK(std::abs(coverage(p.rows, 5880, 817, 24, intervals, 1, 3, predict) - 0.5) < 0.05);
}
