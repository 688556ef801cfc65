// SPDX-License-Identifier: MIT
/// \file
/// Activation functions and gates as operations on variables.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/kernels/activation/activation.hpp>

#include <type_traits>

namespace sluice {

/// y = f(x), element by element, with one of the functions of kernels/activation/functions.hpp.
template <kernels::ElementFunction F, class Scalar, int Rank>
Variable<Scalar, Rank> activate(const F& f, const Variable<Scalar, Rank>& x) {
  const auto y = x.tape->result(x.shape(), x);
  kernels::activation(f, x.value, y.out);
  if (y.gradient)
    x.tape->on_backward(
        [f, x, y] { kernels::activation_backward(f, x.value, y.gradient, x.gradient); });
  return y;
}

/// y = f(a) (.) b in one pass.
template <kernels::ElementFunction F, class Scalar, int Rank>
Variable<Scalar, Rank> gate(const F& f, const Variable<Scalar, Rank>& a,
                            const std::type_identity_t<Variable<Scalar, Rank>>& b) {
  require_shape("gate", "b", b.shape(), a.shape(), "to match a");
  const auto y = a.tape->result(a.shape(), a, b);
  kernels::gated(f, a.value, b.value, y.out);
  if (y.gradient)
    a.tape->on_backward([f, a, b, y] {
      kernels::gated_backward(f, a.value, b.value, y.gradient, a.gradient, b.gradient);
    });
  return y;
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

/// y = f(x) with the function of that name.
template <class Scalar, int Rank>
Variable<Scalar, Rank> activate(Activation kind, const Variable<Scalar, Rank>& x) {
  if (kind == Activation::identity) return x;
  const auto y = x.tape->result(x.shape(), x);
  kernels::activation(kind, x.value, y.out);
  if (y.gradient)
    x.tape->on_backward(
        [kind, x, y] { kernels::activation_backward(kind, x.value, y.gradient, x.gradient); });
  return y;
}

/// y = f(a) (.) b with the function of that name.
template <class Scalar, int Rank>
Variable<Scalar, Rank> gate(Activation kind, const Variable<Scalar, Rank>& a,
                            const std::type_identity_t<Variable<Scalar, Rank>>& b) {
  require_shape("gate", "b", b.shape(), a.shape(), "to match a");
  const auto y = a.tape->result(a.shape(), a, b);
  kernels::gated(kind, a.value, b.value, y.out);
  if (y.gradient)
    a.tape->on_backward([kind, a, b, y] {
      kernels::gated_backward(kind, a.value, b.value, y.gradient, a.gradient, b.gradient);
    });
  return y;
}

}  // namespace sluice
