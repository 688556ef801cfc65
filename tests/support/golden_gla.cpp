// SPDX-License-Identifier: MIT
/// \file
/// Golden cases of the diagonal-decay family: gla, simple_gla, retention, linear_attn, rwkv6. All
/// become one problem, which every form must solve.

#include "support/golden_families.hpp"
#include "support/golden_gla_forms.hpp"
#include "support/golden_gla_gradients.hpp"
#include "support/golden_gla_problem.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/kernels/gla/backward.hpp>
#include <sluice/ops/gated_linear_attention.hpp>
#include <sluice/ops/normalised_linear_attention.hpp>

#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice::testing::golden_gla {

/// The references of the outputs.
struct Expected {
  Maybe<double, 4> o, state;
  std::optional<std::vector<double>> z;

  explicit Expected(const GoldenCase& c) {
    const Reader<double> read(c);
    o = read.optional_stream("out.o");
    state = c.optional<double, 4>("out." + names_of(c).final_state);
    if (c.has("out.zt")) z = c.elements("out.zt");
  }
};

/// Ten times the limit for a chunked form in float on a stress case.
template <class Scalar>
double relaxed(const GoldenCase& c) {
  return c.stress() && !c.wide<Scalar>() ? 10 : 1;
}

template <class Scalar>
void compare_outputs(const GoldenCase& c, const std::string& form, bool chunked,
                     const Answer<Scalar>& got, Report& report) {
  const Expected expected(c);
  const double limit = c.limit<Scalar>(false) * (chunked ? relaxed<Scalar>(c) : 1);
  if (expected.o) report.add(form, "o", got.o, *expected.o, limit);
  if (expected.state) report.add(form, "state", got.state, *expected.state, limit);
  if (expected.z) report.add(form, "z", got.z, *expected.z, limit);
}

template <class Scalar>
void check_outputs(const GoldenCase& c, const Problem<Scalar>& p, Report& report) {
  for_each_form(p.cu_seqlens.empty(), [&](const std::string& form, bool chunked, auto&& kernel) {
    compare_outputs(c, form, chunked, solve(p, kernel), report);
  });
}

inline bool has_cotangents(const GoldenCase& c) {
  return c.has("cot.o") || c.has("cot." + names_of(c).final_state) || c.has("cot.zt");
}

/// The backward kernel from the states that `forward` has saved.
template <class Scalar>
void check_backward(const GoldenCase& c, const Problem<Scalar>& p, Report& report) {
  auto shape = shape_of(p.state);
  shape[0] = gla::saved_states(p.inputs());
  Tensor<Scalar, 4> saved(shape);
  const Answer<Scalar> answer = solve(p, [&](const auto& in, Scalar scale, auto state, auto o) {
    gla::forward(in, scale, state, o, {}, View<Scalar, 4>(saved));
  });
  Gradient<Scalar> g(c, p, answer);
  gla::backward(p.inputs(), p.scale, saved, g.dout, g.dstate, g.targets());
  compare(c, p, g, "backward", c.limit<Scalar>(true) * relaxed<Scalar>(c), report);
}

/// What the operation finds by address: parameters and the state.
template <class Scalar>
struct Recorded {
  Tensor<Scalar, 4> state;
  Maybe<Scalar, 2> u;
  Maybe<Scalar, 1> decay;
  static constexpr auto fields() {
    return std::tuple{field("state", &Recorded::state), field("u", &Recorded::u),
                      field("decay", &Recorded::decay)};
  }
};

/// The operation on the tape; gradients only where the case has cotangents.
template <class Scalar>
void check_op(const GoldenCase& c, const Problem<Scalar>& p, Report& report) {
  Recorded<Scalar> recorded{p.state, p.u, p.constant_gate};
  Recorded<Scalar> gradient = zeros_like(recorded);
  auto dq = zeros<Scalar>(shape_of(p.q)), dk = dq, dv = zeros<Scalar>(shape_of(p.v));
  Maybe<Scalar, 3> dscalar = p.scalar_gate;
  Maybe<Scalar, 4> dvector = p.vector_gate;
  if (dscalar) dscalar->setZero();
  if (dvector) dvector->setZero();

  Tape<Scalar> tape;
  const bool backward = has_cotangents(c);
  tape.start();
  if (backward) tape.also_record(recorded, gradient);
  const auto input = [&](const auto& x, auto& dx) {
    constexpr int Rank = std::remove_cvref_t<decltype(x)>::NumDimensions;
    return tape.template input<Rank>(View<const Scalar, Rank>(x), View<Scalar, Rank>(dx));
  };
  const auto q = input(p.q, dq), k = input(p.k, dk), v = input(p.v, dv);
  const GatedLinearAttentionOptions<Scalar> options{.scale = p.scale, .bonus = recorded.u};
  tape.pack(p.cu_seqlens);
  Variable<Scalar, 4> o;
  if (p.constant_gate)
    o = retention(q, k, v, *recorded.decay, recorded.state, options);
  else if (p.scalar_gate)
    o = gated_linear_attention(q, k, v, input(*p.scalar_gate, *dscalar), recorded.state, options);
  else if (p.vector_gate)
    o = gated_linear_attention(q, k, v, input(*p.vector_gate, *dvector), recorded.state, options);
  else
    o = linear_attention(q, k, v, recorded.state, options);

  Tensor<Scalar, 4> out(o.shape());
  std::copy_n(o.value.data(), out.size(), out.data());
  const Answer<Scalar> answer = finish(p, std::move(out), recorded.state);
  compare_outputs(c, "op", true, answer, report);
  if (!backward) return;
  Gradient<Scalar> g(c, p, answer);
  if (o.gradient) std::copy_n(g.dout.data(), g.dout.size(), o.gradient.data());
  gradient.state = g.dstate;
  tape.backward();
  g.dq = dq, g.dk = dk, g.dv = dv, g.dstate = gradient.state, g.du = gradient.u;
  g.constant_gate = gradient.decay, g.scalar_gate = dscalar, g.vector_gate = dvector;
  compare(c, p, g, "op backward", c.limit<Scalar>(true) * relaxed<Scalar>(c), report);
}

/// The states of the normalised operation.
template <class Scalar>
struct NormalisedStates {
  Tensor<Scalar, 4> memory, key_sum;
  static constexpr auto fields() {
    return std::tuple{field("memory", &NormalisedStates::memory),
                      field("key_sum", &NormalisedStates::key_sum)};
  }
};

/// The normalised operation, instead of a column of values that is 1.
template <class Scalar>
void check_normalised_op(const GoldenCase& c, const Problem<Scalar>& p, Report& report) {
  const auto or_zero = [&](const std::string& name, const Shape<4>& shape) {
    const auto x = c.optional<Scalar, 4>(name);
    return x ? *x : zeros<Scalar>(shape);
  };
  Answer<Scalar> answer;
  NormalisedStates<Scalar> states, gradient;
  Tensor<Scalar, 4> v, column;
  split_column(p.v, v, column);
  split_column(p.state, states.memory, column);
  const auto sums_or_zero = [&](const std::string& name) {
    auto z = zeros<Scalar>(Shape<4>{p.q.dimension(0), 1, p.q.dimension(2), p.q.dimension(3)});
    if (!c.has(name)) return z;
    const auto elements = c.elements(name);
    if (Index(elements.size()) != z.size()) c.fail("\"" + name + "\" does not match q");
    std::copy(elements.begin(), elements.end(), z.data());
    return z;
  };
  states.key_sum = sums_or_zero("in.z0");
  gradient.memory = or_zero("cot." + names_of(c).final_state, shape_of(states.memory));
  gradient.key_sum = sums_or_zero("cot.zt");
  auto dq = zeros<Scalar>(shape_of(p.q)), dk = dq, dv = zeros<Scalar>(shape_of(v));

  Tape<Scalar> tape;
  tape.start();
  if (has_cotangents(c)) tape.also_record(states, gradient);
  const auto input = [&](const Tensor<Scalar, 4>& x, Tensor<Scalar, 4>& dx) {
    return tape.input(View<const Scalar, 4>(x), View<Scalar, 4>(dx));
  };
  const auto o =
      normalised_linear_attention(input(p.q, dq), input(p.k, dk), input(v, dv), states.memory,
                                  states.key_sum, {.scale = p.scale, .eps = p.eps});
  answer.o.resize(o.shape());
  std::copy_n(o.value.data(), answer.o.size(), answer.o.data());
  answer.state = states.memory, answer.z = states.key_sum;
  compare_outputs(c, "normalised op", true, answer, report);
  if (!has_cotangents(c)) return;

  if (const auto dout = Reader<Scalar>(c).optional_stream("cot.o"))
    std::copy_n(dout->data(), dout->size(), o.gradient.data());
  tape.backward();
  Gradient<Scalar> g;
  g.dq = dq, g.dk = dk, g.dv = p.with_column(dv, 0);
  g.dstate = p.with_column(gradient.memory, 0);
  p.put_normaliser(gradient.key_sum, g.dstate, false);
  compare(c, p, g, "normalised op backward", c.limit<Scalar>(true), report);
}

/// All forms, in one precision.
template <class Scalar>
void check_in(const GoldenCase& c, Report& report) {
  const Problem<Scalar> p(c);
  check_outputs(c, p, report);
  if (has_cotangents(c)) check_backward(c, p, report);
  check_op(c, p, report);
  // The normalised operation knows no packed sequences, gates and bonus.
  const bool plain = p.inputs().g.kind() == gla::GateKind::none && !p.u && p.cu_seqlens.empty();
  if (p.normalize && plain) check_normalised_op(c, p, report);
}

/// All forms, in both precisions.
void check(const GoldenCase& c, Report& report) {
  check_in<double>(c, report);
  check_in<float>(c, report);
}

}  // namespace sluice::testing::golden_gla
