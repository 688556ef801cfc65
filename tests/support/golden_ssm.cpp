// SPDX-License-Identifier: MIT
/// \file
/// Golden cases of the selective scan and of the elementwise gated recurrence (selective_scan,
/// hgrn), in every form.

#include "support/golden_families.hpp"
#include "support/golden_ssm_problem.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/kernels/ssm.hpp>
#include <sluice/ops/selective_scan.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

namespace sluice::testing::golden_ssm {

template <class Scalar>
double limit(const GoldenCase& c, bool gradient, bool chunked) {
  const bool relaxed = chunked && c.stress() && std::is_same_v<Scalar, float>;
  return c.limit<Scalar>(gradient) * (relaxed ? 10 : 1);
}

template <class Scalar>
void compare_outputs(const GoldenCase& c, const std::string& form, bool chunked,
                     const Tensor<Scalar, 3>& y, const Tensor<Scalar, 3>& state, Report& report) {
  const Reader<double> read(c, "out.");
  const double most = limit<Scalar>(c, false, chunked);
  if (const auto expected = read.stream(read.names.y)) report.add(form, "y", y, *expected, most);
  if (const auto expected = read.state(read.names.final_state))
    report.add(form, "state", state, *expected, most);
}

template <class Scalar>
void check_outputs(const GoldenCase& c, const Problem<Scalar>& p, Report& report) {
  const auto check = [&](const std::string& form, bool chunked, auto&& kernel) {
    Tensor<Scalar, 3> y(shape_of(*p.x)), state = p.state;
    y.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
    kernel(p.inputs(), View<Scalar, 3>(state), View<Scalar, 3>(y));
    compare_outputs(c, form, chunked, y, state, report);
  };
  check("naive", false, [](const auto&... a) { ssm::naive(a...); });
  check("recurrent", false, [](const auto&... a) { ssm::recurrent(a...); });
  if (p.cu_seqlens.empty())
    check("step", false, [&](const auto&, auto state, auto y) {
      for (Index t = 0; t < y.dim(1); ++t) ssm::step(p.token(t), state, slice(y, 1, t, 1));
    });
  check("forward", true, [](const auto&... a) { ssm::forward(a...); });
  for (const Index chunk : {1, 7, 16, 64, 1000})
    check("chunkwise(" + std::to_string(chunk) + ")", true,
          [&](const auto& in, auto state, auto y) { ssm::chunkwise(in, chunk, state, y); });
}

/// Compares the gradients that the case has.
template <class Scalar>
void compare(const GoldenCase& c, const std::string& form, const Problem<Scalar>& d,
             Report& report) {
  const Problem<double> expected(c, "grad.");
  const double most = limit<Scalar>(c, true, true);
  const auto one = [&](const char* name, const auto& e, const auto& got) {
    if (e && got) report.add(form, name, *got, *e, most);
  };
  one("dx", expected.x, d.x), one("ddt", expected.dt, d.dt), one("dz", expected.z, d.z);
  one("dA", expected.A, d.A), one("dD", expected.D, d.D), one("ddt_bias", expected.bias, d.bias);
  one("dB", expected.B, d.B), one("dC", expected.C, d.C);
  one("dB", expected.B_constant, d.B_constant), one("dC", expected.C_constant, d.C_constant);
  if (expected.has_state) report.add(form, "dstate", d.state, expected.state, most);
}

/// Cotangents of the output and of the final state; zeros where the case has none.
template <class Scalar>
std::pair<Tensor<Scalar, 3>, Tensor<Scalar, 3>> cotangents(const GoldenCase& c,
                                                           const Problem<Scalar>& p) {
  const Reader<Scalar> read(c, "cot.");
  const auto y = read.stream(read.names.y);
  const auto state = read.state(read.names.final_state);
  return {y ? *y : zeros<Scalar>(shape_of(*p.x)),
          state ? *state : zeros<Scalar>(shape_of(p.state))};
}

template <class Scalar>
void check_backward(const GoldenCase& c, const Problem<Scalar>& p, Report& report) {
  const auto in = p.inputs();
  Tensor<Scalar, 3> saved(ssm::saved_states(in), in.states(), in.channels());
  Tensor<Scalar, 3> y(shape_of(*p.x)), state = p.state;
  ssm::forward(in, View<Scalar, 3>(state), y, {}, saved);
  const auto [dy, dstate] = cotangents(c, p);
  Problem<Scalar> d = p.zeros_like();
  d.state = dstate;
  ssm::backward(in, saved, dy, View<Scalar, 3>(d.state), d.targets());
  compare(c, "backward", d, report);
}

/// What the operations find by address.
template <class Scalar>
struct Recorded {
  Tensor<Scalar, 3> state;
  Tensor<Scalar, 2> flat;  ///< the state of the gated recurrence
  Maybe<Scalar, 1> D, bias;
  static constexpr auto fields() {
    return std::tuple{field("state", &Recorded::state), field("flat", &Recorded::flat),
                      field("D", &Recorded::D), field("bias", &Recorded::bias)};
  }
};

template <class Scalar>
void check_op(const GoldenCase& c, const Problem<Scalar>& p, Report& report) {
  Problem<Scalar> d = p.zeros_like();
  Recorded<Scalar> recorded{p.state, {}, p.D, p.bias};
  recorded.flat.resize(p.state.dimension(0), p.state.dimension(2));
  std::copy_n(p.state.data(), recorded.flat.size(), recorded.flat.data());
  Recorded<Scalar> gradient = zeros_like(recorded);
  Tape<Scalar> tape;
  tape.start();
  tape.also_record(recorded, gradient);
  tape.pack(p.cu_seqlens);
  const auto input = [&](const auto& x, auto& dx) {
    constexpr int Rank = std::remove_cvref_t<decltype(*x)>::NumDimensions;
    return tape.template input<Rank>(View<const Scalar, Rank>(*x), View<Scalar, Rank>(*dx));
  };
  const auto x = input(p.x, d.x), dt = input(p.dt, d.dt);
  Variable<Scalar, 3> y;
  if (p.elementwise) {
    y = gated_recurrence(x, dt, recorded.flat);
    std::copy_n(recorded.flat.data(), recorded.flat.size(), recorded.state.data());
  } else {
    SelectiveScanOptions<Scalar> options;
    options.skip = recorded.D, options.dt_bias = recorded.bias;
    if (p.z) options.z = input(p.z, d.z);
    options.softplus = p.softplus, options.complex = p.complex;
    options.dt_min = p.dt_min, options.dt_max = p.dt_max;
    const auto A = input(p.A, d.A);
    const auto scan = [&](const auto& B, const auto& C) {
      y = selective_scan(x, dt, A, B, C, recorded.state, options);
    };
    const auto with_B = [&](const auto& B) {
      p.C ? scan(B, input(p.C, d.C)) : scan(B, input(p.C_constant, d.C_constant));
    };
    p.B ? with_B(input(p.B, d.B)) : with_B(input(p.B_constant, d.B_constant));
  }
  Tensor<Scalar, 3> out(y.shape());
  std::copy_n(y.value.data(), out.size(), out.data());
  compare_outputs(c, "op", true, out, recorded.state, report);

  const auto [dy, dstate] = cotangents(c, p);
  std::copy_n(dy.data(), dy.size(), y.gradient.data());
  gradient.state = dstate;
  std::copy_n(dstate.data(), gradient.flat.size(), gradient.flat.data());
  tape.backward();
  d.state = gradient.state, d.D = gradient.D, d.bias = gradient.bias;
  if (p.elementwise) std::copy_n(gradient.flat.data(), gradient.flat.size(), d.state.data());
  compare(c, "op backward", d, report);
}

/// All forms, in both precisions.
void check(const GoldenCase& c, Report& report) {
  const auto check_in = [&]<class Scalar>(Scalar) {
    const Problem<Scalar> p(c, "in.");
    check_outputs(c, p, report);
    check_backward(c, p, report);
    check_op(c, p, report);
  };
  check_in(double{}), check_in(float{});
}

}  // namespace sluice::testing::golden_ssm
