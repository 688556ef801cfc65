// SPDX-License-Identifier: MIT
/// \file
/// Golden cases of the short causal convolution, whose files have channels before time.

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/conv.hpp>
#include <sluice/ops/short_convolution.hpp>
#include "support/golden_families.hpp"

#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace sluice::testing::golden_conv {

/// [B, T, D] from [B, D, T], and back.
template <class Scalar>
Tensor<Scalar, 3> swap_time_and_channels(const Tensor<Scalar, 3>& x) {
  return x.shuffle(Eigen::array<int, 3>{0, 2, 1});
}

template <class Scalar>
struct Problem {
  const GoldenCase& c;
  Tensor<Scalar, 3> x, state;
  Tensor<Scalar, 2> weight;
  std::optional<Tensor<Scalar, 1>> bias;
  std::vector<Index> cu_seqlens;
  bool silu;

  explicit Problem(const GoldenCase& golden)
      : c(golden), x(*stream("in.x")), weight(c.tensor<Scalar, 2>("in.weight")) {
    bias = c.optional<Scalar, 1>("in.bias");
    const std::string activation = c.text("activation", "");
    silu = activation == "silu" || activation == "swish";
    if (!silu && !activation.empty() && activation != "identity")
      c.fail("activation is " + activation);
    if (c.has("in.cu_seqlens")) cu_seqlens = c.integers("in.cu_seqlens");
    const auto initial = stream("in.initial_states");
    state = initial ? *initial
                    : zeros<Scalar>(
                          Shape<3>{inputs().sequences(), weight.dimension(1) - 1, x.dimension(2)});
  }

  conv::Inputs<Scalar> inputs() const {
    conv::Inputs<Scalar> in{.x = x, .weight = weight};
    if (bias) in.bias = *bias;
    in.activation = silu ? Activation::silu : Activation::identity;
    in.cu_seqlens = cu_seqlens;
    return in;
  }
  std::optional<Tensor<Scalar, 3>> stream(const std::string& name) const {
    if (!c.has(name)) return {};
    return swap_time_and_channels(c.tensor<Scalar, 3>(name));
  }
  Tensor<Scalar, 3> or_zero(const std::string& name, const Tensor<Scalar, 3>& like) const {
    const auto found = stream(name);
    return found ? *found : zeros<Scalar>(shape_of(like));
  }
  bool has_cotangents() const { return c.has("cot.y") || c.has("cot.final_states"); }

  void check(Report& report, const std::string& form, const std::string& name,
             const Tensor<Scalar, 3>& got, bool gradient) const {
    if (c.has(name))
      report.add(form, name, swap_time_and_channels(got), c.elements(name),
                 c.limit<Scalar>(gradient));
  }
};

/// Gradients in the layout of the kernel.
template <class Scalar>
struct Gradient {
  Tensor<Scalar, 3> dx, dstate;
  Tensor<Scalar, 2> dweight;
  std::optional<Tensor<Scalar, 1>> dbias;

  explicit Gradient(const Problem<Scalar>& p)
      : dx(zeros<Scalar>(shape_of(p.x))),
        dstate(p.or_zero("cot.final_states", p.state)),
        dweight(zeros<Scalar>(shape_of(p.weight))) {
    if (p.bias) dbias = zeros<Scalar>(shape_of(*p.bias));
  }

  void check(const Problem<Scalar>& p, Report& report, const std::string& form) const {
    p.check(report, form, "grad.x", dx, true);
    p.check(report, form, "grad.initial_states", dstate, true);
    const double limit = p.c.template limit<Scalar>(true);
    if (p.c.has("grad.weight"))
      report.add(form, "dweight", dweight, p.c.elements("grad.weight"), limit);
    if (dbias && p.c.has("grad.bias"))
      report.add(form, "dbias", *dbias, p.c.elements("grad.bias"), limit);
  }
};

template <class Scalar>
void check_kernels(const Problem<Scalar>& p, Report& report) {
  const auto check = [&](const std::string& form, auto&& kernel) {
    Tensor<Scalar, 3> y(shape_of(p.x)), state = p.state;
    y.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
    kernel(p.inputs(), View<Scalar, 3>(state), View<Scalar, 3>(y));
    p.check(report, form, "out.y", y, false);
    p.check(report, form, "out.final_states", state, false);
  };
  check("naive", [](const auto&... a) { conv::naive(a...); });
  check("forward", [](const auto&... a) { conv::forward(a...); });
  if (p.cu_seqlens.empty())
    check("step", [](auto in, auto state, auto y) {
      const auto x = in.x;
      for (Index t = 0; t < x.dim(1); ++t) {
        in.x = slice(x, 1, t, 1);
        conv::step(in, state, slice(y, 1, t, 1));
      }
    });
  if (!p.has_cotangents()) return;
  Gradient<Scalar> g(p);
  const auto dy = p.or_zero("cot.y", p.x);
  conv::Gradients<Scalar> to{.dx = g.dx, .dweight = g.dweight};
  if (g.dbias) to.dbias = *g.dbias;
  conv::backward(p.inputs(), p.state, dy, g.dstate, to);
  g.check(p, report, "backward");
}

/// What the operation finds by address.
template <class Scalar>
struct Recorded {
  Tensor<Scalar, 3> weight, state;
  std::optional<Tensor<Scalar, 1>> bias;
  static constexpr auto fields() {
    return std::tuple{field("weight", &Recorded::weight), field("state", &Recorded::state),
                      field("bias", &Recorded::bias)};
  }
};

template <class Scalar>
void check_op(const Problem<Scalar>& p, Report& report) {
  const Index D = p.weight.dimension(0), W = p.weight.dimension(1);
  Gradient<Scalar> g(p);
  const Eigen::array<Index, 3> wide{D, 1, W};
  Recorded<Scalar> values{p.weight.reshape(wide), p.state, p.bias};
  Recorded<Scalar> gradient{g.dweight.reshape(wide), g.dstate, g.dbias};
  Tape<Scalar> tape;
  tape.start();
  if (p.has_cotangents()) tape.also_record(values, gradient);
  tape.pack(p.cu_seqlens);
  const auto y = short_convolution(
      tape.input(View<const Scalar, 3>(p.x), View<Scalar, 3>(g.dx)), values.weight, values.state,
      {.bias = values.bias, .activation = p.silu ? Activation::silu : Activation::identity});
  Tensor<Scalar, 3> out(y.shape());
  std::copy_n(y.value.data(), out.size(), out.data());
  p.check(report, "op", "out.y", out, false);
  p.check(report, "op", "out.final_states", values.state, false);
  if (!y.gradient) return;
  const auto dy = p.or_zero("cot.y", p.x);
  std::copy_n(dy.data(), dy.size(), y.gradient.data());
  tape.backward();
  g.dweight = gradient.weight.reshape(Eigen::array<Index, 2>{D, W});
  g.dstate = gradient.state, g.dbias = gradient.bias;
  g.check(p, report, "op backward");
}

template <class Scalar>
void check_in(const GoldenCase& c, Report& report) {
  const Problem<Scalar> p(c);
  check_kernels(p, report);
  check_op(p, report);
}

/// All forms, in both precisions.
void check(const GoldenCase& c, Report& report) {
  check_in<double>(c, report);
  check_in<float>(c, report);
}

}  // namespace sluice::testing::golden_conv
