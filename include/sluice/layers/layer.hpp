// SPDX-License-Identifier: MIT
/// \file
/// What a layer asks for, as its type says it.
///
///     layer(x)    layer(x, state)    layer(x, condition)    layer(x, state, condition)
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/view.hpp>

#include <concepts>
#include <tuple>
#include <type_traits>

namespace sluice {

/// A layer with a memory: it has a `State` and an `initial_state(batch)`, and can be streamed. One
/// that is not causal has none, so it cannot be streamed by mistake.
template <class L>
concept Causal = requires {
  typename L::State;
};

/// A layer that looks at a condition: a vector, a time, a memory of another sequence. It declares
/// the type of it; nothing is detected by whether a call compiles.
template <class L>
concept Conditioned = requires {
  typename L::Condition;
};

/// A causal map of sequences with its memory outside, under conditions of the given types. The law:
/// T tokens at once equal T calls with one token, from the same state, to rounding.
template <class L, class... Conditions>
concept Streamable = Visitable<L> && Causal<L> && Visitable<typename L::State> &&
    requires(const L& layer, Variable<typename L::Scalar, 3> x, typename L::State& state,
             const Conditions&... conditions) {
  { layer.initial_state(Index{1}) } -> std::same_as<typename L::State>;
  { layer(x, state, conditions...) } -> std::convertible_to<Variable<typename L::Scalar, 3>>;
};

/// The state of a part that has none.
struct NoState {
  static constexpr auto fields() { return std::tuple{}; }
};

namespace detail {

template <class L>
struct StateOf {
  using type = NoState;
};
template <Causal L>
struct StateOf<L> {
  using type = typename L::State;
};

/// The one of the conditions that is what the layer declares.
template <class Wanted, class First, class... Rest>
const auto& condition(const First& first, const Rest&... rest) {
  if constexpr (std::is_convertible_v<const First&, Wanted>)
    return first;
  else
    return condition<Wanted>(rest...);
}

}  // namespace detail

/// Whether a layer can be called under conditions of the given types: one of them, and no second,
/// is what it declares. A layer made of others tells it by a member `accepts` of the same form.
template <class L, class... Conditions>
constexpr bool accepts_conditions() {
  if constexpr (Conditioned<L>)
    return (0 + ... + int(std::is_convertible_v<const Conditions&, typename L::Condition>)) == 1;
  else if constexpr (requires { L::template accepts<Conditions...>; })
    return L::template accepts<Conditions...>;
  else
    return true;
}

/// The state of any layer: its own, or nothing.
template <class L>
using StateOf = typename detail::StateOf<L>::type;

/// The initial state of any layer.
template <class L>
StateOf<L> initial_state_of(const L& layer, Index batch) {
  if constexpr (Causal<L>)
    return layer.initial_state(batch);
  else
    return {};
}

/// Calls a part of a layer with what it asks for, and with nothing else.
template <class L, class X, class State, class... Conditions>
auto call(const L& layer, const X& x, State& state, const Conditions&... conditions) {
  const auto with = [&](const auto&... condition) {
    if constexpr (Causal<L>)
      return layer(x, state, condition...);
    else
      return layer(x, condition...);
  };
  static_assert(accepts_conditions<L, Conditions...>(),
                "a part of the layer asks for a condition that is not given, or given twice");
  if constexpr (Conditioned<L>)
    return with(detail::condition<typename L::Condition>(conditions...));
  else if constexpr (requires { L::template accepts<Conditions...>; })
    return with(conditions...);
  else
    return with();
}

}  // namespace sluice
