// SPDX-License-Identifier: MIT
/// \file
/// The selective scan as the papers write it. The reference for every other form; never fast.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/ssm/types.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <concepts>
#include <type_traits>

namespace sluice::ssm {

namespace detail {

/// Element (token t, state n, channel d) of B or C; `states` apart lies an imaginary part.
template <class Scalar>
std::complex<Scalar> element(const Inputs<Scalar>& in, const Coupling<const Scalar>& c, Index b,
                             Index t, Index n, Index d) {
  const Index imaginary = in.complex ? in.states() / 2 : 0;
  std::complex<Scalar> value(1);
  if (c.kind() == CouplingKind::token) {
    const Scalar* row = c.view().row(b, t, d / (in.channels() / in.groups()));
    value = {row[n], imaginary ? row[n + imaginary] : Scalar{0}};
  } else if (c.kind() == CouplingKind::channel) {
    value = {c.view().row(0, 0, n)[d], imaginary ? c.view().row(0, 0, n + imaginary)[d] : 0};
  }
  return value;
}

}  // namespace detail

/// The recurrence of types.hpp, one channel and state at a time, by the standard library alone.
/// Arguments and errors as `recurrent`; long double as well.
template <Operand Output>
void naive(const Inputs<ElementOf<Output>>& in, ViewOf<Output> state, Output&& output,
           const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 3> y(output);
  require_shapes("ssm::naive", in, state, y);
  using Number = std::complex<Scalar>;
  const Index states = in.states() / (in.complex ? 2 : 1);
  for (Index s = 0; s < in.sequences(); ++s) {
    const auto [b, begin, end] = sequence(in, s);
    for (Index d = 0; d < in.channels(); ++d)
      for (Index t = begin; t < end; ++t) {
        Scalar dt = in.dt.row(b, t)[d] + (in.dt_bias ? in.dt_bias.row()[d] : Scalar{0});
        if (in.softplus) dt = std::max(dt, Scalar{0}) + std::log1p(std::exp(-std::abs(dt)));
        dt = std::clamp(dt, in.dt_min, in.dt_max);
        const Scalar x = in.x.row(b, t)[d];
        Scalar sum = 0;
        for (Index n = 0; n < states; ++n) {
          Scalar* re = state.row(s, n) + d;
          Scalar* im = in.complex ? state.row(s, n + states) + d : nullptr;
          const Number A =
              !in.A ? Number(1) : Number(in.A.row(n)[d], im ? in.A.row(n + states)[d] : 0);
          const Number before(*re, im ? *im : Scalar{0});
          const Number h = std::exp(A * dt) * before +
                           detail::element(in, in.B, b, t, n, d) * (in.dt_scales_x ? dt * x : x);
          *re = h.real();
          if (im) *im = h.imag();
          sum += (im ? 2 : 1) * (detail::element(in, in.C, b, t, n, d) * h).real();
        }
        if (in.D) sum += in.D.row()[d] * x;
        if (in.z) sum *= in.z.row(b, t)[d] / (1 + std::exp(-in.z.row(b, t)[d]));
        y.row(b, t)[d] = sum;
      }
  }
}

}  // namespace sluice::ssm
