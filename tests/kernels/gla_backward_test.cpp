// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/gla_problem.hpp"

#include <sluice/parallel/thread_team.hpp>

using namespace sluice;
using namespace sluice::testing;
using gla::GateKind;

namespace {

const GlaShape shapes[] = {
    {1, 1, 1, 1, 1, 1},    {2, 17, 3, 3, 8, 16}, {1, 67, 1, 2, 5, 19}, {1, 100, 2, 4, 20, 36},
    {2, 33, 1, 1, 16, 64}, {1, 45, 1, 9, 6, 7},  // many heads of v share one of q
    {2, 35, 2, 16, 5, 4}};
const GateKind kinds[] = {GateKind::none, GateKind::constant, GateKind::scalar, GateKind::vector};

// float: the rounding of a recurrence of a hundred tokens, relative to the largest entry.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-13 : 2e-6;

template <class Scalar>
void require_gradients_match(const GlaProblem<Scalar>& p) {
  const auto expected = reference_gradients(p);
  const auto actual = backward(p);
  REQUIRE(largest_error(expected.dq, actual.dq) <= tolerance<Scalar>);
  REQUIRE(largest_error(expected.dk, actual.dk) <= tolerance<Scalar>);
  REQUIRE(largest_error(expected.dv, actual.dv) <= tolerance<Scalar>);
  REQUIRE(largest_error(expected.dstate, actual.dstate) <= tolerance<Scalar>);
  if (p.bonus) REQUIRE(largest_error(expected.du, actual.du) <= tolerance<Scalar>);
  if (p.kind == GateKind::vector)
    REQUIRE(largest_error(expected.dg, actual.dg) <= tolerance<Scalar>);
  if (p.kind == GateKind::scalar)
    REQUIRE(largest_error(expected.dg_scalar, actual.dg_scalar) <= tolerance<Scalar>);
  if (p.kind == GateKind::constant) {
    // A sum over time whose terms may cancel: relative to the sum of their sizes.
    for (Index h = 0; h < p.n.HV; ++h) {
      double size = 0;
      for (Index b = 0; b < p.n.B; ++b)
        for (Index t = 0; t < p.n.T; ++t)
          for (Index i = 0; i < p.n.K; ++i) size += std::abs(expected.dg(b, t, h, i));
      REQUIRE(std::abs(expected.dg_constant(h) - double(actual.dg_constant(h))) <=
              tolerance<Scalar> * std::max(size, 1e-12));
    }
  }
}

/// Loss: <o, dout> + <final state, dstate>, by the definition in double.
double loss(const GlaProblem<double>& p) {
  const auto r = run(p, GlaForm{"naive"});
  double sum = 0;
  for (Index i = 0; i < r.o.size(); ++i) sum += r.o.data()[i] * p.dout.data()[i];
  for (Index i = 0; i < r.state.size(); ++i) sum += r.state.data()[i] * p.dstate.data()[i];
  return sum;
}

}  // namespace

TEMPLATE_TEST_CASE("gradients equal those of the recurrence", "[gla][gradient]", float, double) {
  for (const GlaShape& shape : shapes)
    for (const GateKind kind : kinds)
      for (const bool bonus : {false, true})
        for (const double strongest : {0.001, 0.1, 1., 8., 40.}) {
          CAPTURE(shape.T, shape.K, shape.V, int(kind), bonus, strongest);
          require_gradients_match(GlaProblem<TestType>(shape, kind, bonus, TestType(strongest)));
        }
}

TEST_CASE("gradients equal central differences", "[gla][gradient]") {
  const double h = 1e-6, limit = 1e-7;  // the differences' own error: h^2 and rounding / h
  for (const GateKind kind : kinds)
    for (const bool bonus : {false, true}) {
      GlaProblem<double> p({1, 19, 1, 2, 3, 4}, kind, bonus, 1.);
      const auto analytic = backward(p);
      const auto check = [&](const char* name, double* x, const double* gradient, Index n) {
        for (Index i = 0; i < n; i += std::max<Index>(1, n / 17)) {
          const double kept = x[i];
          x[i] = kept + h;
          const double above = loss(p);
          x[i] = kept - h;
          const double below = loss(p);
          x[i] = kept;
          CAPTURE(name, i, int(kind), bonus);
          REQUIRE(std::abs((above - below) / (2 * h) - gradient[i]) <=
                  limit * std::max(1., std::abs(gradient[i])));
        }
      };
      check("q", p.q.data(), analytic.dq.data(), p.q.size());
      check("k", p.k.data(), analytic.dk.data(), p.k.size());
      check("v", p.v.data(), analytic.dv.data(), p.v.size());
      check("state", p.state.data(), analytic.dstate.data(), p.state.size());
      check("g", p.g.data(), analytic.dg.data(), kind == GateKind::vector ? p.g.size() : 0);
      check("g", p.g_scalar.data(), analytic.dg_scalar.data(),
            kind == GateKind::scalar ? p.g_scalar.size() : 0);
      check("g", p.g_constant.data(), analytic.dg_constant.data(),
            kind == GateKind::constant ? p.g_constant.size() : 0);
      check("u", p.u.data(), analytic.du.data(), bonus ? p.u.size() : 0);
    }
}

TEST_CASE("the reference gradients equal central differences", "[gla][gradient]") {
  const double h = 1e-6, limit = 1e-7;  // as above
  for (const GateKind kind : kinds)
    for (const bool bonus : {false, true}) {
      GlaProblem<double> p({1, 7, 1, 2, 3, 4}, kind, bonus, 1.);
      const auto expected = reference_gradients(p);
      const auto check = [&](const char* name, auto& x, const auto& gradient) {
        CAPTURE(name, int(kind), bonus);
        const auto slopes = differences(
            x, [&] { return loss(p); }, h);
        REQUIRE(largest_error(slopes, gradient) <= limit);
      };
      check("q", p.q, expected.dq), check("k", p.k, expected.dk), check("v", p.v, expected.dv);
      check("state", p.state, expected.dstate);
      if (kind == GateKind::vector) check("g", p.g, expected.dg);
      if (kind == GateKind::scalar) check("g", p.g_scalar, expected.dg_scalar);
      if (kind == GateKind::constant) check("g", p.g_constant, expected.dg_constant);
      if (bonus) check("u", p.u, expected.du);
    }
}

TEMPLATE_TEST_CASE("packed sequences have the gradients of the definition", "[gla][gradient]",
                   float, double) {
  for (const GateKind kind : kinds)
    for (const bool bonus : {false, true})
      for (const double strongest : {0.1, 8., 120.}) {
        CAPTURE(int(kind), bonus, strongest);
        GlaProblem<TestType> p({1, 100, 1, 2, 5, 7}, kind, bonus, TestType(strongest));
        p.cu_seqlens = {0, 3, 3, 40, 99, 100};
        p.state = uniform<TestType, 4>({5, 2, 5, 7}, -1, 1, 31);
        p.dstate = uniform<TestType, 4>({5, 2, 5, 7}, -1, 1, 32);
        require_gradients_match(p);
      }
}

TEMPLATE_TEST_CASE("the gate gradient holds at every strength of decay", "[gla][gradient]", float,
                   double) {
  for (const bool bonus : {false, true}) {
    GlaProblem<TestType> p({1, 150, 1, 1, 16, 24}, GateKind::vector, bonus, TestType(1));
    for (const double decay : {0.001, 0.1, 1., 8., 40., 120.}) {
      CAPTURE(decay, bonus);
      p.g.setConstant(TestType(-decay));
      require_gradients_match(p);
    }
    for (const double isolated : {40., 120., double(HUGE_VAL)}) {
      CAPTURE(isolated, bonus);
      p.g.setConstant(TestType(-0.02));
      for (Index i = 0; i < p.g.size(); i += 20) p.g.data()[i] = TestType(-isolated);
      require_gradients_match(p);
      p.g = uniform<TestType, 4>({1, 150, 1, 16}, TestType(-20), 0, 5);
      for (Index i = 0; i < p.g.size(); i += 20) p.g.data()[i] = TestType(-isolated);
      require_gradients_match(p);
    }
    p.g.setConstant(-std::numeric_limits<TestType>::infinity());
    CAPTURE(bonus);
    const auto expected = reference_gradients(p);
    const auto shut = backward(p);
    REQUIRE(largest_error(expected.dq, shut.dq) <= tolerance<TestType>);
    for (Index i = 0; i < shut.dg.size(); ++i) REQUIRE(std::abs(shut.dg.data()[i]) < 1e-5);
  }
}

TEST_CASE("strong decay leaves no subnormal number behind", "[gla][gradient]") {
  GlaProblem<float> p({1, 96, 1, 1, 16, 16}, GateKind::vector, false, 1.f);
  for (const float decay : {-30.f, -59.f, -61.f, -87.f, -100.f}) {
    p.g.setConstant(decay);
    p.dout.setZero();  // nothing but D = exp(g) D
    const auto r = backward(p);
    for (Index i = 0; i < r.dk.size(); ++i)
      REQUIRE(std::fpclassify(r.dk.data()[i]) != FP_SUBNORMAL);
    for (Index i = 0; i < r.dstate.size(); ++i)
      REQUIRE(std::fpclassify(r.dstate.data()[i]) != FP_SUBNORMAL);
  }
}

TEST_CASE("gradients are added to or overwrite, as asked; absent ones are skipped",
          "[gla][gradient]") {
  const Index heads = GENERATE(2, 9);
  const GlaProblem<double> p({1, 40, 1, heads, 5, 6}, GateKind::vector, true, 1.);
  const auto once = backward(p);
  const auto in = p.inputs();
  Tensor<double, 4> saved(gla::saved_states(in), heads, 5, 6), o(p.v.dimensions());
  auto state = p.state;
  gla::forward(in, p.scale, state, o, {}, saved);
  for (const bool accumulate : {false, true}) {
    GlaGradients<double> r(p);
    r.dq.setConstant(3), r.dk.setConstant(3), r.dv.setConstant(3), r.dg.setConstant(3);
    auto views = r.views(p);
    views.accumulate = accumulate;
    gla::backward(in, p.scale, View<const double, 4>(saved), p.dout, r.dstate, views);
    const double base = accumulate ? 3 : 0;
    for (Index i = 0; i < r.dq.size(); ++i) {
      REQUIRE(std::abs(r.dq.data()[i] - base - once.dq.data()[i]) < 1e-12);
      REQUIRE(std::abs(r.dk.data()[i] - base - once.dk.data()[i]) < 1e-12);
    }
    for (Index i = 0; i < r.dv.size(); ++i)
      REQUIRE(std::abs(r.dv.data()[i] - base - once.dv.data()[i]) < 1e-12);
    for (Index i = 0; i < r.dg.size(); ++i)
      REQUIRE(std::abs(r.dg.data()[i] - base - once.dg.data()[i]) < 1e-12);
  }
  GlaGradients<double> r(p);
  gla::backward(in, p.scale, View<const double, 4>(saved), p.dout, r.dstate, {.dv = r.dv});
  REQUIRE(largest_error(once.dv, r.dv) == 0);
  REQUIRE(largest_error(once.dstate, r.dstate) == 0);
}

TEST_CASE("threads change no bit of a gradient", "[gla][gradient]") {
  ThreadTeam three(3), seven(7);
  for (const GlaShape& shape : {GlaShape{2, 67, 3, 6, 8, 16}, GlaShape{1, 67, 1, 9, 8, 16}})
    for (const bool bonus : {false, true}) {
      const GlaProblem<float> p(shape, GateKind::vector, bonus, 1.f);
      const auto alone = backward(p);
      for (const Executor executor : {Executor(three), Executor(seven)}) {
        const auto shared = backward(p, {executor});
        CHECK(largest_error(alone.dq, shared.dq) == 0);
        CHECK(largest_error(alone.dk, shared.dk) == 0);
        CHECK(largest_error(alone.dv, shared.dv) == 0);
        CHECK(largest_error(alone.dg, shared.dg) == 0);
        CHECK(largest_error(alone.dstate, shared.dstate) == 0);
        if (bonus) CHECK(largest_error(alone.du, shared.du) == 0);
      }
    }
}

TEST_CASE("gradients too large for a cache are the same numbers", "[gla][gradient]") {
  const GlaProblem<float> p({1, 4200, 1, 1, 64, 64}, GateKind::vector, false, 0.1f);
  REQUIRE(common::outgrows_cache(View<const float, 4>(p.q)));
  const auto in = p.inputs();
  Tensor<float, 4> saved(gla::saved_states(in), 1, 64, 64), o(p.v.dimensions());
  auto state = p.state;
  gla::forward(in, p.scale, state, o, {}, saved);
  GlaGradients<float> written(p), added(p);
  for (auto* r : {&written, &added}) {
    r->dq.setZero(), r->dk.setZero(), r->dv.setZero(), r->dg.setZero();
    auto views = r->views(p);
    views.accumulate = r == &added;
    gla::backward(in, p.scale, View<const float, 4>(saved), p.dout, r->dstate, views);
  }
  REQUIRE(largest_error(added.dq, written.dq) == 0);
  REQUIRE(largest_error(added.dk, written.dk) == 0);
  REQUIRE(largest_error(added.dv, written.dv) == 0);
  REQUIRE(largest_error(added.dg, written.dg) == 0);
}
