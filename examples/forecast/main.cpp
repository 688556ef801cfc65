// SPDX-License-Identifier: MIT
/// \file
/// CSV in, forecast out: trains a causal model, compares it with baselines, streams it row by row.

#include "command_line.hpp"
#include "description.hpp"
#include "intervals.hpp"
#include "mixers.hpp"
#include "report.hpp"

#include <cstdio>
#include <exception>

namespace {

using namespace forecast;
namespace fs = std::filesystem;

sluice::ForecasterConfig sizes_of(const Options& o, const ModelInputs& inputs) {
  sluice::ForecasterConfig c;
  c.variates = inputs.variates, c.covariates = inputs.covariates, c.horizon = o.horizon;
  c.recent = std::min(o.lookback, std::clamp<Index>(1500 / c.variates, 1, c.recent));
  c.width = o.width, c.layers = o.layers;
  // Most where most numbers are shared out: the wide output of a narrow model overfits first.
  c.input_dropout = 0.6 * o.dropout, c.dropout = o.dropout;
  c.head_dropout = std::min(0.9, 1.4 * o.dropout);
  return c;
}

/// A task whose rows are scaled by `scaler`.
Task scaled(const Options& o, Series series, const Split& borders, Index season, Scaler scaler) {
  Matrix rows = scaler.scale(series.values);
  ModelInputs inputs = model_inputs(rows, season);
  return {
      o, std::move(series), borders, season, std::move(scaler), std::move(rows), std::move(inputs)};
}

/// The task of models that are to be trained.
Task training_task(const Options& o, Series series, const Split& borders, Index season) {
  Scaler scaler(series.values, borders.train);
  Task task = scaled(o, std::move(series), borders, season, std::move(scaler));
  task.sizes = sizes_of(o, task.inputs), task.heads = o.heads;
  task.start = choose_linear_start(task.inputs, task.rows, borders, o.lookback, o.horizon,
                                   task.sizes.recent);
  task.sizes.past = task.start.past();
  if (!o.quiet)
    std::printf("linear start: %s\n  validation %.4f\n", task.start.text().c_str(),
                task.start.validation_mse);
  return task;
}

/// The task of the model in the file --load.
Task loading_task(const Options& o, Series series, const Split& borders, Index season,
                  const Description& saved) {
  Scaler scaler(series.values, borders.train);
  std::copy(saved.mean.begin(), saved.mean.end(), scaler.mean.data());
  std::copy(saved.deviation.begin(), saved.deviation.end(), scaler.deviation.data());
  Task task = scaled(o, std::move(series), borders, season, std::move(scaler));
  task.sizes = saved.sizes, task.heads = saved.heads;
  return task;
}

const Contender& best_of(const Contender* first, const Contender* last) {
  return *std::min_element(
      first, last, [](const auto& a, const auto& b) { return a.scores.mse() < b.scores.mse(); });
}

void print_verdict(const Contender& model, const Contender& baseline, bool among_models) {
  if (among_models) std::printf("  best on the validation rows: %s\n", model.name.c_str());
  const double skill = 100 * model.scores.skill(baseline.scores.mse());
  if (skill > 0)
    std::printf("  the model's squared error is %.1f %% below that of the best baseline, %s\n",
                skill, baseline.name.c_str());
  else
    std::printf("  the model LOSES: its squared error is %.1f %% above that of %s\n", -skill,
                baseline.name.c_str());
}

/// Forecast and pictures by one model; the picture shows a baseline beside it.
void write_forecast(const Task& task, const Predictor& predict, const Contender& baseline,
                    const std::string& checkpoints) {
  const Options& o = task.options;
  const fs::path out = o.out;
  const auto intervals =
      error_quantiles(task.rows, task.borders.validation.begin + o.lookback,
                      windows(task.borders.validation, o.lookback, o.horizon), o.horizon, predict);
  write_text(out / "forecast.csv",
             forecast_csv(task.series, task.scaler, intervals, predict, o.horizon));
  const Picture picture =
      last_window(task.series, task.scaler, task.rows, intervals, predict, baseline, o.horizon);
  const bool drawn =
      o.plot && draw(picture, out / "forecast.png") && draw(picture, out / "forecast.svg");
  if (o.plot && !drawn)
    std::puts("  no picture: gnuplot did not run (install gnuplot, or pass --no-plot)");
  std::printf("  written to %s: forecast.csv%s%s\n", out.string().c_str(),
              drawn ? ", forecast.png, forecast.svg" : "", checkpoints.c_str());
}

/// The one entrant that --load names.
std::vector<Entrant> saved_entrant(const Options& o, const Description& saved) {
  if (!o.model.empty() && o.model != saved.model)
    throw InputError(o.load + ": holds the model " + saved.model + ", not " + o.model +
                     " (leave --model out)");
  const auto entrant = chosen_entrants(saved.model);
  if (entrant.size() != 1) throw InputError(o.load + ": its model is not known: " + saved.model);
  return entrant;
}

void run(const Options& o) {
  Series series = to_series(read_csv(o.data, o.series.separator), o.series);
  const Split borders = split(series.values.rows(), o.lookback, borders_of(series.file));
  require_enough_rows(series, borders, o.lookback, o.horizon);
  const Index season = o.season ? o.season : Index(series.time.season());
  std::optional<Description> saved;
  if (!o.load.empty()) saved = read_description(o.load, series, o.horizon, season);
  const auto models = saved ? saved_entrant(o, *saved) : chosen_entrants(o.model);
  if (!o.quiet) std::fputs(describe(series, borders, o.lookback, o.horizon).c_str(), stdout);
  fs::create_directories(o.out);
  const Task task = saved ? loading_task(o, std::move(series), borders, season, *saved)
                          : training_task(o, std::move(series), borders, season);

  auto contenders = baselines(task.rows, borders, o.lookback, o.horizon, season);
  const std::size_t simple = contenders.size();
  std::size_t best = simple;  // on the validation rows
  double validation = std::numeric_limits<double>::infinity(), difference = 0;
  std::string checkpoints;
  for (const Entrant& e : models) {
    const std::string name =
        "model" + (models.size() > 1 ? "-" + std::string(e.key) : "") + ".safetensors";
    const fs::path file = saved ? fs::path(o.load) : fs::path(o.out) / name;
    Outcome outcome = e.run(task, {e.title, file, metadata(task, e.key)});
    if (!saved) checkpoints += ", " + name;
    if (outcome.validation_mse < validation)
      validation = outcome.validation_mse, best = contenders.size();
    difference = std::max(difference, outcome.step_difference);
    contenders.push_back(
        {e.title,
         std::move(outcome.predict),
         {},
         Cost{outcome.parameters, outcome.training_seconds, outcome.step_microseconds}});
  }
  for (auto& c : contenders)
    c.scores = evaluate(task.rows, task.first_test(), task.test_windows(), o.horizon, c.predict);
  std::fputs(score_table(contenders, task.series, task.scaler).c_str(), stdout);
  std::printf(
      "  %s test windows of %s rows, errors standardised, then mean absolute errors in the\n"
      "  data's own units\n",
      grouped(task.test_windows()).c_str(), grouped(o.horizon).c_str());
  const Contender& model = contenders[best];
  const Contender& baseline = best_of(contenders.data(), contenders.data() + simple);
  print_verdict(model, baseline, models.size() > 1);
  std::printf(
      "  streamed %s test rows one by one from what was saved: %.1f us a step (median),\n"
      "  largest difference to reading them at once %.1e\n",
      grouped(borders.test.end - task.first_test()).c_str(), model.cost->step_microseconds,
      difference);
  write_forecast(task, model.predict, baseline, checkpoints);
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
