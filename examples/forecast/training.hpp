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

/// Windows of consecutive rows, the changes they should forecast, and which of these count.
struct Batch {
  Tensor<float, 3> x, target, weight;

  Batch(Index size, Index tokens, const ModelInputs& inputs, const Model& model)
      : x(size, tokens, inputs.variates + inputs.covariates),
        target(size, tokens, model.config.horizon * inputs.variates),
        weight(target.dimensions()) {
    // The first rows of a window lack the recent rows that the model will always have.
    const Index lacking = std::min(model.config.recent, tokens - 1);
    for (Index b = 0; b < size; ++b)
      for (Index t = 0; t < tokens; ++t)
        for (Index i = 0; i < weight.dimension(2); ++i) weight(b, t, i) = t < lacking ? 0.f : 1.f;
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
  }
};

/// Mean squared error over every validation window.
inline double validate(const Model& model, const ModelInputs& inputs, const Matrix& rows,
                       const Split& split, Index lookback, sluice::Executor executor) {
  const Index horizon = model.config.horizon;
  return evaluate(rows, split.validation.begin + lookback,
                  windows(split.validation, lookback, horizon), horizon,
                  predictor(all_forecasts(model, inputs, executor), rows, horizon))
      .mse();
}

/// Trains `model` in place and leaves it with the weights that did best on the validation rows,
/// which may be the ones it came with. Ctrl-C and --minutes end training early.
inline void train(Model& model, const ModelInputs& inputs, const Matrix& rows, const Split& split,
                  const Options& o) {
  using namespace sluice;
  ThreadTeam team(o.threads);
  Rng windows_drawn = Rng(o.seed).split(1), masks = Rng(o.seed).split(2);
  auto gradient = zeros_like(model);
  AdamW optimizer(
      model, {.learning_rate = o.learning_rate, .beta2 = 0.99, .weight_decay = o.weight_decay});
  Ema average(model, 0.99);
  const Index tokens = std::min(o.lookback, split.train.size() - o.horizon);
  const Index batch_rows = o.batch * tokens;
  const int per_epoch = int((split.train.size() + batch_rows - 1) / batch_rows);
  const int steps = o.epochs * per_epoch, warm_up = steps / 20;
  const auto rate = linear_warm_up(warm_up, cosine_decay(steps - warm_up, 0.02));
  Batch batch(o.batch, tokens, inputs, model);
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
      for (Index b = 0; b < o.batch; ++b) {
        const Index room = split.train.size() - tokens - o.horizon + 1;
        batch.fill(b, split.train.begin + Index(windows_drawn.below(std::uint64_t(room))), inputs,
                   o.horizon);
      }
      set_zero(gradient);
      auto state = model.initial_state(o.batch);
      tape.record(model, gradient);
      const auto y = model(tape.input(View<const float, 3>(batch.x)), state, masks);
      const auto loss = mean_squared_error(y, View<const float, 3>(batch.target),
                                           View<const float, 3>(batch.weight));
      tape.backward(loss);
      clip_by_global_norm(gradient, 1);
      optimizer.step(model, gradient, rate(step));
      average.update(model);
      loss_sum += *loss.value.data();
      standing.train = loss_sum / (i + 1);
      standing.done = double(step + 1) / steps;
      standing.rows_per_second = double(step + 1) * double(batch_rows) / clock.seconds();
      progress.show(standing, false);
    }
    const double before = standing.best;
    standing.validation = std::min(consider(model), consider(average.model()));
    if (standing.best < before) last_better = epoch;
    progress.show(standing, true);
    if (interrupt.requested() || (o.minutes > 0 && clock.seconds() > 60 * o.minutes)) break;
  }
  progress.done();
  model = best;
}

}  // namespace forecast
