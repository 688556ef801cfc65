// SPDX-License-Identifier: MIT
/// \file
/// CSV in, forecast out: trains a causal model, compares it with baselines, streams it row by row.

#include "checkpoint.hpp"
#include "intervals.hpp"
#include "linear_start.hpp"
#include "options.hpp"
#include "plot.hpp"
#include "report.hpp"
#include "training.hpp"

#include <cstdio>
#include <exception>

namespace {

using namespace forecast;

sluice::ForecasterConfig configuration(const Options& o, const ModelInputs& inputs) {
  sluice::ForecasterConfig c;
  c.variates = inputs.variates, c.covariates = inputs.covariates, c.horizon = o.horizon;
  c.recent = std::min(o.lookback, std::clamp<Index>(1500 / c.variates, 1, c.recent));
  c.width = o.width, c.layers = o.layers, c.heads = o.heads;
  // Most where most numbers are shared out: the wide output of a narrow model overfits first.
  c.input_dropout = 0.6 * o.dropout, c.dropout = o.dropout;
  c.head_dropout = std::min(0.9, 1.4 * o.dropout);
  return c;
}

/// Reads the test rows one by one from a saved model, and compares with what it said at once.
void stream_test_rows(const Model& model, const ModelInputs& inputs, Index first, Index last,
                      const Matrix& at_once) {
  const Index width = inputs.rows.dimension(2);
  const View<const float, 3> all(inputs.rows);
  sluice::Stream stream(model, width);
  stream.read(slice(all, 1, 0, first));
  double difference = 0;
  std::vector<double> micros;
  for (Index t = first; t < last; ++t) {
    const Clock clock;
    const auto y = stream.step(slice(all, 1, t, 1));
    micros.push_back(1e6 * clock.seconds());
    for (Index i = 0; i < at_once.cols(); ++i)
      difference = std::max(difference, std::abs(double(y.row(0, 0)[i]) - at_once(t, i)));
  }
  std::sort(micros.begin(), micros.end());
  std::printf(
      "  streamed %s test rows one by one from the saved model: %.1f us a step (median),\n"
      "  largest difference to reading them at once %.1e\n",
      grouped(last - first).c_str(), quantile(micros, 0.5), difference);
}

void print_verdict(const std::vector<Contender>& contenders) {
  const auto& model = contenders.back();
  const auto best = std::min_element(
      contenders.begin(), contenders.end() - 1,
      [](const auto& a, const auto& b) { return a.scores.mse() < b.scores.mse(); });
  const double skill = 100 * model.scores.skill(best->scores.mse());
  if (skill > 0)
    std::printf("  the model's squared error is %.1f %% below that of the best baseline, %s\n",
                skill, best->name.c_str());
  else
    std::printf("  the model LOSES: its squared error is %.1f %% above that of %s\n", -skill,
                best->name.c_str());
}

void run(const Options& o) {
  const Series series = to_series(read_csv(o.data, o.series.separator), o.series);
  const Split borders = split(series.values.rows(), o.lookback, borders_of(series.file));
  require_enough_rows(series, borders, o.lookback, o.horizon);
  const Index season = o.season ? o.season : Index(series.time.season());
  const Scaler fitted(series.values, borders.train);
  if (!o.quiet) std::fputs(describe(series, borders, o.lookback, o.horizon).c_str(), stdout);

  const std::filesystem::path out = o.out;
  std::filesystem::create_directories(out);
  std::filesystem::path checkpoint = o.load;
  if (o.load.empty()) {
    checkpoint = out / "model.safetensors";
    const Matrix rows = fitted.scale(series.values);
    const ModelInputs inputs = model_inputs(rows, season);
    sluice::Rng rng(o.seed);
    auto config = configuration(o, inputs);
    const LinearStart start =
        choose_linear_start(inputs, rows, borders, o.lookback, o.horizon, config.recent);
    config.past = start.past();
    Model model(config, rng);
    begin(model, start);
    if (!o.quiet)
      std::printf(
          "linear start: %s\n  validation %.4f\ntraining %s numbers on %d threads, seed %llu\n",
          start.text().c_str(), start.validation_mse, grouped(sluice::count(model)).c_str(),
          o.threads, static_cast<unsigned long long>(o.seed));
    const Clock clock;
    train(model, inputs, rows, borders, o);
    if (!o.quiet) std::printf("  trained in %.1f s\n\n", clock.seconds());
    save(checkpoint, model, series, fitted, o.lookback, season);
  }

  const Trained trained = load(checkpoint, series, fitted, o.horizon, season);
  const Scaler& scaler = trained.scaler;
  const Matrix rows = scaler.scale(series.values);
  const ModelInputs inputs = model_inputs(rows, season);
  const Index first = borders.test.begin + o.lookback;
  const Index count = windows(borders.test, o.lookback, o.horizon);
  const Matrix at_once = all_forecasts(trained.model, inputs, rows.rows());

  auto contenders = baselines(rows, borders, o.lookback, o.horizon, season);
  contenders.push_back({"gated linear attention", predictor(at_once, rows, o.horizon)});
  for (auto& c : contenders) c.scores = evaluate(rows, first, count, o.horizon, c.predict);
  const Contender& model = contenders.back();
  std::fputs(score_table(contenders, series, scaler).c_str(), stdout);
  std::printf(
      "  %s test windows of %s rows, errors standardised, then mean absolute errors in the\n"
      "  data's own units\n",
      grouped(count).c_str(), grouped(o.horizon).c_str());
  print_verdict(contenders);
  stream_test_rows(trained.model, inputs, first, borders.test.end, at_once);

  const auto intervals =
      error_quantiles(rows, borders.validation.begin + o.lookback,
                      windows(borders.validation, o.lookback, o.horizon), o.horizon, model.predict);
  write_text(out / "forecast.csv",
             forecast_csv(series, scaler, intervals, model.predict, o.horizon));
  const auto best = std::min_element(
      contenders.begin(), contenders.end() - 1,
      [](const auto& a, const auto& b) { return a.scores.mse() < b.scores.mse(); });
  const Picture picture =
      last_window(series, scaler, rows, intervals, model.predict, *best, o.horizon);
  const bool drawn =
      o.plot && draw(picture, out / "forecast.png") && draw(picture, out / "forecast.svg");
  if (o.plot && !drawn)
    std::puts("  no picture: gnuplot did not run (install gnuplot, or pass --no-plot)");
  std::printf("  written to %s: forecast.csv%s%s\n", out.string().c_str(),
              drawn ? ", forecast.png, forecast.svg" : "",
              o.load.empty() ? ", model.safetensors" : "");
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
