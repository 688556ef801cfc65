// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/ssm_problem.hpp"

using namespace sluice;
using namespace sluice::testing;
using ssm::CouplingKind;

namespace {

/// Nothing divides a vector width or a block; all combinations of options meet somewhere.
std::vector<SsmCase> cases(double strongest) {
  const auto token = CouplingKind::token, channel = CouplingKind::channel, one = CouplingKind::one;
  std::vector<SsmCase> all{{1, 1, 1, 1, 1},
                           {2, 17, 19, 5, 1},
                           {1, 41, 38, 16, 2},
                           {2, 9, 9, 21, 3},
                           {1, 19, 7, 3, 1, channel, channel},
                           {1, 19, 21, 6, 3, token, channel},
                           {2, 11, 5, 2, 1, channel, token},
                           {1, 13, 5, 2, 1, one, token},
                           {1, 10, 35, 6, 1, token, token, true},
                           {2, 18, 9, 5, 1, channel, channel, true},
                           {1, 18, 6, 5, 2, channel, token, true},
                           {1, 12, 300, 2, 1},  // several parts
                           {2, 0, 4, 3, 1}};
  const std::size_t n = all.size();
  for (std::size_t i = 0; i < n; ++i) {
    SsmCase plain = all[i];
    plain.around = false;
    all.push_back(plain);
    all[i].dt_min = 0.2, all[i].dt_max = 0.9;
  }
  all.push_back({2, 33, 21, 4, 1});
  for (SsmCase& c : all) c.strongest = strongest;
  all.push_back(gated_recurrence_case(2, 29, 21, strongest));
  return all;
}

template <class Scalar>
Tensor<Scalar, 3> cotangent(const Tensor<Scalar, 3>& like, unsigned seed) {
  return uniform<Scalar, 3>(shape_of(like), -1, 1, seed);
}

// Relative to the largest entry: a few roundings of a recurrence and of sums over channels or time.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-13 : 4e-6;

template <class Scalar>
void require_gradients_match(const SsmCase& c, const SsmOperands<Scalar>& o) {
  const auto dout = cotangent(o.x, 21), dstate = cotangent(o.state, 22);
  // Where dt A comes to 40, so does the rounding of dt in the decay.
  const double limit = tolerance<Scalar> * (c.strongest > 40 ? 3 : 1);
  const auto expected = reference_gradients(c, o, dout, dstate);
  const auto got = gradients(c, o, dout, dstate).template as<double>();
  for_each_tensor(
      [&](std::string_view name, const auto& e, const auto& g) {
        CAPTURE(name);
        REQUIRE(largest_error(e, g) <= limit);
      },
      expected, got);
}

#define CAPTURE_CASE(c)                                                                          \
  CAPTURE(c.batch, c.T, c.channels, c.states, c.groups, int(c.B), int(c.C), c.complex, c.around, \
          c.dt_scales_x, c.strongest)

}  // namespace

TEMPLATE_TEST_CASE("gradients equal those of the recurrence", "[ssm][gradient]", float, double) {
  for (const double strongest : {0., 0.001, 1., 8., 40., 1e4})
    for (const SsmCase& c : cases(strongest)) {
      CAPTURE_CASE(c);
      require_gradients_match(c, operands<TestType>(c));
    }
}

TEST_CASE("the reference gradients equal central differences", "[ssm][gradient]") {
  for (SsmCase c : cases(1)) {
    if (c.channels > 50 || c.T > 20) continue;
    CAPTURE_CASE(c);
    auto o = operands<double>(c);
    const auto dout = cotangent(o.x, 21), dstate = cotangent(o.state, 22);
    const auto expected = reference_gradients(c, o, dout, dstate);
    const auto loss = [&] {
      const auto r = run(c, o, SsmForm{"naive"});
      double sum = 0;
      for (Index i = 0; i < r.y.size(); ++i) sum += r.y.data()[i] * dout.data()[i];
      for (Index i = 0; i < r.state.size(); ++i) sum += r.state.data()[i] * dstate.data()[i];
      return sum;
    };
    for_each_tensor(
        [&](std::string_view name, auto& t, const auto& e) {
          CAPTURE(name);
          if (name == "dt" || name == "dt_bias")  // the limits are kinks
            if (std::isfinite(c.dt_min)) return;
          REQUIRE(largest_error(differences(t, loss), e) <= 1e-6);
        },
        o, expected);
  }
}

TEMPLATE_TEST_CASE("packed sequences have the gradients of separate ones", "[ssm][gradient]", float,
                   double) {
  SsmCase packed{1, 67, 21, 5, 1};
  packed.cu_seqlens = {0, 5, 5, 38, 39, 67};
  const auto o = operands<TestType>(packed);
  const auto dout = cotangent(o.x, 21), dstate = cotangent(o.state, 22);
  const auto all = gradients(packed, o, dout, dstate);
  auto sums = zeros_like(o);
  for (Index n = 0; n < packed.sequences(); ++n) {
    CAPTURE(n);
    const Index from = packed.cu_seqlens[std::size_t(n)];
    const Index to = packed.cu_seqlens[std::size_t(n) + 1];
    const auto take = [&](const Tensor<TestType, 3>& x) {
      Tensor<TestType, 3> one(1, packed.states, packed.channels);
      std::copy_n(x.data() + n * one.size(), one.size(), one.data());
      return one;
    };
    auto [c, part] = tokens(packed, o, from, to, take(o.state));
    c.cu_seqlens.clear();
    const auto own = gradients(c, part, slice_tokens(dout, from, to), take(dstate));
    REQUIRE(same_bits(own.x, slice_tokens(all.x, from, to)));
    REQUIRE(same_bits(own.dt, slice_tokens(all.dt, from, to)));
    REQUIRE(same_bits(own.z, slice_tokens(all.z, from, to)));
    REQUIRE(same_bits(own.B, slice_tokens(all.B, from, to)));
    REQUIRE(same_bits(own.C, slice_tokens(all.C, from, to)));
    REQUIRE(same_bits(own.state, take(all.state)));
    sums.A = sums.A + own.A, sums.D = sums.D + own.D, sums.dt_bias = sums.dt_bias + own.dt_bias;
  }
  REQUIRE(largest_error(sums.A, all.A) <= tolerance<TestType>);
  REQUIRE(largest_error(sums.D, all.D) <= tolerance<TestType>);
  REQUIRE(largest_error(sums.dt_bias, all.dt_bias) <= tolerance<TestType>);
}

TEST_CASE("strong decay leaves no subnormal number behind", "[ssm][gradient]") {
  const SsmCase c{1, 96, 16, 4, 1};
  auto o = operands<float>(c);
  o.dt.setConstant(1.f), o.dt_bias.setConstant(0.f);
  for (const float decay : {-30.f, -31.f, -32.f, -60.f, -100.f}) {
    CAPTURE(decay);
    o.A.setConstant(decay);
    o.x.setZero();
    Tensor<float, 3> dout = o.x;  // nothing but G = a G
    const auto d = gradients(c, o, dout, cotangent(o.state, 22));
    const auto r = run(c, o, SsmForm{"chunkwise", 1000});
    const auto check = [](const auto& t) {
      for (Index i = 0; i < t.size(); ++i) REQUIRE(std::fpclassify(t.data()[i]) != FP_SUBNORMAL);
    };
    check(d.state), check(d.x), check(d.B), check(r.state), check(r.y);
  }
}

TEST_CASE("gradients are added to or overwrite, as asked; absent ones are skipped",
          "[ssm][gradient]") {
  const SsmCase c{2, 21, 19, 5, 1};
  const auto o = operands<double>(c);
  const auto dout = cotangent(o.x, 21), dstate = cotangent(o.state, 22);
  const auto once = gradients(c, o, dout, dstate);
  const auto in = inputs(c, o);
  Tensor<double, 3> saved(ssm::saved_states(in), in.states(), in.channels());
  auto state = o.state;
  Tensor<double, 3> y(o.x.dimensions());
  ssm::forward(in, View<double, 3>(state), y, {}, saved);
  for (const bool accumulate : {false, true}) {
    auto d = once;
    for_each_tensor([](std::string_view, auto& t) { t.setConstant(3); }, d);
    d.state = dstate;
    auto views = targets(c, d);
    views.accumulate = accumulate;
    ssm::backward(in, saved, dout, View<double, 3>(d.state), views);
    for_each_tensor(
        [&](std::string_view name, const auto& expected, auto& got) {
          if (name == "B_constant" || name == "C_constant") return;
          const bool parameter = name == "A" || name == "D" || name == "dt_bias";
          const double base = name != "state" && (accumulate || parameter) ? 3 : 0;
          for (Index i = 0; i < got.size(); ++i) got.data()[i] -= base;
          CAPTURE(name, accumulate);
          REQUIRE(largest_error(expected, got) <= 1e-13);
        },
        once, d);
  }
  Tensor<double, 3> dx(o.x.dimensions()), gradient = dstate;
  ssm::backward(in, saved, dout, View<double, 3>(gradient), {.dx = dx});
  REQUIRE(same_bits(once.x, dx));
  REQUIRE(same_bits(once.state, gradient));
}
