// SPDX-License-Identifier: MIT
/// \file
/// Problems of the selective scan for the tests of its kernels: operands, forms, gradients.
#pragma once

#include "tensor.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/kernels/ssm.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

namespace sluice::testing {

/// Sizes and options of a problem.
struct SsmCase {
  Index batch = 1, T = 1, channels = 1, states = 1, groups = 1;
  ssm::CouplingKind B = ssm::CouplingKind::token, C = ssm::CouplingKind::token;
  bool complex = false;
  bool around = true;  ///< bias and softplus of dt, skip and gate
  bool poles = true, dt_scales_x = true;
  double strongest = 1;  ///< decay of a step: dt A lies above about minus this
  double dt_min = -HUGE_VAL, dt_max = HUGE_VAL;
  std::vector<Index> cu_seqlens = {};

  Index rows() const { return complex ? 2 * states : states; }
  Index sequences() const { return cu_seqlens.empty() ? batch : Index(cu_seqlens.size()) - 1; }
};

/// The elementwise gated recurrence.
inline SsmCase gated_recurrence_case(Index batch, Index T, Index channels, double strongest) {
  SsmCase c{batch, T, channels, 1, 1, ssm::CouplingKind::one, ssm::CouplingKind::one};
  c.around = c.poles = c.dt_scales_x = false;
  c.strongest = strongest;
  return c;
}

/// All tensors of a problem, used or not; or the gradients by them.
template <class Scalar>
struct SsmOperands {
  Tensor<Scalar, 3> x, dt, z, state;
  Tensor<Scalar, 2> A, B_constant, C_constant;
  Tensor<Scalar, 4> B, C;
  Tensor<Scalar, 1> D, dt_bias;

  static constexpr auto fields() {
    using O = SsmOperands;
    return std::tuple{field("x", &O::x),
                      field("dt", &O::dt),
                      field("z", &O::z),
                      field("state", &O::state),
                      field("A", &O::A),
                      field("B_constant", &O::B_constant),
                      field("C_constant", &O::C_constant),
                      field("B", &O::B),
                      field("C", &O::C),
                      field("D", &O::D),
                      field("dt_bias", &O::dt_bias)};
  }

  template <class Other>
  SsmOperands<Other> as() const {
    SsmOperands<Other> out;
    const auto copy = [](const auto& from, auto& to) {
      to.resize(from.dimensions());
      for (Index i = 0; i < from.size(); ++i) to.data()[i] = Other(from.data()[i]);
    };
    copy(x, out.x), copy(dt, out.dt), copy(z, out.z), copy(state, out.state), copy(A, out.A);
    copy(B_constant, out.B_constant), copy(C_constant, out.C_constant), copy(B, out.B);
    copy(C, out.C), copy(D, out.D), copy(dt_bias, out.dt_bias);
    return out;
  }
};

template <class Scalar>
SsmOperands<Scalar> operands(const SsmCase& c, unsigned seed = 1) {
  const Shape<3> stream{c.batch, c.T, c.channels};
  const Shape<4> coupling{c.batch, c.T, c.groups, c.rows()};
  const Shape<2> matrix{c.rows(), c.channels};
  SsmOperands<Scalar> o;
  o.x = uniform<Scalar, 3>(stream, -1, 1, seed);
  o.dt = uniform<Scalar, 3>(stream, c.around ? -2 : 0, 1, seed + 1);
  o.z = uniform<Scalar, 3>(stream, -2, 2, seed + 2);
  o.state = uniform<Scalar, 3>({c.sequences(), c.rows(), c.channels}, -1, 1, seed + 3);
  o.A = uniform<Scalar, 2>(matrix, -Scalar(c.strongest), 0, seed + 4);
  if (c.complex)  // turns both ways, at any strength of decay
    for (Index n = c.states; n < c.rows(); ++n)
      for (Index d = 0; d < c.channels; ++d)
        o.A(n, d) = 6 * (Scalar((n * 7 + d * 5) % 11) / 11 - Scalar(0.5));
  o.B_constant = uniform<Scalar, 2>(matrix, -1, 1, seed + 5);
  o.C_constant = uniform<Scalar, 2>(matrix, -1, 1, seed + 6);
  o.B = uniform<Scalar, 4>(coupling, -1, 1, seed + 7);
  o.C = uniform<Scalar, 4>(coupling, -1, 1, seed + 8);
  o.D = uniform<Scalar, 1>({c.channels}, -1, 1, seed + 9);
  o.dt_bias = uniform<Scalar, 1>({c.channels}, -1, 1, seed + 10);
  if (!c.poles) o.dt = uniform<Scalar, 3>(stream, -Scalar(c.strongest), 0, seed + 1);
  return o;
}

template <class Scalar>
ssm::Inputs<Scalar> inputs(const SsmCase& c, const SsmOperands<Scalar>& o) {
  ssm::Inputs<Scalar> in{.x = o.x, .dt = o.dt};
  if (c.poles) in.A = o.A;
  if (c.B == ssm::CouplingKind::token) in.B = o.B;
  if (c.B == ssm::CouplingKind::channel) in.B = o.B_constant;
  if (c.C == ssm::CouplingKind::token) in.C = o.C;
  if (c.C == ssm::CouplingKind::channel) in.C = o.C_constant;
  if (c.around) in.D = o.D, in.z = o.z, in.dt_bias = o.dt_bias;
  in.softplus = c.around;
  in.complex = c.complex;
  in.dt_scales_x = c.dt_scales_x;
  in.dt_min = Scalar(c.dt_min), in.dt_max = Scalar(c.dt_max);
  in.cu_seqlens = c.cu_seqlens;
  return in;
}

/// Where the gradients by what `inputs` uses go.
template <class Scalar>
ssm::Gradients<Scalar> targets(const SsmCase& c, SsmOperands<Scalar>& d) {
  ssm::Gradients<Scalar> g{.dx = d.x, .ddt = d.dt};
  if (c.poles) g.dA = d.A;
  if (c.B == ssm::CouplingKind::token) g.dB = d.B;
  if (c.B == ssm::CouplingKind::channel) g.dB = d.B_constant;
  if (c.C == ssm::CouplingKind::token) g.dC = d.C;
  if (c.C == ssm::CouplingKind::channel) g.dC = d.C_constant;
  if (c.around) g.dD = d.D, g.dz = d.z, g.ddt_bias = d.dt_bias;
  return g;
}

/// Tokens [from, to) of a problem that is not packed, from another state.
template <class Scalar>
std::pair<SsmCase, SsmOperands<Scalar>> tokens(SsmCase c, SsmOperands<Scalar> o, Index from,
                                               Index to, const Tensor<Scalar, 3>& state) {
  c.T = to - from;
  for (auto* x : {&o.x, &o.dt, &o.z}) *x = slice_tokens(Tensor<Scalar, 3>(*x), from, to);
  for (auto* x : {&o.B, &o.C}) *x = slice_tokens(Tensor<Scalar, 4>(*x), from, to);
  o.state = state;
  return {c, o};
}

template <class Scalar>
struct SsmResult {
  Tensor<Scalar, 3> y, state;
};

/// Every form by name, for tests that must hold for all.
struct SsmForm {
  std::string name;
  Index chunk_size = 0;

  template <class Scalar>
  void operator()(const ssm::Inputs<Scalar>& in, View<Scalar, 3> state, View<Scalar, 3> y) const {
    if (name == "naive") ssm::naive(in, state, y);
    if constexpr (!std::is_same_v<Scalar, long double>) {
      if (name == "recurrent") ssm::recurrent(in, state, y);
      if (name == "forward") ssm::forward(in, state, y);
      if (name == "chunkwise") ssm::chunkwise(in, chunk_size, state, y);
    }
  }
};
inline const std::vector<SsmForm> ssm_forms{
    {"recurrent"},     {"forward"},       {"chunkwise", 1},    {"chunkwise", 7},
    {"chunkwise", 16}, {"chunkwise", 33}, {"chunkwise", 10000}};

/// Runs `form(inputs, state, y)`; y is NaN before.
template <class Scalar, class Form>
SsmResult<Scalar> run(const SsmCase& c, const SsmOperands<Scalar>& o, Form&& form) {
  SsmResult<Scalar> r{Tensor<Scalar, 3>(o.x.dimensions()), o.state};
  r.y.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
  form(inputs(c, o), View<Scalar, 3>(r.state), View<Scalar, 3>(r.y));
  return r;
}

/// By the definition, in long double.
template <class Scalar>
SsmResult<long double> truth(const SsmCase& c, const SsmOperands<Scalar>& o) {
  return run(c, o.template as<long double>(), SsmForm{"naive"});
}

/// Gradients of <y, dout> + <final state, dstate> by the kernel; those by time begin as NaN.
template <class Scalar>
SsmOperands<Scalar> gradients(const SsmCase& c, const SsmOperands<Scalar>& o,
                              const Tensor<Scalar, 3>& dout, const Tensor<Scalar, 3>& dstate,
                              const Workspace& workspace = {}) {
  const auto in = inputs(c, o);
  Tensor<Scalar, 3> saved(ssm::saved_states(in), in.states(), in.channels()), state = o.state;
  Tensor<Scalar, 3> y(o.x.dimensions());
  ssm::forward(in, View<Scalar, 3>(state), y, workspace, saved);
  SsmOperands<Scalar> d = zeros_like(o);
  const Scalar nan = std::numeric_limits<Scalar>::quiet_NaN();
  d.x.setConstant(nan), d.dt.setConstant(nan);
  if (c.around) d.z.setConstant(nan);
  if (c.B == ssm::CouplingKind::token) d.B.setConstant(nan);
  if (c.C == ssm::CouplingKind::token) d.C.setConstant(nan);
  d.state = dstate;
  ssm::backward(in, saved, dout, View<Scalar, 3>(d.state), targets(c, d), workspace);
  return d;
}

/// The same by the definition, in long double.
template <class Scalar>
SsmOperands<double> reference_gradients(const SsmCase& c, const SsmOperands<Scalar>& operands,
                                        const Tensor<Scalar, 3>& dout,
                                        const Tensor<Scalar, 3>& dstate) {
  using Real = long double;
  const auto o = operands.template as<Real>();
  auto d = zeros_like(o);
  Tensor<Real, 3> cotangent(dout.dimensions());
  for (Index i = 0; i < dout.size(); ++i) cotangent.data()[i] = dout.data()[i];
  for (Index i = 0; i < dstate.size(); ++i) d.state.data()[i] = dstate.data()[i];
  ssm::naive_backward(inputs(c, o), o.state, cotangent, d.state, targets(c, d));
  return d.template as<double>();
}

/// The largest difference, relative to the largest expected entry; infinite on NaN. Operands are
/// near 1, so of entries below 1e-12 even a decay of 2^-60 that has become 0 is no small part.
template <class Expected, class Actual>
double largest_error(const Expected& expected, const Actual& actual) {
  long double size = 0, difference = 0;
  for (Index i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual.data()[i])) return HUGE_VAL;
    const auto e = static_cast<long double>(expected.data()[i]);
    size = std::max(size, std::abs(e));
    difference = std::max(difference, std::abs(e - static_cast<long double>(actual.data()[i])));
  }
  return double(difference / std::max(size, 1e-12L));
}

template <class Tensor>
bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dimensions() == b.dimensions() &&
         std::equal(reinterpret_cast<const char*>(a.data()),
                    reinterpret_cast<const char*>(a.data() + a.size()),
                    reinterpret_cast<const char*>(b.data()));
}

}  // namespace sluice::testing
