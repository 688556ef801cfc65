// SPDX-License-Identifier: MIT
/// \file
/// Normalisation of the last axis: of a model dimension [B, T, D], or of every head [B, T, H, V].
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>

#include <type_traits>

namespace sluice {

/// y = weight (.) x / sqrt(mean(x^2) + eps) over the last axis. x [.., D], weight [D] or nothing.
template <class S, int R>
Variable<S, R> rms_norm(const Variable<S, R>& x, const Parameter<S, 1>& weight = {},
                        std::type_identity_t<S> eps = S(1e-6)) {
  const auto w = weight.on(*x.tape);
  return operation(
      x.shape(), [&](const View<S, R>& y) { kernels::rms_norm(x.value, w.value, eps, y); },
      [=](auto, const View<const S, R>& dy) {
        kernels::rms_norm_backward(x.value, w.value, eps, dy, x.gradient, w.gradient);
      },
      x, w);
}

/// y = weight (.) (x - mean(x)) / sqrt(var(x) + eps) + bias over the last axis. x [.., D], weight
/// and bias [D], or nothing.
template <class S, int R>
Variable<S, R> layer_norm(const Variable<S, R>& x, const Parameter<S, 1>& weight = {},
                          const Parameter<S, 1>& bias = {}, std::type_identity_t<S> eps = S(1e-5)) {
  const auto w = weight.on(*x.tape);
  const auto b = bias.on(*x.tape);
  return operation(
      x.shape(),
      [&](const View<S, R>& y) { kernels::layer_norm(x.value, w.value, b.value, eps, y); },
      [=](auto, const View<const S, R>& dy) {
        kernels::layer_norm_backward(x.value, w.value, eps, dy, x.gradient, w.gradient, b.gradient);
      },
      x, w, b);
}

/// y = weight (.) rms(x) (.) act(z), or weight (.) rms(x (.) act(z)), over groups of the last axis.
/// x, z [.., D], weight [D]; see `kernels::gated_rms_norm`.
template <class S, int R>
Variable<S, R> gated_rms_norm(const Variable<S, R>& x,
                              const std::type_identity_t<Variable<S, R>>& z,
                              const Parameter<S, 1>& weight = {},
                              const GatedRMSNormOptions& options = {}) {
  const auto w = weight.on(*x.tape);
  return operation(
      x.shape(),
      [&](const View<S, R>& y) { kernels::gated_rms_norm(x.value, z.value, w.value, options, y); },
      [=](auto, const View<const S, R>& dy) {
        kernels::gated_rms_norm_backward(x.value, z.value, w.value, options, dy, x.gradient,
                                         z.gradient, w.gradient);
      },
      x, z, w);
}

}  // namespace sluice
