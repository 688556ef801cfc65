// SPDX-License-Identifier: MIT
/// \file
/// The state space of Mamba-2 as an operation on variables: gated linear attention whose gate and
/// values share a step size.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/ssd/discretise.hpp>
#include <sluice/kernels/ssd/skip.hpp>
#include <sluice/ops/gated_linear_attention.hpp>

#include <algorithm>
#include <limits>

namespace sluice {

/// How `state_space_duality` works.
template <class Scalar>
struct StateSpaceDualityOptions {
  Parameter<Scalar, 1> dt_bias = {};                         ///< [H], added to dt
  bool softplus = true;                                      ///< whether dt goes through it, then
  Scalar dt_min = 0;                                         ///< the least step after that,
  Scalar dt_max = std::numeric_limits<Scalar>::infinity();  ///< and the largest
  bool log_A = true;  ///< whether A holds log(-A), as checkpoints do
};

/// The selective state space of Mamba-2, one decay for all channels of a head.
///
///     dt_t = clamp(softplus(dt_t + dt_bias), low, high)
///     S_t = exp(dt_t A) S_{t-1} + B_t (dt_t x_t)^T,        y_t = S_t^T C_t
///
/// \param x      [B, T, H, P], \param dt [B, T, H].
/// \param A_     [H]: log(-A), or A itself, below 0.
/// \param B, C   [B, T, G, N]; head h reads group h / (H / G).
/// \param state  [B or packed sequences, H, N, P]; moved on by T tokens. Published implementations
///               keep it with N last.
/// \returns      y [B, T, H, P]; see `add_skip` for the term D x.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; the state is then as it was.
///
/// Source: Dao and Gu, Transformers are SSMs, ICML 2024, sections 3 and 7 (arXiv:2405.21060).
template <class Scalar>
Variable<Scalar, 4> state_space_duality(const Variable<Scalar, 4>& x, const Variable<Scalar, 3>& dt,
                                        const Parameter<Scalar, 1>& A_,
                                        const Variable<Scalar, 4>& B, const Variable<Scalar, 4>& C,
                                        Tensor<Scalar, 4>& state,
                                        const StateSpaceDualityOptions<Scalar>& options = {}) {
  Tape<Scalar>& tape = *x.tape;
  require_shape("state_space_duality", "C", C.shape(), B.shape(), "to match B");
  const auto A = A_.on(tape);
  const auto bias = options.dt_bias.on(tape);
  ssd::Inputs<Scalar> in{.x = x.value, .dt = dt.value, .A = A.value, .dt_bias = bias.value};
  in.softplus = options.softplus, in.log_A = options.log_A;
  in.dt_min = options.dt_min, in.dt_max = options.dt_max;
  const auto v = tape.result(x.shape(), x, dt, A, bias);
  const auto g = tape.result(dt.shape(), x, dt, A, bias);
  ssd::discretise(in, v.out, g.out);
  if (v.gradient)
    tape.on_backward([=] {
      ssd::discretise_backward(
          in, View<const Scalar, 4>(v.gradient), View<const Scalar, 3>(g.gradient),
          ssd::Gradients<Scalar>{
              .dx = x.gradient, .ddt = dt.gradient, .dA = A.gradient, .ddt_bias = bias.gradient});
    });
  return gated_linear_attention<Scalar>(C, B, v, static_cast<const Variable<Scalar, 3>&>(g), state,
                                        {.scale = Scalar{1}});
}

/// y + D (.) x, the way around the state. y, x [B, T, H, P]; D a parameter, [H] or [H, P].
template <class Scalar, int Rank>
requires(Rank == 1 || Rank == 2) Variable<Scalar, 4> add_skip(const Variable<Scalar, 4>& y,
                                                              const Variable<Scalar, 4>& x,
                                                              const Tensor<Scalar, Rank>& D) {
  const auto d = use(*y.tape, D);
  const Shape<2> shape{d.dim(0), d.value.size() / std::max<Index>(1, d.dim(0))};
  const View<const Scalar, 2> weights(d.value.data(), shape);
  const View<Scalar, 2> gradient(d.gradient.data(), shape);
  return operation(
      y.shape(), [&](const View<Scalar, 4>& out) { ssd::add_skip(y.value, x.value, weights, out); },
      [=](auto, const View<const Scalar, 4>& dout) {
        kernels::add_scaled(dout, 1, y.gradient);
        ssd::add_skip_backward(x.value, weights, dout, x.gradient, gradient);
      },
      y, x, d);
}

}  // namespace sluice
