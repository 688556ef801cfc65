// SPDX-License-Identifier: MIT
/// \file
/// The gradients of a golden case of the diagonal-decay family.
#pragma once

#include "support/golden_gla_problem.hpp"
#include "support/golden_report.hpp"

#include <limits>
#include <string>
#include <utility>

namespace sluice::testing::golden_gla {

/// What a backward form is given and what it makes, in the layout of the kernel.
template <class Scalar>
struct Gradient {
  Tensor<Scalar, 4> dout, dq, dk, dv, dstate;
  Maybe<Scalar, 1> constant_gate;
  Maybe<Scalar, 3> scalar_gate;
  Maybe<Scalar, 4> vector_gate;
  Maybe<Scalar, 2> du;

  Gradient() = default;

  /// The cotangents of the case, sent back through the division by the normaliser; outputs begin
  /// as NaN where they are overwritten and as 0 where they are added to.
  Gradient(const GoldenCase& c, const Problem<Scalar>& p, const Answer<Scalar>& answer) {
    const Reader<Scalar> read(c);
    const auto or_zero = [](Maybe<Scalar, 4> x, const Tensor<Scalar, 4>& like) {
      return x ? std::move(*x) : zeros<Scalar>(shape_of(like));
    };
    const auto unset = [](const auto& like) {
      auto x = like;
      x.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
      return x;
    };
    dout = or_zero(read.optional_stream("cot.o"), answer.o);
    dstate = or_zero(c.optional<Scalar, 4>("cot." + names_of(c).final_state), answer.state);
    if (shape_of(dout) != shape_of(answer.o)) c.fail("\"cot.o\" has another shape than \"out.o\"");
    if (p.normalize) {
      const Index V = dout.dimension(3);
      auto wide = Problem<Scalar>::with_column(dout, Scalar(0));
      for (Index row = 0; row < answer.denominator.size(); ++row) {
        Scalar* d = wide.data() + row * (V + 1);
        for (Index j = 0; j < V; ++j) {
          d[j] /= answer.denominator.data()[row];
          d[V] -= d[j] * answer.o.data()[row * V + j];
        }
      }
      dout = std::move(wide);
      dstate = Problem<Scalar>::with_column(dstate, Scalar(0));
      if (c.has("cot.zt")) p.put_normaliser(c.elements("cot.zt"), dstate, false);
    }
    dq = unset(p.q), dk = unset(p.k), dv = unset(p.v);
    if (p.constant_gate) constant_gate = zeros<Scalar>(shape_of(*p.constant_gate));
    if (p.scalar_gate) scalar_gate = unset(*p.scalar_gate);
    if (p.vector_gate) vector_gate = unset(*p.vector_gate);
    if (p.u) du = zeros<Scalar>(shape_of(*p.u));
  }

  gla::Gradients<Scalar> targets() {
    gla::Gradients<Scalar> g{.dq = dq, .dk = dk, .dv = dv};
    if (constant_gate) g.dg = *constant_gate;
    if (scalar_gate) g.dg = *scalar_gate;
    if (vector_gate) g.dg = *vector_gate;
    if (du) g.du = *du;
    return g;
  }
};

/// Compares the gradients that the case has.
template <class Scalar>
void compare(const GoldenCase& c, const Problem<Scalar>& p, const Gradient<Scalar>& g,
             const std::string& form, double limit, Report& report) {
  const Reader<double> read(c);
  const Names names = names_of(c);
  const auto stream = [&](const std::string& name, const Tensor<Scalar, 4>& got) {
    if (c.has("grad." + name))
      report.add(form, "d" + name, got, read.stream("grad." + name), limit);
  };
  stream("q", p.before_map(p.raw_q, g.dq)), stream("k", p.before_map(p.raw_k, g.dk));
  Tensor<Scalar, 4> dv = g.dv, dstate = g.dstate;
  if (p.normalize) {
    Tensor<Scalar, 4> one, dz;
    split_column(g.dv, dv, one);
    split_column(g.dstate, dstate, dz);
    if (c.has("grad.z0"))
      report.add(form, "dz0", p.normaliser_of(dz, true), c.elements("grad.z0"), limit);
  }
  stream("v", dv);
  if (g.vector_gate) stream(names.gate, *g.vector_gate);
  const std::string gate = "grad." + names.gate;
  if (g.scalar_gate && c.has(gate)) report.add(form, "dg", *g.scalar_gate, read.gate(gate), limit);
  if (g.constant_gate && c.has(gate))
    report.add(form, "dg", *g.constant_gate, c.elements(gate), limit);
  if (g.du && c.has("grad.u")) report.add(form, "du", *g.du, c.elements("grad.u"), limit);
  if (c.has("grad." + names.state))
    report.add(form, "dstate", dstate, c.elements("grad." + names.state), limit);
}

}  // namespace sluice::testing::golden_gla
