// SPDX-License-Identifier: MIT
/// \file
/// A forecaster of several variates that reads one row a step and at every step forecasts the next
/// rows of all of them.
#pragma once

#include <sluice/layers/blocks/stack.hpp>
#include <sluice/layers/blocks/transformer_block.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/mixers/own_past.hpp>
#include <sluice/layers/mixers/recent_rows.hpp>
#include <sluice/ops/dropout.hpp>
#include <sluice/ops/slice.hpp>

#include <cmath>
#include <optional>
#include <tuple>

namespace sluice {

struct ForecasterConfig {
  Index variates = 1;    ///< columns that are read and forecast
  Index covariates = 0;  ///< columns known beforehand, such as the hour, that are only read
  Index horizon = 24;    ///< rows forecast at every step
  Index recent = 24;     ///< rows side by side in front of the skip path and the blocks
  Index past = 0;        ///< earlier rows from which every variate is forecast alone; 0: none
  Index width = 32, layers = 2;
  double input_dropout = 0, dropout = 0, head_dropout = 0;  ///< on the rows, branches, and output
};

/// Two linear maps plus a stack of blocks of any mixer for what they leave:
///
///     y = own(past) + skip(recent, covariates) + head(norm(blocks(embed(recent, covariates))))
///
/// y[b, t, h variates + c] is the change of variate c from row t to row t + 1 + h. `own` sees far
/// back and one variate at a time; `skip`, a vector autoregression, sees all variates of the recent
/// rows. Both may begin as fitted maps: `own` begins at zero, `skip` and the head near it.
template <class Mixer>
struct Forecaster {
  using Scalar = typename Mixer::Scalar;
  using S = Scalar;
  using Block = TransformerBlock<Mixer>;

  struct State {
    std::optional<typename OwnPast<S>::State> own;
    typename RecentRows<S>::State recent;
    typename Stack<Block>::State blocks;
    static constexpr auto fields() {
      return std::tuple{field("own", &State::own), field("recent", &State::recent),
                        field("blocks", &State::blocks)};
    }
  };

  ForecasterConfig config;
  std::optional<OwnPast<S>> own;
  RecentRows<S> recent;
  Linear<S> skip, embed;
  std::optional<Linear<S>> skip_covariates, embed_covariates;
  Stack<Block> blocks;
  RMSNorm<S> norm;
  Linear<S> head;

  /// \param mixer  of every block; its width is set to that of the forecaster.
  /// \throws ArgumentError  if the sizes do not fit each other.
  Forecaster(const ForecasterConfig& c, typename Mixer::Config mixer, Rng& rng)
      : config(c),
        recent(c.variates, c.recent),
        skip(c.variates * c.recent, c.horizon * c.variates, rng, {.bias = true, .deviation = 1e-3}),
        embed(c.variates * c.recent, c.width, rng, {.bias = true}),
        norm(c.width),
        head(c.width, c.horizon * c.variates, rng, {.bias = false, .deviation = 1e-4}) {
    if (c.past > 0) own.emplace(c.variates, c.past, c.horizon);
    if (c.covariates > 0) {
      skip_covariates.emplace(c.covariates, c.horizon * c.variates, rng,
                              LinearOptions{.bias = false, .deviation = 1e-3});
      embed_covariates.emplace(c.covariates, c.width, rng);
    }
    mixer.width = c.width;
    const TransformerBlockOptions options{
        .norm_eps = 1e-5,
        .linear = {.bias = false, .deviation = std::sqrt(1 / (3.0 * double(c.width)))},
        .dropout = c.dropout};
    blocks.reserve(c.layers);
    for (Index i = 0; i < c.layers; ++i)
      blocks.push_back(transformer_block<Mixer>(mixer, 2 * c.width, rng, options));
  }

  static constexpr auto fields() {
    using L = Forecaster;
    return std::tuple{field("own", &L::own),
                      field("skip", &L::skip),
                      field("skip_covariates", &L::skip_covariates),
                      field("embed", &L::embed),
                      field("embed_covariates", &L::embed_covariates),
                      field("blocks", &L::blocks),
                      field("norm", &L::norm),
                      field("head", &L::head)};
  }

  State initial_state(Index batch) const {
    State state{{}, recent.initial_state(batch), blocks.initial_state(batch)};
    if (own) state.own = own->initial_state(batch);
    return state;
  }

  /// x [B, T, variates + covariates] -> y [B, T, horizon variates].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const auto variates = slice(x, 2, 0, config.variates);
    const auto rows = recent(variates, state.recent);
    auto y = skip(dropout(rows, config.input_dropout));
    if (own) y = y + (*own)(variates, *state.own);
    auto z = embed(dropout(rows, config.input_dropout));
    if (config.covariates > 0) {
      const auto known = slice(x, 2, config.variates, config.covariates);
      y = y + (*skip_covariates)(known);
      z = z + (*embed_covariates)(known);
    }
    return y + head(dropout(norm(blocks(z, state.blocks)), config.head_dropout));
  }
};

}  // namespace sluice
