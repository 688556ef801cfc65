// SPDX-License-Identifier: MIT
/// \file
/// The state space of Mamba-2 as an operation on variables: gated linear attention whose gate and
/// values share a step size.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/ssd/discretise.hpp>
#include <sluice/kernels/ssd/skip.hpp>
#include <sluice/ops/gated_linear_attention.hpp>

#include <algorithm>
#include <limits>
#include <span>

namespace sluice {

/// How `state_space_duality` works.
template <class Scalar>
struct StateSpaceDualityOptions {
  const Tensor<Scalar, 1>* dt_bias = nullptr;                ///< [H], added to dt
  bool softplus = true;                                      ///< whether dt goes through it, then
  Scalar dt_low = 0;                                         ///< the least step after that,
  Scalar dt_high = std::numeric_limits<Scalar>::infinity();  ///< and the largest
  bool log_A = true;                       ///< whether A holds log(-A), as checkpoints do
  std::span<const Index> cu_seqlens = {};  ///< packed sequences; must outlive the pass
};

/// The selective state space of Mamba-2, one decay for all channels of a head.
///
///     dt_t = clamp(softplus(dt_t + dt_bias), low, high)
///     S_t = exp(dt_t A) S_{t-1} + B_t (dt_t x_t)^T,        y_t = S_t^T C_t
///
/// \param x      [B, T, H, P], \param dt [B, T, H].
/// \param A      [H], a parameter: log(-A), or A itself, below 0.
/// \param B, C   [B, T, G, N]; head h reads group h / (H / G).
/// \param state  [B or packed sequences, H, N, P]; moved on by T tokens. Published implementations
///               keep it with N last.
/// \returns      y [B, T, H, P]; see `add_skip` for the term D x.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; the state is then as it was.
///
/// Source: Dao and Gu, Transformers are SSMs, ICML 2024, sections 3 and 7 (arXiv:2405.21060).
template <class Scalar>
Variable<Scalar, 4> state_space_duality(const Variable<Scalar, 4>& x, const Variable<Scalar, 3>& dt,
                                        const Tensor<Scalar, 1>& A, const Variable<Scalar, 4>& B,
                                        const Variable<Scalar, 4>& C, Tensor<Scalar, 4>& state,
                                        const StateSpaceDualityOptions<Scalar>& options = {}) {
  Tape<Scalar>& tape = *x.tape;
  require_shape("state_space_duality", "C", C.shape(), B.shape(), "to match B");
  ssd::Inputs<Scalar> in{.x = x.value, .dt = dt.value, .A = A};
  ssd::Gradients<Scalar> grads{.dx = x.gradient, .ddt = dt.gradient};
  in.softplus = options.softplus, in.log_A = options.log_A;
  in.dt_low = options.dt_low, in.dt_high = options.dt_high;
  grads.dA = {tape.gradient_of(A), in.A.shape()};
  if (options.dt_bias) {
    in.dt_bias = *options.dt_bias;
    grads.ddt_bias = {tape.gradient_of(*options.dt_bias), in.dt_bias.shape()};
  }
  const auto v = tape.result(x.shape(), x, dt, grads.dA.data(), grads.ddt_bias.data());
  const auto g = tape.result(dt.shape(), x, dt, grads.dA.data(), grads.ddt_bias.data());
  ssd::discretise(in, v.out, g.out);
  if (v.gradient)
    tape.on_backward([in, grads, v, g] {
      ssd::discretise_backward(in, View<const Scalar, 4>(v.gradient),
                               View<const Scalar, 3>(g.gradient), grads);
    });
  return gated_linear_attention<Scalar>(C, B, v, static_cast<const Variable<Scalar, 3>&>(g), state,
                                        {.scale = Scalar{1}, .cu_seqlens = options.cu_seqlens});
}

/// y + D (.) x, the way around the state. y, x [B, T, H, P]; D a parameter, [H] or [H, P].
template <class Scalar, int Rank>
requires(Rank == 1 || Rank == 2) Variable<Scalar, 4> add_skip(const Variable<Scalar, 4>& y,
                                                              const Variable<Scalar, 4>& x,
                                                              const Tensor<Scalar, Rank>& D) {
  Tape<Scalar>& tape = *y.tape;
  const Shape<2> shape{D.dimension(0), D.size() / std::max<Index>(1, D.dimension(0))};
  const View<const Scalar, 2> d(D.data(), shape);
  const View<Scalar, 2> dD(tape.gradient_of(D), shape);
  const auto out = tape.result(y.shape(), y, x, dD.data());
  ssd::add_skip(y.value, x.value, d, out.out);
  if (out.gradient)
    tape.on_backward([x, y, d, dD, out] {
      const View<const Scalar, 4> dout(out.gradient);
      kernels::add_scaled(dout, 1, y.gradient);
      ssd::add_skip_backward(x.value, d, dout, x.gradient, dD);
    });
  return out;
}

}  // namespace sluice
