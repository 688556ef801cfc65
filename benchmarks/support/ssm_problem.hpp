// SPDX-License-Identifier: MIT
/// \file
/// One problem of the selective scan, on which all its forms are compared.
#pragma once

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/ssm/backward.hpp>
#include <sluice/kernels/ssm/forward.hpp>

namespace sluice::bench {

struct SsmShape {
  Index B, T, D, N;

  double tokens() const { return double(B * T); }
  /// Exponentials of a decay; those of softplus and silu are not counted.
  double exps() const { return tokens() * double(D * N); }
  /// A decay, a write and a product with C.
  double forward_flop() const { return 5 * exps(); }
};

/// As a Mamba block uses it: bias and softplus of dt, skip, gate; poles -1 ... -N.
template <class Scalar>
struct SsmProblem {
  SsmShape shape;
  Tensor<Scalar, 3> x, dt, z, B, C, state, y, saved, dout, dstate, dx, ddt, dz, dB, dC;
  Tensor<Scalar, 2> A, dA;
  Tensor<Scalar, 1> D, dt_bias, dD, ddt_bias;
  Arena arena;
  Workspace workspace;

  /// \param strong  whether dt lies in 4 ... 8, where nothing is remembered, instead of near 0.05.
  explicit SsmProblem(const SsmShape& s, bool strong = false, Executor executor = {})
      : shape(s),
        x(s.B, s.T, s.D),
        dt(s.B, s.T, s.D),
        z(s.B, s.T, s.D),
        B(s.B, s.T, s.N),
        C(s.B, s.T, s.N),
        state(s.B, s.N, s.D),
        y(s.B, s.T, s.D),
        A(s.N, s.D),
        D(s.D),
        dt_bias(s.D),
        workspace(executor, &arena) {
    Rng rng(1);
    for (auto* t : {&x, &z, &B, &C}) fill_uniform(*t, rng, Scalar(-1), Scalar(1));
    fill_uniform(dt, rng, Scalar(strong ? 7 : 0), Scalar(strong ? 11 : 2));
    D.setConstant(1), dt_bias.setConstant(-3), state.setZero();
    for (Index n = 0; n < s.N; ++n)
      for (Index d = 0; d < s.D; ++d) A(n, d) = -Scalar(n + 1);
  }

  ssm::Inputs<Scalar> inputs() const {
    ssm::Inputs<Scalar> in{.x = x, .dt = dt, .A = A, .B = B, .C = C};
    in.D = D, in.z = z, in.dt_bias = dt_bias, in.softplus = true;
    return in;
  }

  void recurrent() { ssm::recurrent(inputs(), state, y); }
  void step() { ssm::step(inputs(), state, y); }
  void forward() { ssm::forward(inputs(), state, y, workspace); }
  void chunkwise(Index chunk) { ssm::chunkwise(inputs(), chunk, state, y, workspace); }
  void saving() { ssm::forward(inputs(), state, y, workspace, saved); }
  void backward() {
    ssm::Gradients<Scalar> g{.dx = dx, .ddt = ddt, .dA = dA, .dB = dB, .dC = dC};
    g.dD = dD, g.dz = dz, g.ddt_bias = ddt_bias;
    ssm::backward(inputs(), saved, dout, dstate, g, workspace);
  }

  /// Room for the backward pass, and the states it starts from.
  void prepare_backward() {
    const SsmShape& s = shape;
    Rng rng(2);
    saved.resize(ssm::saved_states(inputs()), s.N, s.D);
    for (auto* t : {&dout, &dx, &ddt, &dz}) t->resize(s.B, s.T, s.D);
    for (auto* t : {&dB, &dC}) t->resize(s.B, s.T, s.N);
    dstate.resize(s.B, s.N, s.D), dA.resize(s.N, s.D), dD.resize(s.D), ddt_bias.resize(s.D);
    dA.setZero(), dD.setZero(), ddt_bias.setZero(), dstate.setZero();
    fill_uniform(dout, rng, Scalar(-1), Scalar(1));
    saving();
  }
};

}  // namespace sluice::bench
