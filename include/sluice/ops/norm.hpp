// SPDX-License-Identifier: MIT
/// \file
/// Normalisation of the last axis: of a model dimension [B, T, D], or of every head [B, T, H, V].
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>

#include <type_traits>

namespace sluice {

namespace detail {

/// An optional parameter [D]: what kernels read, and where its gradient goes.
template <class Scalar>
struct RowParameter {
  View<const Scalar, 1> value;
  View<Scalar, 1> gradient;

  RowParameter(const Tape<Scalar>& tape, const Tensor<Scalar, 1>* x) {
    if (x == nullptr) return;
    value = View<const Scalar, 1>(*x);
    gradient = View<Scalar, 1>(tape.gradient_of(*x), value.shape());
  }
};

template <class Scalar, int Rank>
Variable<Scalar, Rank> rms_norm(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 1>* weight,
                                Scalar eps) {
  const RowParameter<Scalar> w(*x.tape, weight);
  const auto y = x.tape->result(x.shape(), x, w.gradient.data());
  kernels::rms_norm(x.value, w.value, eps, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, w, eps] {
      kernels::rms_norm_backward(x.value, w.value, eps, y.gradient, x.gradient, w.gradient);
    });
  return y;
}

template <class Scalar, int Rank>
Variable<Scalar, Rank> layer_norm(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 1>* weight,
                                  const Tensor<Scalar, 1>* bias, Scalar eps) {
  const RowParameter<Scalar> w(*x.tape, weight), b(*x.tape, bias);
  const auto y = x.tape->result(x.shape(), x, w.gradient.data(), b.gradient.data());
  kernels::layer_norm(x.value, w.value, b.value, eps, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, w, b, eps] {
      kernels::layer_norm_backward(x.value, w.value, eps, y.gradient, x.gradient, w.gradient,
                                   b.gradient);
    });
  return y;
}

}  // namespace detail

/// y = weight (.) x / sqrt(mean(x^2) + eps) over the last axis. x [.., D], weight [D].
template <class Scalar, int Rank>
Variable<Scalar, Rank> rms_norm(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 1>& weight,
                                std::type_identity_t<Scalar> eps = Scalar(1e-6)) {
  return detail::rms_norm(x, &weight, eps);
}

/// The same without a weight.
template <class Scalar, int Rank>
Variable<Scalar, Rank> rms_norm(const Variable<Scalar, Rank>& x,
                                std::type_identity_t<Scalar> eps = Scalar(1e-6)) {
  return detail::rms_norm<Scalar, Rank>(x, nullptr, eps);
}

/// y = weight (.) (x - mean(x)) / sqrt(var(x) + eps) + bias over the last axis. x [.., D].
template <class Scalar, int Rank>
Variable<Scalar, Rank> layer_norm(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 1>& weight,
                                  const Tensor<Scalar, 1>& bias,
                                  std::type_identity_t<Scalar> eps = Scalar(1e-5)) {
  return detail::layer_norm(x, &weight, &bias, eps);
}

/// The same without a bias.
template <class Scalar, int Rank>
Variable<Scalar, Rank> layer_norm(const Variable<Scalar, Rank>& x, const Tensor<Scalar, 1>& weight,
                                  std::type_identity_t<Scalar> eps = Scalar(1e-5)) {
  return detail::layer_norm<Scalar, Rank>(x, &weight, nullptr, eps);
}

/// The same without weight and bias.
template <class Scalar, int Rank>
Variable<Scalar, Rank> layer_norm(const Variable<Scalar, Rank>& x,
                                  std::type_identity_t<Scalar> eps = Scalar(1e-5)) {
  return detail::layer_norm<Scalar, Rank>(x, nullptr, nullptr, eps);
}

/// y = weight (.) rms(x) (.) act(z), or weight (.) rms(x (.) act(z)), over groups of the last axis.
/// x, z [.., D], weight [D]; see `kernels::gated_rms_norm`.
template <class Scalar, int Rank>
Variable<Scalar, Rank> gated_rms_norm(const Variable<Scalar, Rank>& x,
                                      const std::type_identity_t<Variable<Scalar, Rank>>& z,
                                      const Tensor<Scalar, 1>& weight,
                                      const GatedRMSNormOptions& options = {}) {
  const detail::RowParameter<Scalar> w(*x.tape, &weight);
  const auto y = x.tape->result(x.shape(), x, z, w.gradient.data());
  kernels::gated_rms_norm(x.value, z.value, w.value, options, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, z, w, options] {
      kernels::gated_rms_norm_backward(x.value, z.value, w.value, options, y.gradient, x.gradient,
                                       z.gradient, w.gradient);
    });
  return y;
}

}  // namespace sluice
