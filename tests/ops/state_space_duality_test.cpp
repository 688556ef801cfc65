// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/ops/state_space_duality.hpp>

#include <cmath>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace sluice;
using testing::differences;
using testing::require_close;
using testing::uniform;

namespace {

struct Case {
  Index B, T, H, G, P, N;
  bool bias = true, log_A = true, softplus = true, limits = false, wide_skip = false;
  std::vector<Index> cu_seqlens = {};

  Index sequences() const { return cu_seqlens.empty() ? B : Index(cu_seqlens.size()) - 1; }
};

const std::vector<Case> cases = {{2, 7, 4, 2, 3, 5},
                                 {1, 37, 2, 1, 5, 2, false},
                                 {2, 3, 3, 3, 2, 9, true, false},
                                 {1, 9, 4, 1, 3, 2, true, true, true, true},
                                 {1, 9, 2, 2, 3, 2, true, false, false, false, true},
                                 {1, 9, 2, 1, 3, 4, true, true, true, true, true, {0, 4, 4, 9}},
                                 {1, 1, 1, 1, 1, 1},
                                 {2, 0, 2, 1, 3, 4}};

struct Weights {
  Tensor<double, 1> A, dt_bias, D;
  Tensor<double, 2> wide_D;
  static constexpr auto fields() {
    return std::tuple{field("A", &Weights::A), field("dt_bias", &Weights::dt_bias),
                      field("D", &Weights::D), field("wide_D", &Weights::wide_D)};
  }
};
struct Memory {
  Tensor<double, 4> state;
  static constexpr auto fields() { return std::tuple{field("state", &Memory::state)}; }
};

/// What a gradient can be taken by, or those gradients.
struct Operands {
  Tensor<double, 4> x, B, C;
  Tensor<double, 3> dt;
  Weights weights;
  Memory memory;

  explicit Operands(const Case& c)
      : x(uniform<double, 4>({c.B, c.T, c.H, c.P}, -1, 1, 1)),
        B(uniform<double, 4>({c.B, c.T, c.G, c.N}, -1, 1, 2)),
        C(uniform<double, 4>({c.B, c.T, c.G, c.N}, -1, 1, 3)),
        dt(uniform<double, 3>({c.B, c.T, c.H}, c.softplus ? -2 : 0.1, 2, 4)),
        weights{uniform<double, 1>({c.H}, c.log_A ? -1 : -2, c.log_A ? 1 : -0.1, 5),
                uniform<double, 1>({c.H}, 0, 0.5, 6), uniform<double, 1>({c.H}, -1, 1, 7),
                uniform<double, 2>({c.H, c.P}, -1, 1, 8)},
        memory{uniform<double, 4>({c.sequences(), c.H, c.N, c.P}, -1, 1, 9)} {}

  static constexpr auto fields() {
    using O = Operands;
    return std::tuple{field("x", &O::x),
                      field("B", &O::B),
                      field("C", &O::C),
                      field("dt", &O::dt),
                      field("weights", &O::weights),
                      field("memory", &O::memory)};
  }
};

Variable<double, 4> apply(const Case& c, Tape<double>& tape, Operands& o, Operands* d = nullptr) {
  const auto input = [&](auto member) {
    auto& value = o.*member;
    constexpr int Rank = std::remove_cvref_t<decltype(value)>::NumDimensions;
    return tape.template input<Rank>(
        View<const double, Rank>(value),
        d ? View<double, Rank>(d->*member) : View<double, Rank>(nullptr, shape_of(value)));
  };
  StateSpaceDualityOptions<double> options;
  if (c.bias) options.dt_bias = o.weights.dt_bias;
  tape.pack(c.cu_seqlens);
  if (!c.softplus) options.softplus = false;
  if (!c.log_A) options.log_A = false;
  if (c.limits) options.dt_min = 0.4, options.dt_max = 1.5;
  const auto x = input(&Operands::x);
  const auto y = state_space_duality(x, input(&Operands::dt), o.weights.A, input(&Operands::B),
                                     input(&Operands::C), o.memory.state, options);
  return c.wide_skip ? add_skip(y, x, o.weights.wide_D) : add_skip(y, x, o.weights.D);
}

/// The recurrence as it is written.
Tensor<double, 4> naive(const Case& c, Operands& o) {
  Tensor<double, 4> y(c.B, c.T, c.H, c.P);
  Index n = 0;
  for (Index b = 0; b < c.B; ++b)
    for (Index t = 0; t < c.T; ++t) {
      if (c.cu_seqlens.empty())
        n = b;
      else
        while (t >= c.cu_seqlens[std::size_t(n + 1)]) ++n;
      for (Index h = 0; h < c.H; ++h) {
        double dt = o.dt(b, t, h) + (c.bias ? o.weights.dt_bias(h) : 0);
        if (c.softplus) dt = std::log1p(std::exp(dt));
        if (c.limits) dt = std::min(std::max(dt, 0.4), 1.5);
        const double A = c.log_A ? -std::exp(o.weights.A(h)) : o.weights.A(h);
        const Index g = h / (c.H / c.G);
        for (Index p = 0; p < c.P; ++p) {
          y(b, t, h, p) = (c.wide_skip ? o.weights.wide_D(h, p) : o.weights.D(h)) * o.x(b, t, h, p);
          for (Index i = 0; i < c.N; ++i) {
            double& s = o.memory.state(n, h, i, p);
            s = std::exp(dt * A) * s + dt * o.x(b, t, h, p) * o.B(b, t, g, i);
            y(b, t, h, p) += s * o.C(b, t, g, i);
          }
        }
      }
    }
  return y;
}

Tensor<double, 4> copy(const Variable<double, 4>& y) {
  Tensor<double, 4> out(y.shape());
  std::copy_n(y.value.data(), out.size(), out.data());
  return out;
}

}  // namespace

TEST_CASE("the state space of Mamba-2 equals its recurrence", "[ssd][op]") {
  for (const Case& c : cases) {
    CAPTURE(c.T, c.H, c.G, c.P, c.N, c.limits);
    Operands o(c), slow = o;
    Tape<double> tape;
    tape.start();
    const auto y = copy(apply(c, tape, o));
    require_close("y", naive(c, slow), y, 1e-13);
    require_close("state", slow.memory.state, o.memory.state, 1e-13);
  }
}

TEST_CASE("gradients of the state space of Mamba-2 are its differences", "[ssd][op][gradient]") {
  for (const Case& c : cases) {
    CAPTURE(c.T, c.H, c.G, c.P, c.N, c.limits);
    Operands o(c);
    const auto dy = uniform<double, 4>(shape_of(o.x), -1, 1, 20);
    const auto dstate = uniform<double, 4>(shape_of(o.memory.state), -1, 1, 21);
    const auto product = [](const Tensor<double, 4>& a, const double* b) {
      double sum = 0;
      for (Index i = 0; i < a.size(); ++i) sum += a.data()[i] * b[i];
      return sum;
    };
    Tape<double> tape;
    const auto loss = [&] {
      Operands moved = o;
      tape.start();
      const auto y = apply(c, tape, moved);
      return product(dy, y.value.data()) + product(dstate, moved.memory.state.data());
    };
    Operands gradient = zeros_like(o), moved = o, slope = o;
    gradient.memory.state = dstate;
    tape.start();
    tape.also_record(moved.weights, gradient.weights);
    tape.also_record(moved.memory, gradient.memory);
    const auto y = apply(c, tape, moved, &gradient);
    std::copy_n(dy.data(), dy.size(), y.gradient.data());
    tape.backward();
    for_each_tensor(
        [&](std::string_view name, auto& t, auto& s, const auto& d) {
          s = differences(t, loss);
          require_close(std::string(name), s, d, 2e-7);
        },
        o, slope, gradient);
  }
}

TEST_CASE("a warm step of the state space allocates nothing", "[ssd][op]") {
  const Case c{2, 1, 4, 2, 8, 16};
  Operands o(c);
  Tape<double> tape;
  const auto pass = [&] {
    tape.start();
    apply(c, tape, o);
  };
  pass(), pass();
  const long before = testing::allocations();
  pass();
  CHECK(testing::allocations() == before);
}

TEST_CASE("operands of the state space that do not agree are named", "[ssd][op][error]") {
  const auto error = [](const Case& c, auto&& spoil) -> std::string {
    Operands o(c);
    spoil(o);
    const auto before = o.memory.state;
    Tape<double> tape;
    tape.start();
    try {
      apply(c, tape, o);
    } catch (const std::invalid_argument& e) {
      require_close("state", before, o.memory.state, 0);
      return e.what();
    }
    return "";
  };
  const Case c{2, 7, 4, 2, 3, 5};
  CHECK(error(c, [](Operands& o) { o.C.resize(2, 7, 2, 6); }) ==
        "state_space_duality: C must be [2, 7, 2, 5] to match B, got [2, 7, 2, 6]");
  CHECK(error(c, [](Operands& o) { o.dt.resize(2, 7, 3); }) ==
        "ssd::discretise: dt must be [2, 7, 4] to match x, got [2, 7, 3]");
  CHECK(error(c, [](Operands& o) { o.weights.A.resize(3); }) ==
        "ssd::discretise: A must be [4] to match the heads of x, got [3]");
  CHECK(error(c, [](Operands& o) { o.weights.dt_bias.resize(5); }) ==
        "ssd::discretise: dt_bias must be [4] to match the heads of x, got [5]");

  Operands o(c);
  o.weights.D.resize(3);
  Tape<double> tape;
  tape.start();
  CHECK_THROWS_WITH(apply(c, tape, o), "ssd::add_skip: D must be [4, 1] to match x, got [3, 1]");
}
