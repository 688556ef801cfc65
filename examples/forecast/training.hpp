// SPDX-License-Identifier: MIT
/// \file
/// The training loop: random windows of the training rows, AdamW, and the weights that validate
/// best.
#pragma once

#include "model.hpp"
#include "options.hpp"
#include "progress.hpp"

#include <sluice/ops/loss.hpp>
#include <sluice/parallel/thread_team.hpp>
#include <sluice/train/adamw.hpp>
#include <sluice/train/clip.hpp>
#include <sluice/train/ema.hpp>
#include <sluice/train/schedule.hpp>

namespace forecast {

/// Windows of consecutive rows, the changes they should forecast, and the rows before them in the
/// states of the linear paths, which in use always have a past.
template <class Model>
struct Batch {
  Tensor<float, 3> x, target;
  typename Model::State start;

  Batch(Index size, Index tokens, const ModelInputs& inputs, const Model& model)
      : x(size, tokens, inputs.variates + inputs.covariates),
        target(size, tokens, model.config.horizon * inputs.variates),
        start(model.initial_state(size)) {}

  /// Rows that must lie before a window.
  static Index before(const Model& model) {
    return std::max(model.config.past, model.config.recent - 1);
  }

  void fill(Index b, Index begin, const ModelInputs& inputs, Index horizon) {
    const Index C = inputs.variates, width = x.dimension(2);
    for (Index t = 0; t < x.dimension(1); ++t) {
      for (Index i = 0; i < width; ++i) x(b, t, i) = inputs.rows(0, begin + t, i);
      for (Index h = 0; h < horizon; ++h)
        for (Index c = 0; c < C; ++c)
          target(b, t, h * C + c) =
              inputs.rows(0, begin + t + 1 + h, c) - inputs.rows(0, begin + t, c);
    }
    auto& recent = start.recent.rows;
    for (Index i = 0, n = recent.dimension(1); i < n; ++i)
      for (Index c = 0; c < C; ++c) recent(b, i, c) = inputs.rows(0, begin - n + i, c);
    if (!start.own) return;
    auto& own = start.own->series;
    for (Index c = 0; c < C; ++c)
      for (Index i = 0, n = own.dimension(2); i < n; ++i)
        own(b, c, i) = inputs.rows(0, begin - n + i, c);
  }
};

/// Mean squared error over every validation window.
template <class Model>
double validate(const Model& model, const ModelInputs& inputs, const Matrix& rows,
                const Split& split, Index lookback, sluice::Executor executor) {
  const Index horizon = model.config.horizon;
  return evaluate(
             rows, split.validation.begin + lookback, windows(split.validation, lookback, horizon),
             horizon,
             predictor(all_forecasts(model, inputs, split.validation.end, executor), rows, horizon))
      .mse();
}

/// Trains `model` in place and leaves it with the weights that did best on the validation rows,
/// which may be the ones it came with, and answers their validation error. Ctrl-C and --minutes end
/// training early.
template <class Model>
double train(Model& model, const ModelInputs& inputs, const Matrix& rows, const Split& split,
             const Options& o) {
  using namespace sluice;
  ThreadTeam team(o.threads);
  Rng windows_drawn = Rng(o.seed).split(1), masks = Rng(o.seed).split(2);
  auto gradient = zeros_like(model);
  AdamW optimizer(
      model, {.learning_rate = o.learning_rate, .beta2 = 0.99, .weight_decay = o.weight_decay});
  Ema average(model, 0.99);
  const Index before = Batch<Model>::before(model), room = split.train.size() - before - o.horizon;
  const Index tokens = std::min(o.lookback, room);
  const Index batch_rows = o.batch * tokens;
  const int per_epoch = int((split.train.size() + batch_rows - 1) / batch_rows);
  const int steps = o.epochs * per_epoch, warm_up = steps / 20;
  const auto rate = linear_warm_up(warm_up, cosine_decay(steps - warm_up, 0.02));
  Batch<Model> batch(o.batch, tokens, inputs, model);
  Tape<float> tape(team);

  Model best = model;
  Standing standing;
  standing.epochs = o.epochs;
  standing.best = standing.validation = validate(model, inputs, rows, split, o.lookback, team);
  const auto consider = [&](const Model& candidate) {
    const double error = validate(candidate, inputs, rows, split, o.lookback, team);
    if (error < standing.best) standing.best = error, best = candidate;
    return error;
  };
  Progress progress(stdout, o.quiet);
  const Interrupt interrupt;
  const Clock clock;
  int last_better = 0;
  for (int epoch = 1; epoch <= o.epochs && epoch - last_better <= o.patience; ++epoch) {
    double loss_sum = 0;
    standing.epoch = epoch;
    for (int i = 0; i < per_epoch; ++i) {
      const int step = (epoch - 1) * per_epoch + i;
      for (Index b = 0; b < o.batch; ++b)
        batch.fill(b, before + Index(windows_drawn.below(std::uint64_t(room - tokens + 1))), inputs,
                   o.horizon);
      set_zero(gradient);
      auto state = batch.start;
      tape.record(model, gradient);
      tape.train(masks);
      const auto y = model(tape.input(batch.x), state);
      masks = tape.draws();
      const auto loss = mean_squared_error(y, View<const float, 3>(batch.target));
      tape.backward(loss);
      clip_by_global_norm(gradient, 1);
      optimizer.step(model, gradient, rate(step));
      average.update(model);
      loss_sum += loss.value();
      standing.train = loss_sum / (i + 1);
      standing.done = double(step + 1) / steps;
      standing.rows_per_second = double(step + 1) * double(batch_rows) / clock.seconds();
      progress.show(standing, false);
    }
    const double previous = standing.best;
    standing.validation = std::min(consider(model), consider(average.model()));
    if (standing.best < previous) last_better = epoch;
    progress.show(standing, true);
    if (interrupt.requested() || (o.minutes > 0 && clock.seconds() > 60 * o.minutes)) break;
  }
  progress.done();
  model = best;
  return standing.best;
}

}  // namespace forecast
