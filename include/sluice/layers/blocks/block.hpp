// SPDX-License-Identifier: MIT
/// \file
/// The block that most architectures repeat: first tokens are mixed, then channels.
#pragma once

#include <sluice/layers/blocks/branch.hpp>

#include <tuple>

namespace sluice {

namespace detail {

/// The states of two layers in a row: that of the one that has one, or both.
template <class First, class Second>
struct BlockState {};
template <Causal First, class Second>
requires(!Causal<Second>) struct BlockState<First, Second> {
  using State = typename First::State;
  static State make(const First& first, const Second&, Index batch) {
    return first.initial_state(batch);
  }
  static State& first(State& state) { return state; }
  static NoState second(State&) { return {}; }
};
template <class First, Causal Second>
requires(!Causal<First>) struct BlockState<First, Second> {
  using State = typename Second::State;
  static State make(const First&, const Second& second, Index batch) {
    return second.initial_state(batch);
  }
  static NoState first(State&) { return {}; }
  static State& second(State& state) { return state; }
};
template <Causal First, Causal Second>
struct BlockState<First, Second> {
  struct State {
    typename First::State mix;
    typename Second::State feed;
    static constexpr auto fields() {
      return std::tuple{field("mix", &State::mix), field("feed", &State::feed)};
    }
  };
  static State make(const First& first, const Second& second, Index batch) {
    return {first.initial_state(batch), second.initial_state(batch)};
  }
  static typename First::State& first(State& state) { return state.mix; }
  static typename Second::State& second(State& state) { return state.feed; }
};

}  // namespace detail

/// Two branches: `mix` around a mixer of tokens, `feed` around a layer of every token by itself.
/// Causal, with a `State`, if one of them is; conditions reach the parts that declare them.
///
///     struct Names { struct Mix { .. norm, inner, gate .. }; struct Feed { .. }; };
template <class Mixer, class Feed, class Norm, class Gate, class Names, class Wiring = Pre>
struct Block : detail::BlockState<Mixer, Feed> {
  using Scalar = typename Mixer::Scalar;
  static constexpr bool causal = Causal<Mixer> || Causal<Feed>;

  Branch<Norm, Mixer, Gate, typename Names::Mix, Wiring> mix;
  Branch<Norm, Feed, Gate, typename Names::Feed, Wiring> feed;

  Block(decltype(mix) mix_, decltype(feed) feed_) : mix(std::move(mix_)), feed(std::move(feed_)) {}

  static constexpr auto fields() {
    return std::tuple{field("", &Block::mix), field("", &Block::feed)};
  }

  template <class... Conditions>
  static constexpr bool accepts = accepts_conditions<decltype(mix), Conditions...>() &&
                                  accepts_conditions<decltype(feed), Conditions...>();

  auto initial_state(Index batch) const requires causal {
    return Block::make(mix.inner, feed.inner, batch);
  }

  /// x [B, .., D] -> [B, .., D].
  template <int R, class... Conditions>
  requires(!causal && accepts<Conditions...>) Variable<Scalar, R>
  operator()(const Variable<Scalar, R>& x, const Conditions&... conditions) const {
    return feed(mix(x, conditions...), conditions...);
  }
  template <int R, class State, class... Conditions>
  requires(
      causal&& accepts<Conditions...>&& std::same_as<State, StateOf<Block>>) Variable<Scalar, R>
  operator()(const Variable<Scalar, R>& x, State& state, const Conditions&... conditions) const {
    auto&& first = Block::first(state);
    auto&& second = Block::second(state);
    return call(feed, call(mix, x, first, conditions...), second, conditions...);
  }
};

}  // namespace sluice
