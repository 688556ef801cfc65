// SPDX-License-Identifier: MIT
/// \file
/// Problems of gated linear attention for the tests of its kernels: inputs, forms, gradients.
#pragma once

#include "tensor.hpp"

#include <sluice/kernels/gla.hpp>

#include <string>
#include <vector>

namespace sluice::testing {

struct GlaShape {
  Index B, T, H, HV, K, V;
};

/// Random inputs, and one gate of every kind between `-strongest` and 0.
template <class Scalar>
struct GlaProblem {
  GlaShape n;
  gla::GateKind kind;
  bool bonus;
  Tensor<Scalar, 4> q, k, v, g, state, dout, dstate;
  Tensor<Scalar, 3> g_scalar;
  Tensor<Scalar, 1> g_constant;
  Tensor<Scalar, 2> u;
  std::vector<Index> cu_seqlens;
  Scalar scale = Scalar(0.3);

  GlaProblem(GlaShape shape, gla::GateKind gate, bool with_bonus, Scalar strongest,
             unsigned seed = 1)
      : n(shape),
        kind(gate),
        bonus(with_bonus),
        q(uniform<Scalar, 4>({n.B, n.T, n.H, n.K}, -1, 1, seed)),
        k(uniform<Scalar, 4>({n.B, n.T, n.H, n.K}, -1, 1, seed + 1)),
        v(uniform<Scalar, 4>({n.B, n.T, n.HV, n.V}, -1, 1, seed + 2)),
        g(uniform<Scalar, 4>({n.B, n.T, n.HV, n.K}, -strongest, 0, seed + 3)),
        state(uniform<Scalar, 4>({n.B, n.HV, n.K, n.V}, -1, 1, seed + 4)),
        dout(uniform<Scalar, 4>({n.B, n.T, n.HV, n.V}, -1, 1, seed + 5)),
        dstate(uniform<Scalar, 4>({n.B, n.HV, n.K, n.V}, -1, 1, seed + 6)),
        g_scalar(uniform<Scalar, 3>({n.B, n.T, n.HV}, -strongest, 0, seed + 7)),
        g_constant(uniform<Scalar, 1>({n.HV}, -strongest, 0, seed + 8)),
        u(uniform<Scalar, 2>({n.HV, n.K}, -1, 1, seed + 9)) {}

  gla::Inputs<Scalar> inputs() const {
    gla::Inputs<Scalar> in{.q = q, .k = k, .v = v};
    if (kind == gla::GateKind::vector) in.g = g;
    if (kind == gla::GateKind::scalar) in.g = g_scalar;
    if (kind == gla::GateKind::constant) in.g = g_constant;
    if (bonus) in.u = u;
    in.cu_seqlens = cu_seqlens;
    return in;
  }

  /// The same problem with other numbers.
  template <class Other>
  GlaProblem<Other> as() const {
    GlaProblem<Other> p(n, kind, bonus, Other(1));
    const auto copy = [](const auto& from, auto& to) {
      to = std::remove_cvref_t<decltype(to)>(from.dimensions());
      for (Index i = 0; i < from.size(); ++i) to.data()[i] = Other(from.data()[i]);
    };
    copy(q, p.q), copy(k, p.k), copy(v, p.v), copy(g, p.g), copy(state, p.state);
    copy(dout, p.dout), copy(dstate, p.dstate), copy(g_scalar, p.g_scalar);
    copy(g_constant, p.g_constant), copy(u, p.u);
    p.cu_seqlens = cu_seqlens;
    p.scale = Other(scale);
    return p;
  }

  /// Tokens [from, to) of the problem, from another state.
  GlaProblem tokens(Index from, Index to, const Tensor<Scalar, 4>& initial) const {
    GlaProblem part = *this;
    part.n.T = to - from;
    for (auto* x : {&part.q, &part.k, &part.v, &part.g, &part.dout})
      *x = slice_tokens(Tensor<Scalar, 4>(*x), from, to);
    part.g_scalar = slice_tokens(g_scalar, from, to);
    part.state = initial;
    return part;
  }
};

template <class Scalar>
struct GlaResult {
  Tensor<Scalar, 4> o, state;
};

/// Runs `form(inputs, scale, state, o)`; o is NaN before.
template <class Scalar, class Form>
GlaResult<Scalar> run(const GlaProblem<Scalar>& p, Form&& form) {
  GlaResult<Scalar> r{Tensor<Scalar, 4>(p.n.B, p.n.T, p.n.HV, p.n.V), p.state};
  r.o.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
  form(p.inputs(), p.scale, r.state, r.o);
  return r;
}

/// Every form by name, for tests that must hold for all.
struct GlaForm {
  std::string name;
  Index chunk_size = 0;

  template <class Scalar>
  void operator()(const gla::Inputs<Scalar>& in, Scalar scale, Tensor<Scalar, 4>& state,
                  Tensor<Scalar, 4>& o) const {
    if (name == "naive") gla::naive(in, scale, state, o);
    if (name == "recurrent") gla::recurrent(in, scale, state, o);
    if (name == "blocked") gla::blocked(in, scale, state, o);
    if (name == "forward") gla::forward(in, scale, state, o);
    if (name == "chunkwise") gla::chunkwise(in, scale, chunk_size, state, o);
  }
};
inline const std::vector<GlaForm> gla_forms{
    {"recurrent"},     {"blocked"},       {"forward"},       {"chunkwise", 1},
    {"chunkwise", 16}, {"chunkwise", 33}, {"chunkwise", 64}, {"chunkwise", 1000}};

/// Gradients by every input, by the kernel.
template <class Scalar>
struct GlaGradients {
  Tensor<Scalar, 4> dq, dk, dv, dg, dstate;
  Tensor<Scalar, 3> dg_scalar;
  Tensor<Scalar, 1> dg_constant;
  Tensor<Scalar, 2> du;

  explicit GlaGradients(const GlaProblem<Scalar>& p)
      : dq(p.q.dimensions()),
        dk(p.k.dimensions()),
        dv(p.v.dimensions()),
        dg(p.g.dimensions()),
        dstate(p.dstate),
        dg_scalar(p.g_scalar.dimensions()),
        dg_constant(p.g_constant.dimensions()),
        du(p.u.dimensions()) {
    dq.setZero(), dk.setZero(), dv.setZero(), dg.setZero();
    dg_scalar.setZero(), dg_constant.setZero(), du.setZero();
  }

  gla::Gradients<Scalar> views(const GlaProblem<Scalar>& p) {
    gla::Gradients<Scalar> g{.dq = dq, .dk = dk, .dv = dv};
    if (p.kind == gla::GateKind::vector) g.dg = dg;
    if (p.kind == gla::GateKind::scalar) g.dg = dg_scalar;
    if (p.kind == gla::GateKind::constant) g.dg = dg_constant;
    if (p.bonus) g.du = du;
    return g;
  }
};

template <class Scalar>
GlaGradients<Scalar> backward(const GlaProblem<Scalar>& p, const Workspace& workspace = {}) {
  GlaGradients<Scalar> r(p);
  const auto in = p.inputs();
  Tensor<Scalar, 4> saved(gla::saved_states(in), p.n.HV, p.n.K, p.n.V), o(p.v.dimensions());
  auto state = p.state;
  gla::blocked(in, p.scale, state, o, workspace, saved);
  gla::backward(in, p.scale, View<const Scalar, 4>(saved), p.dout, r.dstate, r.views(p), workspace);
  return r;
}

/// The gradients by the definition, in long double. `dg` is by every token and channel, whatever
/// the kind of the gate.
template <class Scalar>
GlaGradients<double> reference_gradients(const GlaProblem<Scalar>& p) {
  using Real = long double;
  const auto wide = p.template as<Real>();
  GlaGradients<Real> r(wide);
  gla::naive_backward(wide.inputs(), double(p.scale), wide.state, wide.dout, r.dstate,
                      r.views(wide));
  auto every = wide;  // the same gate, written out
  every.kind = gla::GateKind::vector;
  const auto in = wide.inputs();
  for (Index b = 0; b < p.n.B; ++b)
    for (Index t = 0; t < p.n.T; ++t)
      for (Index h = 0; h < p.n.HV; ++h)
        for (Index i = 0; i < p.n.K; ++i)
          every.g(b, t, h, i) = p.kind == gla::GateKind::none
                                    ? Real(0)
                                    : in.g.row(b, t, h)[p.kind == gla::GateKind::vector ? i : 0];
  GlaGradients<Real> e(every);
  gla::naive_backward(every.inputs(), double(p.scale), every.state, every.dout, e.dstate,
                      {.dg = e.dg});
  GlaGradients<double> out(p.template as<double>());
  const auto copy = [](const auto& from, auto& to) {
    for (Index i = 0; i < from.size(); ++i) to.data()[i] = double(from.data()[i]);
  };
  copy(r.dq, out.dq), copy(r.dk, out.dk), copy(r.dv, out.dv), copy(e.dg, out.dg);
  copy(r.dstate, out.dstate), copy(r.du, out.du);
  copy(r.dg_scalar, out.dg_scalar), copy(r.dg_constant, out.dg_constant);
  return out;
}

/// The largest difference, relative to the largest expected entry; infinite on NaN.
template <class Expected, class Actual>
double largest_error(const Expected& expected, const Actual& actual) {
  double size = 0, difference = 0;
  for (Index i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual.data()[i])) return HUGE_VAL;
    size = std::max(size, std::abs(double(expected.data()[i])));
    difference =
        std::max(difference, std::abs(double(expected.data()[i]) - double(actual.data()[i])));
  }
  return difference / std::max(size, 1e-30);
}

}  // namespace sluice::testing
