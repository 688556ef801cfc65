// SPDX-License-Identifier: MIT
/// \file
/// What the linear paths of the model begin as: found in closed form, chosen by validation. This is
/// better than what a short training finds, and training goes on from there.
#pragma once

#include "model.hpp"
#include "table.hpp"

namespace forecast {

/// The model's map of recent rows and covariates, as a regression on what `own` leaves.
struct RecentRegression {
  const ModelInputs* inputs_of_model;
  const NLinear* own;  ///< null: the whole change is left
  Index recent, horizon;
  Matrix weight = {};  ///< [recent * variates + covariates + 1, horizon * variates]

  /// Rows that must lie before the first target.
  Index lookback() const { return own ? std::max(own->lookback, recent) : recent; }
  Index samples(Index windows, Index) const { return windows; }
  Index regressors(Index variates) const {
    return recent * variates + inputs_of_model->covariates + 1;
  }

  /// The newest row, the earlier ones relative to it, the newest first; covariates; 1.
  Matrix inputs(const Matrix& rows, Index first, Index count) const {
    const Index C = rows.cols(), E = inputs_of_model->covariates;
    Matrix f(count, regressors(C));
    for (Index w = 0; w < count; ++w) {
      const Index t = first + w - 1;
      f.row(w).head(C) = rows.row(t);
      for (Index k = 1; k < recent; ++k) f.row(w).segment(k * C, C) = rows.row(t - k) - rows.row(t);
      for (Index e = 0; e < E; ++e) f(w, recent * C + e) = inputs_of_model->rows(0, t, C + e);
      f(w, recent * C + E) = 1;
    }
    return f;
  }

  Matrix targets(const Matrix& rows, Index first, Index count) const {
    Matrix y = VectorAutoregression{recent, horizon}.targets(rows, first, count);
    if (own) y -= own_changes(rows, first, count);
    return y;
  }

  void predict(const Matrix& rows, Index first, Index count, Forecasts& out) const {
    const Index C = rows.cols();
    Matrix y = inputs(rows, first, count) * weight;
    if (own) y += own_changes(rows, first, count);
    for (Index w = 0; w < count; ++w)
      for (Index h = 0; h < horizon; ++h)
        out.row(w * horizon + h) = y.row(w).segment(h * C, C) + rows.row(first + w - 1);
  }

 private:
  Matrix own_changes(const Matrix& rows, Index first, Index count) const {
    const Index C = rows.cols();
    const Matrix z = own->inputs(rows, first, count) * own->weight;
    Matrix y(count, horizon * C);
    for (Index w = 0; w < count; ++w)
      for (Index c = 0; c < C; ++c)
        for (Index h = 0; h < horizon; ++h) y(w, h * C + c) = z(w * C + c, h);
    return y;
  }
};

/// What both linear paths begin as.
struct LinearStart {
  std::optional<NLinear> own;  ///< nothing where it does not help
  Index recent = 0;            ///< rows of the other path
  Matrix recent_weight = {};   ///< as in RecentRegression
  double own_strength = 0, recent_strength = 0, validation_mse = 0;

  /// Earlier rows that the model's own-past path needs.
  Index past() const { return own ? own->lookback - 1 : 0; }

  std::string text() const {
    const auto part = [](const char* whose, Index rows, double strength) {
      return whose + std::to_string(rows) + " rows (ridge " + readable(strength, 1) + ")";
    };
    std::string out =
        own ? part("each variate's own last ", own->lookback, own_strength) + ", " : "";
    return out + part("all variates' last ", recent, recent_strength);
  }
};

/// Fits the own past alone, then the recent rows to what that leaves and to all of it; the better
/// one on the validation rows is the start.
inline LinearStart choose_linear_start(const ModelInputs& inputs, const Matrix& rows,
                                       const Split& split, Index lookback, Index horizon,
                                       Index recent) {
  const std::vector<double> strengths{1e-2, 0.1, 1, 10, 100};
  const auto alone = choose_nlinear(rows, split, lookback, horizon);
  LinearStart best;
  best.validation_mse = std::numeric_limits<double>::infinity();
  for (const bool with_own : {false, true}) {
    if (with_own && !std::isfinite(alone.validation_mse)) continue;
    const RecentRegression model{&inputs, with_own ? &alone.model : nullptr, recent, horizon};
    const auto chosen = choose_strength(model, rows, split, lookback, model.lookback(), strengths);
    if (!(chosen.validation_mse < best.validation_mse)) continue;
    best.own.reset();
    if (with_own) best.own = alone.model;
    best.recent = recent, best.recent_weight = chosen.model.weight;
    best.own_strength = alone.strength, best.recent_strength = chosen.strength;
    best.validation_mse = chosen.validation_mse;
  }
  return best;
}

/// Begins the linear paths of a model, made with `start.past()` earlier rows, as the fitted ones.
template <class Model>
void begin(Model& model, const LinearStart& start) {
  const auto& c = model.config;
  const Index R = c.recent * c.variates, E = c.covariates;
  const Matrix& recent = start.recent_weight;
  for (Index o = 0; o < recent.cols(); ++o) {
    for (Index i = 0; i < R; ++i) model.skip.weight(o, i) = float(recent(i, o));
    for (Index e = 0; e < E; ++e) model.skip_covariates->weight(o, e) = float(recent(R + e, o));
    (*model.skip.bias)(o) = float(recent(R + E, o));
  }
  if (!start.own) return;
  const Matrix& own = start.own->weight;
  for (Index h = 0; h < c.horizon; ++h) {
    for (Index i = 0; i < c.past; ++i) model.own->weight(h, i) = float(own(i, h));
    model.own->bias(h) = float(own(c.past + 1, h));
  }
}

}  // namespace forecast
