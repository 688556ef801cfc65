// SPDX-License-Identifier: MIT
/// \file
/// What every model of one run is given, and what it gives back.
#pragma once

#include "linear_start.hpp"
#include "options.hpp"

#include <filesystem>

namespace forecast {

/// A series, ready to be learnt, and the sizes of the models that learn it.
struct Task {
  const Options& options;
  Series series;
  Split borders;
  Index season;
  Scaler scaler;
  Matrix rows;         ///< standardised
  ModelInputs inputs;  ///< the same for models
  sluice::ForecasterConfig sizes = {};
  Index heads = 0;         ///< of mixers that have any
  LinearStart start = {};  ///< of models that are to be trained

  Index first_test() const { return borders.test.begin + options.lookback; }
  Index test_windows() const { return windows(borders.test, options.lookback, options.horizon); }
};

/// One model of the run: what people call it, and the file that keeps it.
struct Entry {
  std::string title;
  std::filesystem::path file;
  std::string metadata;  ///< for the file
};

/// A model after its training, or as it was loaded.
struct Outcome {
  Predictor predict;
  double validation_mse = 0;
  Index parameters = 0;
  double training_seconds = 0;
  double step_microseconds = 0;  ///< median, reading the test rows one by one
  double step_difference = 0;    ///< largest, to reading them at once
};

}  // namespace forecast
