// SPDX-License-Identifier: MIT
/// \file
/// The forecasts a model has to beat: the last value, the last season, and linear maps fitted in
/// closed form.
#pragma once

#include "metrics.hpp"
#include "ridge.hpp"

#include <algorithm>
#include <array>

namespace forecast {

/// Repeats the last row.
inline auto last_value(const Matrix& rows, Index horizon) {
  return [&rows, horizon](Index first, Index count, Forecasts& out) {
    for (Index w = 0; w < count; ++w)
      out.middleRows(w * horizon, horizon).rowwise() = rows.row(first + w - 1);
  };
}

/// Repeats the last `season` rows.
inline auto seasonal(const Matrix& rows, Index season, Index horizon) {
  return [&rows, season, horizon](Index first, Index count, Forecasts& out) {
    for (Index w = 0; w < count; ++w)
      for (Index h = 0; h < horizon; ++h)
        out.row(w * horizon + h) = rows.row(first + w - season + h % season);
  };
}

/// One linear map from the past of a variate, relative to its last value, shared by all variates:
///
///     y_h - x_L = sum_i W_hi (x_i - x_L) + b_h
struct NLinear {
  Index lookback, horizon;
  Matrix weight = {};  ///< [lookback + 1, horizon]; the last row is the intercept

  Index samples(Index windows, Index variates) const { return windows * variates; }
  Index regressors(Index) const { return lookback + 1; }

  /// Regressors of the windows with first targets first, first + 1, ...
  Matrix inputs(const Matrix& rows, Index first, Index count) const {
    Matrix f(count * rows.cols(), lookback + 1);
    for (Index w = 0; w < count; ++w)
      for (Index c = 0; c < rows.cols(); ++c) {
        const auto past = rows.col(c).segment(first + w - lookback, lookback);
        auto row = f.row(w * rows.cols() + c);
        row.head(lookback) = (past.array() - past[lookback - 1]).transpose();
        row[lookback] = 1;
      }
    return f;
  }

  Matrix targets(const Matrix& rows, Index first, Index count) const {
    Matrix y(count * rows.cols(), horizon);
    for (Index w = 0; w < count; ++w)
      for (Index c = 0; c < rows.cols(); ++c)
        y.row(w * rows.cols() + c) =
            (rows.col(c).segment(first + w, horizon).array() - rows(first + w - 1, c)).transpose();
    return y;
  }

  void predict(const Matrix& rows, Index first, Index count, Forecasts& out) const {
    const Matrix y = inputs(rows, first, count) * weight;
    for (Index w = 0; w < count; ++w)
      for (Index c = 0; c < rows.cols(); ++c)
        out.col(c).segment(w * horizon, horizon) =
            y.row(w * rows.cols() + c).transpose().array() + rows(first + w - 1, c);
  }
};

/// One linear map from the past of all variates to the future of all (vector autoregression), from
/// the last values and the earlier ones relative to them.
struct VectorAutoregression {
  Index lookback, horizon;
  Matrix weight = {};  ///< [lookback * variates + 1, horizon * variates]

  Index samples(Index windows, Index) const { return windows; }
  Index regressors(Index variates) const { return lookback * variates + 1; }

  Matrix inputs(const Matrix& rows, Index first, Index count) const {
    const Index C = rows.cols();
    Matrix f(count, lookback * C + 1);
    for (Index w = 0; w < count; ++w) {
      const auto last = rows.row(first + w - 1);
      for (Index i = 0; i + 1 < lookback; ++i)
        f.row(w).segment(i * C, C) = rows.row(first + w - lookback + i) - last;
      f.row(w).segment((lookback - 1) * C, C) = last;
      f(w, lookback * C) = 1;
    }
    return f;
  }

  Matrix targets(const Matrix& rows, Index first, Index count) const {
    const Index C = rows.cols();
    Matrix y(count, horizon * C);
    for (Index w = 0; w < count; ++w)
      for (Index h = 0; h < horizon; ++h)
        y.row(w).segment(h * C, C) = rows.row(first + w + h) - rows.row(first + w - 1);
    return y;
  }

  void predict(const Matrix& rows, Index first, Index count, Forecasts& out) const {
    const Index C = rows.cols();
    Matrix y = inputs(rows, first, count) * weight;
    for (Index w = 0; w < count; ++w)
      for (Index h = 0; h < horizon; ++h)
        out.row(w * horizon + h) = y.row(w).segment(h * C, C) + rows.row(first + w - 1);
  }
};

/// A linear forecaster and the choices validation made for it.
template <class Model>
struct Chosen {
  Model model;
  double strength = 0;        ///< ridge strength as a part of the number of samples
  double validation_mse = 0;  ///< infinite when no look-back was possible
};

/// Fits `model` to every training window with `past` rows before it, for every ridge strength, and
/// keeps what validates best.
template <class Model>
Chosen<Model> choose_strength(Model model, const Matrix& rows, const Split& split, Index lookback,
                              Index past, const std::vector<double>& strengths) {
  Chosen<Model> best{model, 0, std::numeric_limits<double>::infinity()};
  const Index train = windows(split.train, past, model.horizon);
  if (train < 1) return best;
  const Index border = split.validation.begin + lookback;  // the first validation target
  const Index count = windows(split.validation, lookback, model.horizon);
  const Ridge ridge(model, rows, past, train);
  for (const double strength : strengths) {
    model.weight = ridge.solve(strength);
    const auto scores =
        evaluate(rows, border, count, model.horizon,
                 [&](Index first, Index n, Forecasts& out) { model.predict(rows, first, n, out); });
    if (scores.mse() < best.validation_mse) best = {model, strength, scores.mse()};
  }
  return best;
}

/// Fits `Model` for every look-back and ridge strength, and keeps what validates best. Look-backs
/// that the training rows cannot fill, or with more regressors than `widest`, are passed over.
template <class Model>
Chosen<Model> choose_by_validation(const Matrix& rows, const Split& split, Index lookback,
                                   Index horizon, const std::vector<Index>& lookbacks,
                                   const std::vector<double>& strengths, Index widest = 1500) {
  Chosen<Model> best{{0, horizon}, 0, std::numeric_limits<double>::infinity()};
  for (const Index past : lookbacks) {
    const Model model{past, horizon};
    if (model.regressors(rows.cols()) > widest) continue;
    auto chosen = choose_strength(model, rows, split, lookback, past, strengths);
    if (chosen.validation_mse < best.validation_mse) best = std::move(chosen);
  }
  return best;
}

}  // namespace forecast
