// SPDX-License-Identifier: MIT
/// \file
/// The step sizes of Mamba-2: how a continuous state space becomes the gate and the values of gated
/// linear attention.
///
///     dt_t = clamp(softplus(draw_t + bias), low, high)       one number a head and token
///     g_t  = dt_t A,         v_t = dt_t x_t                  A < 0, one number a head
///
/// and then S_t = exp(g_t) S_{t-1} + B_t v_t^T, y_t = S_t^T C_t is `gla` with q = C, k = B and
/// scale 1.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/math.hpp>
#include <sluice/simd/sums.hpp>

#include <cmath>
#include <concepts>
#include <limits>
#include <string_view>
#include <type_traits>

namespace sluice::ssd {

/// What makes a step: x and the raw step sizes, and their parameters.
template <class Scalar>
struct Inputs {
  View<const Scalar, 4> x;          ///< [B, T, H, P]
  View<const Scalar, 3> dt;         ///< [B, T, H], before bias and softplus
  View<const Scalar, 1> A;          ///< [H]; see `log_A`
  View<const Scalar, 1> dt_bias{};  ///< [H], or absent
  bool log_A = true;                ///< whether A holds log(-A), as checkpoints do
  bool softplus = true;             ///< whether steps go through it
  Scalar dt_min = 0;                ///< steps are raised to this
  Scalar dt_max = std::numeric_limits<Scalar>::infinity();  ///< and lowered to this

  /// A of a head.
  Scalar pole(Index h) const noexcept { return log_A ? -std::exp(A.data()[h]) : A.data()[h]; }
};

/// Where the gradients go; views without data are skipped, all others are added to.
template <class Scalar>
struct Gradients {
  View<Scalar, 4> dx{};        ///< as x
  View<Scalar, 3> ddt{};       ///< as dt
  View<Scalar, 1> dA{};        ///< as A: by log(-A) where that is what A holds
  View<Scalar, 1> ddt_bias{};  ///< as dt_bias
};

namespace detail {

/// A step and its slope by the raw step.
template <class Scalar>
struct Step {
  Scalar value, slope;
};

template <class Scalar>
Step<Scalar> step_of(const Inputs<Scalar>& in, Scalar raw, Index h) noexcept {
  if (in.dt_bias) raw += in.dt_bias.data()[h];
  const Scalar dt = in.softplus ? simd::softplus(raw) : raw;
  const Scalar slope = in.softplus ? simd::sigmoid(raw) : Scalar{1};
  if (dt < in.dt_min) return {in.dt_min, Scalar{0}};
  if (dt > in.dt_max) return {in.dt_max, Scalar{0}};
  return {dt, slope};
}

template <class Scalar, class T>
void require_shapes(std::string_view where, const Inputs<Scalar>& in, const View<T, 4>& v,
                    const View<T, 3>& g, std::string_view v_name = "v",
                    std::string_view g_name = "g") {
  const auto [B, T_, H, P] = in.x.shape();
  require_shape(where, "dt", in.dt.shape(), {B, T_, H}, "to match x");
  require_shape(where, "A", in.A.shape(), {H}, "to match the heads of x");
  if (in.dt_bias)
    require_shape(where, "dt_bias", in.dt_bias.shape(), {H}, "to match the heads of x");
  require_shape(where, v_name, v.shape(), in.x.shape(), "to match x");
  require_shape(where, g_name, g.shape(), in.dt.shape(), "to match dt");
}

}  // namespace detail

/// Gates and values from inputs and raw steps, as in the file comment.
///
/// \param in  x [B, T, H, P], dt [B, T, H], A and dt_bias [H].
/// \param v   [B, T, H, P], \param g [B, T, H], natural log; overwritten.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Dao and Gu, Transformers are SSMs, ICML 2024, section 7 (arXiv:2405.21060).
template <class Arch = simd::DefaultArch, Operand Output>
void discretise(const Inputs<ElementOf<Output>>& in, Output&& values, ViewOf<Output, 3> g,
                const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 4> v(values);
  detail::require_shapes("ssd::discretise", in, v, g);
  const auto [B, T, H, P] = in.x.shape();
  for (Index h = 0; h < H; ++h) {
    const Scalar pole = in.pole(h);
    for (Index b = 0; b < B; ++b)
      for (Index t = 0; t < T; ++t) {
        const Scalar dt = detail::step_of(in, in.dt.row(b, t)[h], h).value;
        g.row(b, t)[h] = dt * pole;
        const Scalar* const x = in.x.row(b, t, h);
        Scalar* const to = v.row(b, t, h);
        simd::for_each_lane<Arch, Scalar>(
            P, [=]<class L>(std::type_identity<L>, Index i)
                   SLUICE_INLINE_LAMBDA { simd::store(to + i, L(L(dt) * simd::load<L>(x + i))); });
      }
  }
}

/// Adjoint of `discretise`.
///
///     d(dt) = <dv, x> + dg A,   dx = dt dv,   dA = sum dg dt,   d(log(-A)) = dA A
///     d(draw) = d(dt) sigmoid(draw + bias), 0 where the step was clamped;   dbias = sum d(draw)
///
/// Sums over tokens are taken in their order.
///
/// \param dv, dg  as v and g of the forward pass.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Output>
void discretise_backward(const Inputs<ElementOf<Output>>& in, const Output& dvalues,
                         ConstViewOf<Output, 3> dg,
                         const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
                         const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<const Scalar, 4> dv(dvalues);
  const auto where = "ssd::discretise_backward";
  detail::require_shapes(where, in, dv, dg, "dv", "dg");
  if (grads.dx) require_shape(where, "dx", grads.dx.shape(), in.x.shape(), "to match x");
  if (grads.ddt) require_shape(where, "ddt", grads.ddt.shape(), in.dt.shape(), "to match dt");
  if (grads.dA) require_shape(where, "dA", grads.dA.shape(), in.A.shape(), "to match A");
  if (grads.ddt_bias)
    require_shape(where, "ddt_bias", grads.ddt_bias.shape(), in.A.shape(), "to match A");
  const auto [B, T, H, P] = in.x.shape();
  for (Index h = 0; h < H; ++h) {
    const Scalar pole = in.pole(h);
    Scalar dpole = 0, dbias = 0;
    for (Index b = 0; b < B; ++b)
      for (Index t = 0; t < T; ++t) {
        const auto [dt, slope] = detail::step_of(in, in.dt.row(b, t)[h], h);
        const Scalar* const x = in.x.row(b, t, h);
        const Scalar* const dvalue = dv.row(b, t, h);
        Scalar* const dx = grads.dx ? grads.dx.row(b, t, h) : nullptr;
        const auto [along] = simd::sums<Arch, Scalar, 1>(
            P, [=, step = dt]<class L>(std::type_identity<L>, Index i, L* sum) {
              const L d = simd::load<L>(dvalue + i);
              sum[0] = simd::madd(d, simd::load<L>(x + i), sum[0]);
              if (dx) simd::store(dx + i, simd::madd(L(step), d, simd::load<L>(dx + i)));
            });
        const Scalar dgate = dg.row(b, t)[h];
        const Scalar draw = simd::madd(dgate, pole, along) * slope;
        dpole += dgate * dt;
        dbias += draw;
        if (grads.ddt) grads.ddt.row(b, t)[h] += draw;
      }
    if (grads.dA) grads.dA.data()[h] += in.log_A ? dpole * pole : dpole;
    if (grads.ddt_bias) grads.ddt_bias.data()[h] += dbias;
  }
}

}  // namespace sluice::ssd
