// SPDX-License-Identifier: MIT
/// \file
/// Golden cases of softmax attention, whose files have heads before time.

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/attention.hpp>
#include <sluice/ops/softmax_attention.hpp>
#include "support/golden_families.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

namespace sluice::testing::golden_attention {

/// [B, T, H, D] from [B, H, T, D], and back.
template <class Scalar>
Tensor<Scalar, 4> swap_heads_and_time(const Tensor<Scalar, 4>& x) {
  return x.shuffle(Eigen::array<int, 4>{0, 2, 1, 3});
}

template <class Scalar>
struct Problem {
  const GoldenCase& c;
  Tensor<Scalar, 4> q, k, v;
  std::optional<Tensor<Scalar, 4>> bias;
  double scale;
  bool causal;

  explicit Problem(const GoldenCase& golden)
      : c(golden),
        q(stream("in.q")),
        k(stream("in.k")),
        v(stream("in.v")),
        bias(c.optional<Scalar, 4>("in.bias")),
        scale(c.number("scale", 1 / std::sqrt(double(q.dimension(3))))),
        causal(c.flag("is_causal", false)) {}

  Tensor<Scalar, 4> stream(const std::string& name) const {
    return swap_heads_and_time(c.tensor<Scalar, 4>(name));
  }
  Shape<4> scores() const {
    return {q.dimension(0), q.dimension(2), q.dimension(1), k.dimension(1)};
  }
  attention::Inputs<Scalar> inputs() const {
    attention::Inputs<Scalar> in{.q = q, .k = k, .v = v, .causal = causal};
    if (bias) in.bias = sluice::detail::spread<4>(View<const Scalar, 4>(*bias), scores());
    return in;
  }
  Tensor<Scalar, 4> output() const {
    Tensor<Scalar, 4> o(q.dimension(0), q.dimension(1), q.dimension(2), v.dimension(3));
    o.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
    return o;
  }
  void check(Report& report, const std::string& form, const std::string& name,
             const Tensor<Scalar, 4>& got, bool gradient) const {
    if (c.has(name))
      report.add(form, name, swap_heads_and_time(got), c.elements(name), c.limit<Scalar>(gradient));
  }
};

template <class Scalar>
struct Gradient {
  Tensor<Scalar, 4> dq, dk, dv;
  std::optional<Tensor<Scalar, 4>> dbias;

  explicit Gradient(const Problem<Scalar>& p)
      : dq(zeros<Scalar>(shape_of(p.q))),
        dk(zeros<Scalar>(shape_of(p.k))),
        dv(zeros<Scalar>(shape_of(p.v))) {
    if (p.bias) dbias = zeros<Scalar>(shape_of(*p.bias));
  }
  void check(const Problem<Scalar>& p, Report& report, const std::string& form) const {
    p.check(report, form, "grad.q", dq, true);
    p.check(report, form, "grad.k", dk, true);
    p.check(report, form, "grad.v", dv, true);
    if (dbias && p.c.has("grad.bias"))
      report.add(form, "dbias", *dbias, p.c.elements("grad.bias"),
                 p.c.template limit<Scalar>(true));
  }
};

template <class Scalar>
void check_kernels(const Problem<Scalar>& p, Report& report) {
  const auto run = [&](const std::string& form, auto&& forward, auto&& backward) {
    auto o = p.output();
    Tensor<Scalar, 3> lse(p.q.dimension(0), p.q.dimension(2), p.q.dimension(1));
    forward(p.inputs(), p.scale, o, Workspace{}, lse);
    p.check(report, form, "out.o", o, false);
    if (!p.c.has("cot.o")) return;
    Gradient<Scalar> g(p);
    attention::Gradients<Scalar> to{.dq = g.dq, .dk = g.dk, .dv = g.dv};
    if (g.dbias) to.dbias = sluice::detail::spread<4>(View<Scalar, 4>(*g.dbias), p.scores());
    const auto dout = p.stream("cot.o");
    backward(p.inputs(), p.scale, o, lse, dout, to);
    g.check(p, report, form + " backward");
  };
  run(
      "naive", [](auto&&... a) { attention::naive(a...); },
      [](auto&&... a) { attention::naive_backward(a...); });
  run(
      "forward", [](auto&&... a) { attention::forward(a...); },
      [](auto&&... a) { attention::backward(a...); });
}

/// One query at a time, as a stream asks.
template <class Scalar>
void check_steps(const Problem<Scalar>& p, Report& report) {
  auto o = p.output();
  auto in = p.inputs();
  const auto q = in.q;
  const auto bias = in.bias;
  for (Index t = 0; t < q.dim(1); ++t) {
    in.q = slice(q, 1, t, 1);
    if (bias) in.bias = slice(bias, 2, t, 1);
    in.offset = t;
    attention::forward(in, p.scale, slice(View<Scalar, 4>(o), 1, t, 1));
  }
  p.check(report, "step", "out.o", o, false);
}

template <class Scalar>
void check_op(const Problem<Scalar>& p, Report& report) {
  Gradient<Scalar> g(p);
  Tape<Scalar> tape;
  tape.record();
  SoftmaxAttentionOptions<Scalar> options{.scale = Scalar(p.scale), .causal = p.causal};
  if (p.bias) options.bias = tape.input(View<const Scalar, 4>(*p.bias), View<Scalar, 4>(*g.dbias));
  const auto o = softmax_attention(tape.input(p.q, g.dq), tape.input(p.k, g.dk),
                                   tape.input(p.v, g.dv), options);
  auto out = p.output();
  std::copy_n(o.value.data(), out.size(), out.data());
  p.check(report, "op", "out.o", out, false);
  if (!p.c.has("cot.o")) return;
  const auto dout = p.stream("cot.o");
  std::copy_n(dout.data(), dout.size(), o.gradient.data());
  tape.backward();
  g.check(p, report, "op backward");
}

template <class Scalar>
void check_in(const GoldenCase& c, Report& report) {
  const Problem<Scalar> p(c);
  check_kernels(p, report);
  check_steps(p, report);
  check_op(p, report);
}

/// All forms, in both precisions.
void check(const GoldenCase& c, Report& report) {
  check_in<double>(c, report);
  check_in<float>(c, report);
}

}  // namespace sluice::testing::golden_attention
