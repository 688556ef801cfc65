// SPDX-License-Identifier: MIT
/// \file
/// Activation functions and gates as operations on variables.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/activation/activation.hpp>

#include <type_traits>

namespace sluice {

/// y = f(x), element by element, with f an object of kernels/activation/functions.hpp or a name.
template <class S, int R>
Variable<S, R> activate(const std::type_identity_t<kernels::Function<S>>& f,
                        const Variable<S, R>& x) {
  if (f.identity()) return x;
  return operation(
      x.shape(), [&](const View<S, R>& y) { kernels::activation(f, x.value, y); },
      [=](auto, const View<const S, R>& dy) {
        kernels::activation_backward(f, x.value, dy, x.gradient);
      },
      x);
}

/// y = f(a) (.) b in one pass.
template <class S, int R>
Variable<S, R> gate(const std::type_identity_t<kernels::Function<S>>& f, const Variable<S, R>& a,
                    const std::type_identity_t<Variable<S, R>>& b) {
  require_shape("gate", "b", b.shape(), a.shape(), "to match a");
  return operation(
      a.shape(), [&](const View<S, R>& y) { kernels::gated(f, a.value, b.value, y); },
      [=](auto, const View<const S, R>& dy) {
        kernels::gated_backward(f, a.value, b.value, dy, a.gradient, b.gradient);
      },
      a, b);
}

/// max(x, 0).
template <class Scalar, int Rank>
Variable<Scalar, Rank> relu(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Relu{}, x);
}

/// max(x, 0)^2.
template <class Scalar, int Rank>
Variable<Scalar, Rank> squared_relu(const Variable<Scalar, Rank>& x) {
  return activate(kernels::SquaredRelu{}, x);
}

/// x^2.
template <class Scalar, int Rank>
Variable<Scalar, Rank> square(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Square{}, x);
}

/// e^x.
template <class Scalar, int Rank>
Variable<Scalar, Rank> exp(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Exp{}, x);
}

/// 1 / (1 + e^-x).
template <class Scalar, int Rank>
Variable<Scalar, Rank> sigmoid(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Sigmoid{}, x);
}

/// tanh(x).
template <class Scalar, int Rank>
Variable<Scalar, Rank> tanh(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Tanh{}, x);
}

/// x sigmoid(x).
template <class Scalar, int Rank>
Variable<Scalar, Rank> silu(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Silu{}, x);
}

/// x Phi(x) with the normal distribution Phi.
template <class Scalar, int Rank>
Variable<Scalar, Rank> gelu(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Gelu{}, x);
}

/// The approximation of `gelu` by tanh; not interchangeable with it in a trained model.
template <class Scalar, int Rank>
Variable<Scalar, Rank> gelu_tanh(const Variable<Scalar, Rank>& x) {
  return activate(kernels::GeluTanh{}, x);
}

/// log(1 + e^x).
template <class Scalar, int Rank>
Variable<Scalar, Rank> softplus(const Variable<Scalar, Rank>& x) {
  return activate(kernels::Softplus{}, x);
}

/// factor log(sigmoid(x)): a forget gate as a logarithm; GLA takes 1/16 as the factor.
template <class Scalar, int Rank>
Variable<Scalar, Rank> log_sigmoid(const Variable<Scalar, Rank>& x,
                                   std::type_identity_t<Scalar> factor = 1) {
  return activate(kernels::LogSigmoid<Scalar>{factor}, x);
}

/// x + 1 for positive x, else e^x: the positive feature map of linear attention.
template <class Scalar, int Rank>
Variable<Scalar, Rank> elu_plus_one(const Variable<Scalar, Rank>& x) {
  return activate(kernels::EluPlusOne{}, x);
}

/// max(x, low). The gradient passes where x is at least `low`.
template <class Scalar, int Rank>
Variable<Scalar, Rank> at_least(const Variable<Scalar, Rank>& x, std::type_identity_t<Scalar> low) {
  return activate(kernels::AtLeast<Scalar>{low}, x);
}

/// silu(a) (.) b, SwiGLU.
template <class Scalar, int Rank>
Variable<Scalar, Rank> gated_silu(const Variable<Scalar, Rank>& a,
                                  const std::type_identity_t<Variable<Scalar, Rank>>& b) {
  return gate(kernels::Silu{}, a, b);
}

/// sigmoid(a) (.) b, GLU.
template <class Scalar, int Rank>
Variable<Scalar, Rank> gated_sigmoid(const Variable<Scalar, Rank>& a,
                                     const std::type_identity_t<Variable<Scalar, Rank>>& b) {
  return gate(kernels::Sigmoid{}, a, b);
}

/// gelu(a) (.) b, GEGLU.
template <class Scalar, int Rank>
Variable<Scalar, Rank> gated_gelu(const Variable<Scalar, Rank>& a,
                                  const std::type_identity_t<Variable<Scalar, Rank>>& b) {
  return gate(kernels::Gelu{}, a, b);
}

}  // namespace sluice
