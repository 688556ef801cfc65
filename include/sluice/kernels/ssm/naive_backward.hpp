// SPDX-License-Identifier: MIT
/// \file
/// The gradients of the selective scan, one channel and token at a time, straight from the
/// recurrence. The second thing, beside differences, that a fast form is checked against.
///
/// With s_t = sum_n Re(C_tn h_tn) (twice that for complex poles), G_n the gradient by h_n, and
/// gradients of complex numbers d / d Re + i d / d Im:
///
///     dz_t  = dout_t (s_t + D x_t) silu'(z_t),     r_t = dout_t silu(z_t),   dD += r_t x_t
///     G_n  += r_t conj(C_tn),                      dC_tn += r_t conj(h_tn)   (twice)
///     dB_tn += G_n w_t x_t,                        w_t = dt_t, or 1 where dt does not scale x
///     dx_t  = w_t sum_n Re(G_n conj(B_tn)) + r_t D
///     G_n  <- G_n conj(exp(dt_t A_n)),             E_n = G_n conj(h_(t-1)n)
///     dA_n += dt_t E_n,                            ddt_t = sum_n Re(E_n conj(A_n)) + x_t sum_n ..
///
/// and ddt passes softplus and the limits.
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/clear.hpp>
#include <sluice/kernels/ssm/naive.hpp>
#include <sluice/kernels/ssm/types.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

namespace sluice::ssm {

namespace detail {

/// Adds to element (t, n, d) of the gradient by B or C, as `element` reads.
template <class Scalar>
void add_element(const Inputs<Scalar>& in, const Coupling<Scalar>& to, Index b, Index t, Index n,
                 Index d, const std::complex<Scalar>& value) {
  if (!to.view()) return;
  const Index imaginary = in.complex ? in.states() / 2 : 0;
  const bool token = to.kind() == CouplingKind::token;
  const auto at = [&](Index i) {
    return token ? to.view().row(b, t, d / (in.channels() / in.groups())) + i
                 : to.view().row(0, 0, i) + d;
  };
  *at(n) += value.real();
  if (imaginary) *at(n + imaginary) += value.imag();
}

}  // namespace detail

/// Gradients of the selective scan by all its inputs and its initial state; long double as well.
///
/// \param in      as in the forward pass.
/// \param state   [sequences, states, channels], the initial state of the forward pass.
/// \param dout    gradient by y, [batch, T, channels].
/// \param dstate  [sequences, states, channels]; gradient by the final state on entry, by the
///                initial state on return.
/// \param grads   where the other gradients go, as in `backward`.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
template <Operand Output>
void naive_backward(const Inputs<ElementOf<Output>>& in, ConstViewOf<Output> state,
                    const Output& doutput, ViewOf<Output> dstate,
                    const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
                    const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  using Number = std::complex<Scalar>;
  const View<const Scalar, 3> dout(doutput);
  const auto where = "ssm::naive_backward";
  require_shapes(where, in, state, dout, {.y = "dout"});
  require_shapes(where, in, dstate, dout, {.state = "dstate", .y = "dout"});
  require_gradients(where, in, grads);
  const bool complex = in.complex;
  const Index states = in.states() / (complex ? 2 : 1);
  const Scalar twice = complex ? 2 : 1;
  if (!grads.accumulate) {
    common::clear(grads.dx), common::clear(grads.ddt), common::clear(grads.dz);
    if (grads.dB.kind() == CouplingKind::token) common::clear(grads.dB.view());
    if (grads.dC.kind() == CouplingKind::token) common::clear(grads.dC.view());
  }
  const auto sigmoid = [](Scalar v) { return 1 / (1 + std::exp(-v)); };
  // Row n of a matrix of numbers whose imaginary parts lie `states` rows further.
  const auto get = [&](const auto& row, Index n, Index d) {
    return Number(row(n)[d], complex ? row(n + states)[d] : Scalar{0});
  };

  for (Index s = 0; s < in.sequences(); ++s) {
    const Span tokens = sequence(in, s);
    const Index b = tokens.row;
    std::vector<Number> h(std::size_t((tokens.end - tokens.begin + 1) * states));
    std::vector<Number> G(static_cast<std::size_t>(states));
    for (Index d = 0; d < in.channels(); ++d) {
      const auto pole = [&](Index n) {
        return in.A ? get([&](Index i) { return in.A.row(i); }, n, d) : Number(1);
      };
      const auto raw = [&](Index t) {
        return in.dt.row(b, t)[d] + (in.dt_bias ? in.dt_bias.row()[d] : Scalar{0});
      };
      const auto bounded = [&](Index t) {
        const Scalar dt = raw(t);
        if (!in.softplus) return dt;
        return std::max(dt, Scalar{0}) + std::log1p(std::exp(-std::abs(dt)));
      };
      const auto step = [&](Index t) { return std::clamp(bounded(t), in.dt_min, in.dt_max); };
      const auto weight = [&](Index t) { return in.dt_scales_x ? step(t) : Scalar{1}; };
      const auto before = [&](Index t, Index n) -> Number& {
        return h[std::size_t((t - tokens.begin) * states + n)];
      };
      for (Index n = 0; n < states; ++n) {
        before(tokens.begin, n) = get([&](Index i) { return state.row(s, i); }, n, d);
        G[std::size_t(n)] = get([&](Index i) { return dstate.row(s, i); }, n, d);
        for (Index t = tokens.begin; t < tokens.end; ++t)
          before(t + 1, n) =
              std::exp(pole(n) * step(t)) * before(t, n) +
              detail::element(in, in.B, b, t, n, d) * (weight(t) * in.x.row(b, t)[d]);
      }
      for (Index t = tokens.end; t-- > tokens.begin;) {
        const Scalar x = in.x.row(b, t)[d], dt = step(t), skip = in.D ? in.D.row()[d] : Scalar{0};
        Scalar r = dout.row(b, t)[d], sum = skip * x;
        for (Index n = 0; n < states; ++n)
          sum += twice * (detail::element(in, in.C, b, t, n, d) * before(t + 1, n)).real();
        if (in.z) {
          const Scalar z = in.z.row(b, t)[d], gate = sigmoid(z);
          if (grads.dz) grads.dz.row(b, t)[d] += r * sum * gate * (1 + z * sigmoid(-z));
          r *= z * gate;
        }
        if (grads.dD) grads.dD.data()[d] += r * x;
        Scalar by_input = 0, by_dt = 0;
        for (Index n = 0; n < states; ++n) {
          Number& g = G[std::size_t(n)];
          const Number B = detail::element(in, in.B, b, t, n, d);
          g += twice * r * std::conj(detail::element(in, in.C, b, t, n, d));
          detail::add_element(in, grads.dC, b, t, n, d, twice * r * std::conj(before(t + 1, n)));
          detail::add_element(in, grads.dB, b, t, n, d, g * (weight(t) * x));
          by_input += (g * std::conj(B)).real();
          g *= std::conj(std::exp(pole(n) * dt));
          const Number E = g * std::conj(before(t, n));
          if (grads.dA) grads.dA.row(n)[d] += dt * E.real();
          if (grads.dA && complex) grads.dA.row(n + states)[d] += dt * E.imag();
          by_dt += (E * std::conj(pole(n))).real();
        }
        if (grads.dx) grads.dx.row(b, t)[d] += weight(t) * by_input + r * skip;
        if (in.dt_scales_x) by_dt += by_input * x;
        if (bounded(t) < in.dt_min || bounded(t) > in.dt_max) by_dt = 0;
        if (in.softplus) by_dt *= sigmoid(raw(t));
        if (grads.ddt) grads.ddt.row(b, t)[d] += by_dt;
        if (grads.ddt_bias) grads.ddt_bias.data()[d] += by_dt;
      }
      for (Index n = 0; n < states; ++n) {
        dstate.row(s, n)[d] = G[std::size_t(n)].real();
        if (complex) dstate.row(s, n + states)[d] = G[std::size_t(n)].imag();
      }
    }
  }
}

}  // namespace sluice::ssm
