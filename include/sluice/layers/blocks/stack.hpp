// SPDX-License-Identifier: MIT
/// \file
/// Blocks one behind the other, of one type or of several.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/blocks/checkpoint.hpp>
#include <sluice/layers/layer.hpp>

#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {

namespace detail {

template <class First, class... Rest>
struct Either {
  using type = std::variant<First, Rest...>;
};
template <class Only>
struct Either<Only> {
  using type = Only;
};

/// Calls f.operator()<I>(held) with the alternative that a place of a stack holds.
template <std::size_t I = 0, class F, class Place>
decltype(auto) with_held(const F& f, Place& place) {
  if constexpr (!requires { place.index(); }) {
    return f.template operator()<0>(place);
  } else if constexpr (I + 1 == std::variant_size_v<std::remove_const_t<Place>>) {
    return f.template operator()<I>(std::get<I>(place));
  } else {
    if (place.index() == I) return f.template operator()<I>(std::get<I>(place));
    return with_held<I + 1>(f, place);
  }
}

}  // namespace detail

/// Causal blocks in a row, every one of any of the types `Blocks`: which layer is what kind is
/// data. Under the name of the stack they are numbered from 0.
///
///     Stack<GLABlock<float>, AttentionBlock<float>> hybrid;
///     for (int i = 0; i < 24; ++i)
///       if (i % 8 == 7) hybrid.push_back(attention(rng)); else hybrid.push_back(gla(rng));
template <class... Blocks>
struct Stack {
  using Scalar = typename std::tuple_element_t<0, std::tuple<Blocks...>>::Scalar;
  using Place = typename detail::Either<Blocks...>::type;

  struct State {
    std::vector<typename detail::Either<StateOf<Blocks>...>::type> layers;
    static constexpr auto fields() { return std::tuple{field("", &State::layers)}; }
  };

  std::vector<Place> blocks;
  bool recompute =
      false;  ///< whether training runs every block again instead of keeping its inside

  static constexpr auto fields() { return std::tuple{field("", &Stack::blocks)}; }

  template <class... Conditions>
  static constexpr bool accepts = (accepts_conditions<Blocks, Conditions...>() && ...);

  /// Makes room first, so that no weights are copied when the stack grows.
  void reserve(Index count) { blocks.reserve(static_cast<std::size_t>(count)); }
  template <class Block>
  void push_back(Block block) {
    blocks.emplace_back(std::move(block));
  }
  std::size_t size() const noexcept { return blocks.size(); }
  Place& operator[](std::size_t i) noexcept { return blocks[i]; }
  const Place& operator[](std::size_t i) const noexcept { return blocks[i]; }

  State initial_state(Index batch) const {
    State state;
    state.layers.reserve(blocks.size());
    for (const Place& place : blocks)
      detail::with_held(
          [&]<std::size_t I>(const auto& block) {
            if constexpr (sizeof...(Blocks) == 1)
              state.layers.push_back(initial_state_of(block, batch));
            else
              state.layers.emplace_back(std::in_place_index<I>, initial_state_of(block, batch));
          },
          place);
    return state;
  }

  /// x [B, T, D] -> [B, T, D]. A plain pass needs the memory of one block.
  template <int R, class... Conditions>
  requires(accepts<Conditions...>) Variable<Scalar, R>
  operator()(Variable<Scalar, R> x, State& state, const Conditions&... conditions) const {
    for (std::size_t i = 0; i < blocks.size(); ++i)
      x = detail::with_held(
          [&]<std::size_t I>(const auto& block) {
            if constexpr (sizeof...(Blocks) == 1)
              return run(block, x, state.layers[i], conditions...);
            else
              return run(block, x, std::get<I>(state.layers[i]), conditions...);
          },
          blocks[i]);
    return x;
  }

 private:
  template <class Block, int R, class BlockState, class... Conditions>
  Variable<Scalar, R> run(const Block& block, const Variable<Scalar, R>& x, BlockState& state,
                          const Conditions&... conditions) const {
    if (recompute) return checkpoint(block, x, state, conditions...);
    return x.tape->tidy(
        [&]() -> Variable<Scalar, R> { return call(block, x, state, conditions...); });
  }
};

}  // namespace sluice
