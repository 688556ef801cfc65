// SPDX-License-Identifier: MIT
/// \file
/// A causal forecaster of many variates: linear maps of the recent past, corrected by a stack of
/// gated linear attention.
#pragma once

#include <sluice/layers/shared_autoregression.hpp>
#include <sluice/models/gla_lm.hpp>
#include <sluice/ops/dropout.hpp>

#include <optional>
#include <vector>

namespace sluice {

/// Sizes of a `Forecaster`.
struct ForecasterConfig {
  Index variates = 1;
  Index covariates = 0;    ///< further inputs that are known but not forecast, such as the hour
  Index horizon = 24;      ///< tokens ahead
  Index recent_rows = 24;  ///< tokens that the attention and the joint map see at once
  bool joint = true;       ///< whether a linear map goes from all variates to all
  Index own_rows = 0;      ///< tokens of the map that all variates share; 0: no such map
  Index width = 32;
  Index layers = 2;
  Index heads = 2;
};

/// What a forward pass leaves out at random, while recording.
struct ForecasterDropout {
  double inputs = 0.3, branches = 0.5, output = 0.7;
};

namespace detail {

/// y [B, T, H C] plus the first C features of x [B, T, ..] at every step ahead.
template <class S>
Variable<S, 3> add_newest(const Variable<S, 3>& y, const Variable<S, 3>& x, Index C) {
  const auto z = y.tape->result(y.shape(), y, x);
  const Index n = y.dim(2);
  for_each_row(
      [=](const S* change, const S* newest, S* to) {
        for (Index i = 0; i < n; i += C)
          for (Index c = 0; c < C; ++c) to[i + c] = change[i + c] + newest[c];
      },
      y.value, x.value, z.out);
  if (z.gradient)
    y.tape->on_backward([y, x, z, n, C] {
      for_each_row(
          [=](const S* dz, S* dy, S* dx) {
            for (Index i = 0; i < n; i += C)
              for (Index c = 0; c < C; ++c) {
                if (dy) dy[i + c] += dz[i + c];
                if (dx) dx[c] += dz[i + c];
              }
          },
          View<const S, 3>(z.gradient), y.gradient, x.gradient);
    });
  return z;
}

}  // namespace detail

/// After every token, the `horizon` tokens that follow it:
///
///     y_t = x_t + joint(recent_t) + own(past_t) + head(norm(blocks(embed(recent_t))))
///
/// x [B, T, variates + covariates], y [B, T, horizon variates], all variates of a step together.
/// `recent_t` are the newest rows of all variates, see `RecentRows`. The two linear maps have
/// closed-form solutions, a good place to start from; the head begins near 0.
template <class S>
struct Forecaster {
  using Scalar = S;
  using Config = ForecasterConfig;

  struct State {
    typename RecentRows<S>::State recent;
    std::optional<typename SharedAutoregression<S>::State> own;
    std::vector<typename GLABlock<S>::State> blocks;
    static constexpr auto fields() {
      return std::tuple{field("recent", &State::recent), field("own", &State::own),
                        field("blocks", &State::blocks)};
    }
  };

  Config config;
  RecentRows<S> recent;
  std::optional<Linear<S>> joint;
  std::optional<SharedAutoregression<S>> own;
  Linear<S> embed;
  std::vector<GLABlock<S>> blocks;
  RMSNorm<S> norm;
  Linear<S> head;

  /// \throws ArgumentError  if a size is out of range, or the heads do not divide half the width.
  Forecaster(const Config& c, Rng& rng)
      : config(checked(c)),
        recent(c.variates, c.recent_rows, {.beside = c.covariates, .by_variate = false}),
        embed(recent.out(), c.width, rng, {.bias = true}),
        norm(c.width),
        head(c.width, c.horizon * c.variates, rng, {.bias = false, .deviation = 1e-4}) {
    GatedLinearAttentionConfig mixer;
    mixer.width = c.width, mixer.num_heads = c.heads;
    mixer.deviation = 0;  // uniform by the width
    for (Index i = 0; i < c.layers; ++i) blocks.emplace_back(mixer, 2 * c.width, rng);
    if (c.joint)
      joint.emplace(recent.out(), c.horizon * c.variates, rng,
                    LinearOptions{.bias = true, .deviation = 1e-3});
    if (c.own_rows > 0) own.emplace(c.variates, c.own_rows, c.horizon, rng);
  }

  static constexpr auto fields() {
    using L = Forecaster;
    return std::tuple{field("joint", &L::joint), field("own", &L::own),
                      field("embed", &L::embed), field("blocks", &L::blocks),
                      field("norm", &L::norm),   field("head", &L::head)};
  }

  Index in() const noexcept { return recent.in(); }

  State initial_state(Index batch) const {
    State state{recent.initial_state(batch), {}, {}};
    if (own) state.own = own->initial_state(batch);
    for (const auto& block : blocks) state.blocks.push_back(block.initial_state(batch));
    return state;
  }

  /// x [B, T, variates + covariates] -> [B, T, horizon variates].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    return run(x, state, [](const Variable<S, 3>& y, double) { return y; }, {});
  }

  /// The same for training: while the tape records, parts are left out as `rng` has it.
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state, const ForecasterDropout& rates,
                            Rng& rng) const {
    return run(
        x, state, [&](const Variable<S, 3>& y, double rate) { return dropout(y, rate, rng); },
        rates);
  }

 private:
  template <class Drop>
  Variable<S, 3> run(const Variable<S, 3>& x, State& state, const Drop& drop,
                     const ForecasterDropout& rates) const {
    Tape<S>& tape = *x.tape;
    const auto rows = recent(x, state.recent);
    auto h = embed(drop(rows, rates.inputs));
    for (std::size_t i = 0; i < blocks.size(); ++i)
      h = tape.tidy([&] {
        const auto& block = blocks[i];
        const auto mixed =
            h + drop(block.attn(block.attn_norm(h), state.blocks[i]), rates.branches);
        return mixed + drop(block.mlp(block.mlp_norm(mixed)), rates.branches);
      });
    auto y = head(drop(norm(h), rates.output));
    if (joint) y = y + (*joint)(drop(rows, rates.inputs));
    if (own) y = y + (*own)(slice(x, 2, 0, config.variates), *state.own);
    return detail::add_newest(y, x, config.variates);
  }

  static const Config& checked(const Config& c) {
    const auto at_least = [](Index least, const char* what, Index got) {
      require(got >= least, "Forecaster", what, "at least " + std::to_string(least),
              std::to_string(got));
    };
    at_least(1, "variates", c.variates), at_least(0, "covariates", c.covariates);
    at_least(1, "horizon", c.horizon), at_least(1, "recent_rows", c.recent_rows);
    at_least(0, "own_rows", c.own_rows), at_least(1, "width", c.width);
    at_least(0, "layers", c.layers), at_least(1, "heads", c.heads);
    return c;
  }
};

}  // namespace sluice
