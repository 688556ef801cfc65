// SPDX-License-Identifier: MIT
/// \file
/// A sublayer with its norm, its residual gate and its dropout.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/blocks/wiring.hpp>
#include <sluice/layers/gates/add.hpp>
#include <sluice/layers/layer.hpp>
#include <sluice/ops/dropout.hpp>

#include <tuple>

namespace sluice {

namespace detail {

/// `State`, where the inner layer has one.
template <class Inner>
struct BranchState {};
template <Causal Inner>
struct BranchState<Inner> {
  using State = typename Inner::State;
};

}  // namespace detail

/// y = gate(x, inner(norm(x))), or whatever else the wiring says.
///
/// Every part is a layer that gets what its type asks for: the inner one the state if it is causal,
/// each its condition if it has one. Checkpoints call the parts as `Names` does:
///
///     struct Names { static constexpr std::string_view norm = "attn_norm", inner = "attn",
///                                                      gate = "attn_gate"; };
///
/// where an empty name adds nothing to the path and one with dots nests.
template <class Norm, class Inner, class Gate, class Names, class Wiring = Pre>
struct Branch : detail::BranchState<Inner> {
  using Scalar = typename Inner::Scalar;

  Norm norm;
  Inner inner;
  Gate gate;
  double dropout = 0, drop_path = 0;  ///< of what the gate adds, in training; in [0, 1)

  Branch(Norm norm_, Inner inner_, Gate gate_ = {})
      : norm(std::move(norm_)), inner(std::move(inner_)), gate(std::move(gate_)) {}

  static constexpr auto fields() {
    return std::tuple{field(Names::norm, &Branch::norm), field(Names::inner, &Branch::inner),
                      field(Names::gate, &Branch::gate)};
  }

  template <class... Conditions>
  static constexpr bool accepts =
      accepts_conditions<Norm, Conditions...>() && accepts_conditions<Inner, Conditions...>() &&
      accepts_conditions<Gate, Conditions...>();

  StateOf<Inner> initial_state(Index batch) const requires Causal<Inner> {
    return inner.initial_state(batch);
  }

  /// x [B, .., D] -> [B, .., D].
  template <int R, class... Conditions>
  requires(!Causal<Inner> && accepts<Conditions...>) Variable<Scalar, R>
  operator()(const Variable<Scalar, R>& x, const Conditions&... conditions) const {
    NoState none;
    return run(x, none, conditions...);
  }
  template <int R, class... Conditions>
  requires(Causal<Inner>&& accepts<Conditions...>) Variable<Scalar, R>
  operator()(const Variable<Scalar, R>& x, StateOf<Inner>& state,
             const Conditions&... conditions) const {
    return run(x, state, conditions...);
  }

 private:
  /// The norms as functions, whether one or a pair.
  template <class Call>
  static auto norms(const Norm& norm, const Call& call_part) {
    if constexpr (requires { norm.after; }) {
      const auto before = [&](const auto& v) { return call_part(norm.before, v); };
      const auto after = [&](const auto& v) { return call_part(norm.after, v); };
      return NormPair<decltype(before), decltype(after)>{before, after};
    } else {
      return [&](const auto& v) { return call_part(norm, v); };
    }
  }

  template <int R, class State, class... Conditions>
  Variable<Scalar, R> run(const Variable<Scalar, R>& x, State& state,
                          const Conditions&... conditions) const {
    using V = Variable<Scalar, R>;
    const auto normalise = [&](const auto& part, const V& v) -> V {
      NoState none;
      return call(part, v, none, conditions...);
    };
    const auto mix = [&](const V& v) -> V { return call(inner, v, state, conditions...); };
    const auto join = [&](const V& v, const V& said) -> V {
      V kept = sluice::dropout(said, dropout);
      if constexpr (R > 1) kept = sluice::drop_path(kept, drop_path);
      if constexpr (Conditioned<Gate>)
        return gate(v, kept, detail::condition<typename Gate::Condition>(conditions...));
      else
        return gate(v, kept);
    };
    return Wiring::apply(x, norms(norm, normalise), mix, join);
  }
};

}  // namespace sluice
