// SPDX-License-Identifier: MIT
/// \file
/// The whole way of one model: train it and save it, then load it, read the test rows at once and
/// one by one.
#pragma once

#include "mixers.hpp"
#include "training.hpp"

#include <sluice/io/safetensors.hpp>
#include <sluice/models/stream.hpp>

namespace forecast {

/// Reads the test rows one by one, and compares with what the model said at once.
template <class Model>
void stream_test_rows(const Model& model, const Task& task, const Matrix& at_once,
                      Outcome& outcome) {
  const Index first = task.first_test(), last = task.borders.test.end;
  const View<const float, 3> all(task.inputs.rows);
  sluice::Stream stream(model, all.dim(2));
  stream.read(slice(all, 1, 0, first));
  std::vector<double> micros;
  for (Index t = first; t < last; ++t) {
    const Clock clock;
    const auto y = stream.step(slice(all, 1, t, 1));
    micros.push_back(1e6 * clock.seconds());
    for (Index i = 0; i < at_once.cols(); ++i)
      outcome.step_difference =
          std::max(outcome.step_difference, std::abs(double(y.row(0, 0)[i]) - at_once(t, i)));
  }
  std::sort(micros.begin(), micros.end());
  outcome.step_microseconds = quantile(micros, 0.5);
}

/// A model whose blocks have the given mixers, trained unless --load names one. The trained one is
/// saved, and what is judged has been read from the file.
/// \throws InputError  if the file does not hold such a model.
template <class Mixer>
Outcome run_model(const Task& task, const Entry& entry, const typename Mixer::Config& mixer) {
  using Model = sluice::Forecaster<Mixer>;
  const Options& o = task.options;
  Outcome outcome;
  sluice::Rng rng = o.load.empty() ? sluice::Rng(o.seed) : sluice::Rng::blank();
  Model model(task.sizes, mixer, rng);
  outcome.parameters = sluice::count(model);
  if (o.load.empty()) {
    begin(model, task.start);
    if (!o.quiet)
      std::printf("training %s: %s numbers on %d threads, seed %llu\n", entry.title.c_str(),
                  grouped(outcome.parameters).c_str(), o.threads,
                  static_cast<unsigned long long>(o.seed));
    const Clock clock;
    outcome.validation_mse = train(model, task.inputs, task.rows, task.borders, o);
    outcome.training_seconds = clock.seconds();
    if (!o.quiet) std::printf("  trained in %.1f s\n\n", outcome.training_seconds);
    sluice::save_safetensors(entry.file, model, {{"forecast", entry.metadata}});
  }
  try {
    sluice::load_safetensors(entry.file, model);
  } catch (const sluice::CheckpointError& e) {
    throw InputError(e.what());
  }
  const Matrix at_once = all_forecasts(model, task.inputs, task.rows.rows());
  outcome.predict = predictor(at_once, task.rows, o.horizon);
  stream_test_rows(model, task, at_once, outcome);
  return outcome;
}

}  // namespace forecast
