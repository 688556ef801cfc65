// SPDX-License-Identifier: MIT
/// \file
/// All baselines of one series, fitted, chosen by validation and scored on the test rows.
#pragma once

#include "baselines.hpp"

#include <functional>
#include <optional>
#include <string>

namespace forecast {

/// Anything that forecasts windows, as `evaluate` asks for it.
using Predictor = std::function<void(Index first, Index count, Forecasts& out)>;

/// What a trained model took, and takes.
struct Cost {
  Index parameters;
  double training_seconds, step_microseconds;
};

/// A forecaster under its name, and how it did on the test rows.
struct Contender {
  std::string name;
  Predictor predict;
  Scores scores = {};
  std::optional<Cost> cost = {};  ///< of a trained model
};

/// NLinear with what validates best among common look-backs and the one asked for. The work grows
/// with the square of a look-back, so that there is a longest.
inline Chosen<NLinear> choose_nlinear(const Matrix& rows, const Split& split, Index lookback,
                                      Index horizon) {
  return choose_by_validation<NLinear>(
      rows, split, lookback, horizon,
      {12, 24, 48, 96, 168, 336, std::clamp<Index>(lookback, 2, 1000)}, {1e-4, 1e-3, 1e-2, 0.1, 1});
}

/// Last value, season, NLinear and vector autoregression; those that the file allows.
/// Look-backs and ridge strengths are chosen on the validation rows. Keeps a reference to `rows`.
inline std::vector<Contender> baselines(const Matrix& rows, const Split& split, Index lookback,
                                        Index horizon, Index season) {
  std::vector<Contender> all;
  all.push_back({"last value", last_value(rows, horizon)});
  if (season > 1 && season <= lookback)
    all.push_back({"seasonal, " + std::to_string(season), seasonal(rows, season, horizon)});

  const auto linear = [&](const std::string& name, const auto& chosen) {
    if (!std::isfinite(chosen.validation_mse)) return;
    const auto& model = chosen.model;
    all.push_back({name + ", L=" + std::to_string(model.lookback),
                   [model, &rows](Index first, Index count, Forecasts& out) {
                     model.predict(rows, first, count, out);
                   }});
  };
  linear("NLinear ridge", choose_nlinear(rows, split, lookback, horizon));
  linear("VAR ridge",
         choose_by_validation<VectorAutoregression>(
             rows, split, lookback, horizon, {12, 24, 48, 72, 96, 168}, {1e-3, 1e-2, 0.1, 1, 3}));
  return all;
}

}  // namespace forecast
