// SPDX-License-Identifier: MIT
/// \file
/// CSV in, forecast out.

#include "baseline_set.hpp"
#include "intervals.hpp"
#include "options.hpp"
#include "plot.hpp"
#include "progress.hpp"
#include "report.hpp"

#include <cstdio>
#include <exception>

namespace {

using namespace forecast;

void run(const Options& o) {
  const Series series = to_series(read_csv(o.data, o.series.separator), o.series);
  const Split borders = split(series.values.rows(), o.lookback, borders_of(series.file));
  require_enough_rows(series, borders, o.lookback, o.horizon);
  const Scaler scaler(series.values, borders.train);
  const Matrix rows = scaler.scale(series.values);
  const Index season = o.season ? o.season : Index(series.time.season());
  const Index first = borders.test.begin + o.lookback;
  const Index count = windows(borders.test, o.lookback, o.horizon);
  if (!o.quiet) std::fputs(describe(series, borders, o.lookback, o.horizon).c_str(), stdout);

  const Clock fitting;
  auto contenders = baselines(rows, borders, o.lookback, o.horizon, season);
  for (auto& c : contenders) c.scores = evaluate(rows, first, count, o.horizon, c.predict);
  const double seconds = fitting.seconds();

  const Contender& best = contenders.back();
  const auto intervals =
      error_quantiles(rows, borders.validation.begin + o.lookback,
                      windows(borders.validation, o.lookback, o.horizon), o.horizon, best.predict);
  std::fputs(score_table(contenders, series, scaler).c_str(), stdout);
  std::printf("  %s test windows, baselines %.1f s\n", grouped(count).c_str(), seconds);

  std::filesystem::create_directories(o.out);
  const std::filesystem::path out = o.out;
  write_text(out / "forecast.csv",
             forecast_csv(series, scaler, intervals, best.predict, o.horizon));
  const Picture picture =
      last_window(series, scaler, rows, intervals, best.predict, contenders.back(), o.horizon);
  if (o.plot && !(draw(picture, out / "forecast.png") && draw(picture, out / "forecast.svg")))
    std::puts("  no picture: gnuplot did not run (install gnuplot, or pass --no-plot)");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (const auto options = forecast::parse_options(argc, argv)) run(*options);
    return 0;
  } catch (const forecast::InputError& e) {
    std::fprintf(stderr, "forecast: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "forecast: failed: %s\n", e.what());
    return 1;
  }
}
