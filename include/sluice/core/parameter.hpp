// SPDX-License-Identifier: MIT
/// \file
/// Weights on their way into an operation.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>

#include <optional>
#include <type_traits>

namespace sluice {

/// A parameter in flight: its value, and where its gradient is summed if somebody asked for it.
template <class S, int R>
Variable<S, R> use(Tape<S>& tape, const Tensor<S, R>& parameter) {
  const View<const S, R> value(parameter);
  return {&tape, value, View<S, R>(tape.gradient_of(parameter), value.shape())};
}
template <class S, int R>
Variable<S, R> use(Tape<S>&, const Tensor<S, R>&&) = delete;  // would dangle

namespace detail {

/// See `Parameter`.
template <class S, int R>
class ParameterOf {
 public:
  ParameterOf() = default;
  ParameterOf(const Variable<S, R>& computed) : variable_(computed) {}
  ParameterOf(const Tensor<S, R>& tensor) : tensor_(&tensor) {}
  ParameterOf(const std::optional<Tensor<S, R>>& tensor) : tensor_(tensor ? &*tensor : nullptr) {}
  ParameterOf(const Tensor<S, R>&&) = delete;                 // would dangle
  ParameterOf(const std::optional<Tensor<S, R>>&&) = delete;  // would dangle

  explicit operator bool() const noexcept { return tensor_ != nullptr || bool(variable_.value); }

  /// As a variable; without data if there is nothing.
  Variable<S, R> on(Tape<S>& tape) const {
    if (tensor_) return use(tape, *tensor_);
    if (variable_.value) return variable_;
    return {&tape, {}, {}};
  }

 private:
  const Tensor<S, R>* tensor_ = nullptr;
  Variable<S, R> variable_;
};

}  // namespace detail

/// What an operation takes for a weight or a bias: a tensor of the model, which must outlive the
/// pass; a variable computed from something else, as adaptive norms and hypernetworks do; or
/// nothing. Its scalar is that of the operation's variables.
template <class S, int R>
using Parameter = std::type_identity_t<detail::ParameterOf<S, R>>;

}  // namespace sluice
