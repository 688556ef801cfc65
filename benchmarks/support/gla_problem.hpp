// SPDX-License-Identifier: MIT
/// \file
/// One problem of gated linear attention, on which all its forms are compared.
#pragma once

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/gla/backward.hpp>
#include <sluice/kernels/gla/forward.hpp>

#include <cmath>

namespace sluice::bench {

struct GlaShape {
  Index B, T, H, K, V;

  double tokens() const { return double(B * T); }
  double state_size() const { return double(H * K * V); }
  /// A decay, an outer product and a product with q; by convention, decays are not counted.
  double forward_flop() const { return 4 * tokens() * state_size(); }
  double backward_flop() const { return 10 * tokens() * state_size(); }
};

struct GlaKind {
  gla::GateKind gate = gla::GateKind::vector;
  double decay = 0;  ///< of every step, if below 0; else gates are drawn from [-0.05, 0)
  bool bonus = false;
};

template <class Scalar>
struct GlaProblem {
  GlaShape shape;
  GlaKind kind;
  Tensor<Scalar, 4> q, k, v, g, state, o, saved, dout, dstate, dq, dk, dv, dg;
  Tensor<Scalar, 3> g_scalar, dg_scalar;
  Tensor<Scalar, 2> u, du;
  Scalar scale;
  Arena arena;
  Workspace workspace;

  explicit GlaProblem(const GlaShape& s, const GlaKind& what = {}, Executor executor = {})
      : shape(s),
        kind(what),
        q(s.B, s.T, s.H, s.K),
        k(s.B, s.T, s.H, s.K),
        v(s.B, s.T, s.H, s.V),
        state(s.B, s.H, s.K, s.V),
        o(s.B, s.T, s.H, s.V),
        scale(1 / std::sqrt(Scalar(s.K))),
        workspace(executor, &arena) {
    Rng rng(1);
    fill_uniform(q, rng, Scalar(-1), Scalar(1));
    fill_uniform(k, rng, Scalar(-1), Scalar(1));
    fill_uniform(v, rng, Scalar(-1), Scalar(1));
    state.setZero();
    const auto gates = [&](auto& gate) {
      fill_uniform(gate, rng, Scalar(-0.05), Scalar(0));
      if (kind.decay < 0) gate.setConstant(Scalar(kind.decay));
    };
    if (kind.gate == gla::GateKind::vector) g.resize(s.B, s.T, s.H, s.K), gates(g);
    if (kind.gate == gla::GateKind::scalar) g_scalar.resize(s.B, s.T, s.H), gates(g_scalar);
    if (kind.bonus) u.resize(s.H, s.K), fill_uniform(u, rng, Scalar(-1), Scalar(1));
  }

  gla::Inputs<Scalar> inputs() const {
    gla::Inputs<Scalar> in{.q = q, .k = k, .v = v};
    if (kind.gate == gla::GateKind::vector) in.g = g;
    if (kind.gate == gla::GateKind::scalar) in.g = g_scalar;
    if (kind.bonus) in.u = u;
    return in;
  }

  void recurrent() { gla::recurrent(inputs(), scale, state, o); }
  void step() { gla::step(inputs(), scale, state, o); }
  void blocked() { gla::blocked(inputs(), scale, state, o, workspace); }
  void chunkwise(Index chunk) { gla::chunkwise(inputs(), scale, chunk, state, o, workspace); }
  void saving() { gla::blocked(inputs(), scale, state, o, workspace, saved); }
  void backward() {
    gla::Gradients<Scalar> grads{.dq = dq, .dk = dk, .dv = dv};
    if (kind.gate == gla::GateKind::vector) grads.dg = dg;
    if (kind.gate == gla::GateKind::scalar) grads.dg = dg_scalar;
    if (kind.bonus) grads.du = du;
    gla::backward(inputs(), scale, saved, dout, dstate, grads, workspace);
  }

  /// Room for the backward pass, and the states it starts from.
  void prepare_backward() {
    const GlaShape& s = shape;
    Rng rng(2);
    saved.resize(gla::saved_states(inputs()), s.H, s.K, s.V);
    dout.resize(s.B, s.T, s.H, s.V);
    dstate.resize(s.B, s.H, s.K, s.V);
    dq.resize(s.B, s.T, s.H, s.K), dk.resize(s.B, s.T, s.H, s.K), dv.resize(s.B, s.T, s.H, s.V);
    if (kind.gate == gla::GateKind::vector) dg.resize(s.B, s.T, s.H, s.K);
    if (kind.gate == gla::GateKind::scalar) dg_scalar.resize(s.B, s.T, s.H);
    if (kind.bonus) du.resize(s.H, s.K), du.setZero();
    fill_uniform(dout, rng, Scalar(-1), Scalar(1));
    dstate.setZero();
    saving();
  }
};

}  // namespace sluice::bench
