// SPDX-License-Identifier: MIT
/// \file
/// A forecasting model on a series: its inputs and its forecasts.
#pragma once

#include "baseline_set.hpp"

#include <sluice/models/forecasting/forecaster.hpp>

#include <cmath>
#include <memory>

namespace forecast {

using sluice::Tape;
using sluice::Tensor;
using sluice::View;

/// What a model reads: every row standardised, with the place of the row in its season as sine
/// and cosine of one and two turns a season.
struct ModelInputs {
  Tensor<float, 3> rows;  ///< [1, rows, variates + covariates]
  Index variates, covariates;
};

inline Index covariates_of(Index season) { return season < 2 ? 0 : season < 4 ? 2 : 4; }

inline ModelInputs model_inputs(const Matrix& rows, Index season) {
  const Index T = rows.rows(), C = rows.cols(), E = covariates_of(season);
  ModelInputs inputs{Tensor<float, 3>(1, T, C + E), C, E};
  for (Index t = 0; t < T; ++t) {
    for (Index c = 0; c < C; ++c) inputs.rows(0, t, c) = float(rows(t, c));
    for (Index e = 0; e < E; ++e) {
      const double turns = double(1 + e / 2) * double(t % season) / double(season);
      const double angle = 2 * 3.141592653589793 * turns;
      inputs.rows(0, t, C + e) = float(e % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return inputs;
}

/// What a model says at rows 0 .. end - 1, each with all rows before it read: [end, horizon *
/// variates], changes relative to the row.
template <class Model>
Matrix all_forecasts(const Model& model, const ModelInputs& inputs, Index end,
                     sluice::Executor executor = {}) {
  Tape<float> tape(executor);
  tape.start();
  auto state = model.initial_state(1);
  const auto read = slice(View<const float, 3>(inputs.rows), 1, 0, end);
  const auto y = model(tape.input(read), state).value;
  Matrix out(y.dim(1), y.dim(2));
  for (Index t = 0; t < out.rows(); ++t)
    for (Index i = 0; i < out.cols(); ++i) out(t, i) = y.row(0, t)[i];
  return out;
}

/// Forecasts of windows, read off `all_forecasts`. Keeps a reference to `rows`.
inline Predictor predictor(Matrix changes, const Matrix& rows, Index horizon) {
  const auto kept = std::make_shared<const Matrix>(std::move(changes));
  return [kept, &rows, horizon](Index first, Index count, Forecasts& out) {
    const Index C = rows.cols();
    for (Index w = 0; w < count; ++w)
      for (Index h = 0; h < horizon; ++h)
        out.row(w * horizon + h) =
            rows.row(first + w - 1) + kept->row(first + w - 1).segment(h * C, C);
  };
}

}  // namespace forecast
